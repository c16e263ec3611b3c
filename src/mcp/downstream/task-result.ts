/** `tasks/result` of 2025-11-25: held until the task has ended, and then answered what the call itself would have been. */
import type { Approval } from '../../domain/approval.ts'
import type { Timings } from '../../domain/timings.ts'
import { mergeObjects, rawMember, withMember } from '../raw-json.ts'
import { eventIdsFor, type HeldStream, type StreamSeal } from './event-ids.ts'
import type { HoldCall } from './held-call.ts'
import type { HoldAnswers } from './hold.ts'
import { settledAnswer } from './replies.ts'
import type { Requester } from './requester.ts'
import { type Answer, errorAnswer, type Id, INTERNAL_ERROR } from './rpc.ts'
import { META_RELATED_TASK, taskFields } from './task-view.ts'

export type TaskResult = (requester: Requester, id: Id, approval: Approval, taskId: string) => Response

export function createTaskResult(deps: {
  holdCall: HoldCall
  streams: StreamSeal
  clock: { wallMs(): number }
  timings: Pick<Timings, 'decisionMs' | 'keepOutcomeMs' | 'startByMs' | 'pollMs' | 'coolDownMs'>
}): TaskResult {
  const { holdCall, streams, clock, timings } = deps
  // "MUST block the response until the task reaches a terminal status" (MCP 2025-11-25, Tasks).
  const holdMs = timings.decisionMs + timings.startByMs

  return function taskResult(requester, id, approval, taskId) {
    const { principal, upstream, session, spoken, accepts, delivery } = requester
    const owner = { principal, server: upstream.server }
    const stream = { id, progressToken: null, reported: 0, untilMs: clock.wallMs() + holdMs, taskId }
    const eventIds = eventIdsFor(streams, {
      owner,
      session: session?.id ?? null,
      spoken,
      accepts,
      delivery,
      stream,
    })
    const answers = taskResultAnswers(taskId, eventIds?.isPrimed ?? false, { clock, timings })
    const about = 'known' as const
    const terms = { id, about, holdMs, answers, envelope: '{}', progressToken: null, eventIds }
    const held = holdCall(requester, terms)
    return held.ok ? held.value.wait(approval, true) : held.error
  }
}

/** @param isResumable whether the client comes back by itself when its stream ends without an answer */
export function taskResultAnswers(
  taskId: NonNullable<HeldStream['taskId']>,
  isResumable: boolean,
  deps: {
    readonly clock: { wallMs(): number }
    readonly timings: Pick<Timings, 'keepOutcomeMs' | 'startByMs' | 'pollMs' | 'coolDownMs'>
  },
): HoldAnswers {
  const { clock, timings } = deps
  return {
    settled: (settled, replyText) =>
      related(settledAnswer(settled, replyText, 'legacy', timings.coolDownMs), taskId),
    waiting(waiting, { isStopping }) {
      if (isStopping && isResumable) return null
      return errorAnswer(
        INTERNAL_ERROR,
        `${waiting.id} is not over yet. Ask for the result of this task again.`,
      )
    },
    changed: (seen) =>
      JSON.stringify({
        jsonrpc: '2.0',
        method: 'notifications/tasks/status',
        params: taskFields(taskId, seen, clock.wallMs(), 'legacy', timings),
      }),
  }
}

/** Says of which task it is the result; an error has no room for that, and needs none. */
function related({ kind, text }: Answer, taskId: string): Answer {
  if (kind === 'error' || !text.trimStart().startsWith('{')) return { kind, text }
  const meta = rawMember(text, '_meta') ?? '{}'
  const ours = JSON.stringify({ [META_RELATED_TASK]: { taskId } })
  return { kind, text: withMember(text, '_meta', meta.startsWith('{') ? mergeObjects(meta, ours) : ours) }
}
