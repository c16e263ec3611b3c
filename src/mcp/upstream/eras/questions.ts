/**
 * Calls of a legacy server that have asked something and wait for a modern client to come back with the answer (MCP
 * 2026-07-28, multi round-trip requests). Kept in this process, with the running call itself: no other gateway can go on with it.
 */
import { randomBytes } from 'node:crypto'
import type { Principal } from '../../../domain/principal.ts'

/** People type answers; whoever needs longer has left. */
export const ANSWER_MS_MAX = 10 * 60_000
const PREFIX = 'holdpoint-question.'
/** Each is a call that runs. */
const QUESTIONS_MAX = 1_000

/** Whether a `requestState` can only be one of ours. */
export const isOfQuestion = (state: unknown): boolean => typeof state === 'string' && state.startsWith(PREFIX)

export interface Question<Call> {
  readonly call: Call
  readonly principal: Principal
  /** What the client has to repeat besides the answer. */
  readonly repeated: string
  readonly giveUp: () => void
}

export interface Questions<Call> {
  /** @returns the `requestState` by which the client finds back, `null` when too many wait already */
  ask(question: Question<Call>): string | null
  /** Once, and only for who was asked and repeats the same call; anybody else learns nothing. */
  take(state: string, principal: Principal, repeated: string): Call | null
  close(): void
}

export function createQuestions<Call>(): Questions<Call> {
  const waiting = new Map<string, Question<Call> & { readonly timer: NodeJS.Timeout }>()
  return {
    ask(question) {
      if (waiting.size >= QUESTIONS_MAX) return null
      const state = `${PREFIX}${randomBytes(24).toString('base64url')}`
      const timer = setTimeout(() => {
        waiting.delete(state)
        question.giveUp()
      }, ANSWER_MS_MAX).unref()
      waiting.set(state, { ...question, timer })
      return state
    },
    take(state, { name, owner }, repeated) {
      const question = waiting.get(state)
      if (question === undefined || question.repeated !== repeated) return null
      if (question.principal.name !== name || question.principal.owner !== owner) return null
      waiting.delete(state)
      clearTimeout(question.timer)
      return question.call
    },
    close() {
      for (const { timer, giveUp } of waiting.values()) {
        clearTimeout(timer)
        giveUp()
      }
      waiting.clear()
    },
  }
}
