/**
 * An approval as a task, in the words of both generations: the extension `io.modelcontextprotocol/tasks` of 2026-07-28, and
 * the tasks of 2025-11-25. They mean nearly the same and are spelled differently.
 */
import { type Approval, type InstantMs, isAcceptedAsTask } from '../../domain/approval.ts'
import type { JsonObject } from '../../domain/canonical.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Era } from '../../domain/tool-call.ts'
import { withMember } from '../raw-json.ts'
import { settledInWords } from './replies.ts'
import type { Answer } from './rpc.ts'
import { waitingInWords } from './waiting-words.ts'

/** Of `tasks/update` and `tasks/cancel`, whose effect the next poll shows. */
export const acknowledged: Answer = { kind: 'result', text: '{"resultType":"complete"}' }

export type TaskStatus = 'working' | 'completed' | 'failed' | 'cancelled'
type TaskTimings = Pick<Timings, 'keepOutcomeMs' | 'startByMs' | 'pollMs' | 'coolDownMs'>

/** Where a text for the agent's model goes that is there before the result (MCP 2025-11-25, Tasks). */
export const META_IMMEDIATE_RESPONSE = 'io.modelcontextprotocol/model-immediate-response'
export const META_RELATED_TASK = 'io.modelcontextprotocol/related-task'

/** The members that both generations have, and those that each spells its own way. */
export function taskFields(
  taskId: string,
  approval: Approval,
  nowMs: InstantMs,
  era: Era,
  timings: TaskTimings,
): JsonObject {
  const ttlMs = keptUntilMs(approval, timings) - approval.createdAtMs
  return {
    taskId,
    status: taskStatus(approval, era),
    statusMessage:
      approval.status === 'settled'
        ? settledInWords(approval, timings.coolDownMs)
        : waitingInWords(approval, Math.max(0, nowMs - approval.createdAtMs)),
    createdAt: iso(approval.createdAtMs),
    lastUpdatedAt: iso(changedAtMs(approval)),
    ...(era === 'modern'
      ? { ttlMs, pollIntervalMs: timings.pollMs }
      : { ttl: ttlMs, pollInterval: timings.pollMs }),
  }
}

/**
 * A tool's own "that went wrong" completes a task of 2026-07-28 and fails one of 2025-11-25. So does a person's no, which
 * is told like a tool's error.
 */
export function taskStatus(approval: Approval, era: Era): TaskStatus {
  if (approval.status !== 'settled') return 'working'
  const { outcome, asked } = approval
  // Withdrawn by a person, it has more to say than the one word.
  if (outcome.kind === 'cancelled' && outcome.by === asked.requester.name) return 'cancelled'
  // Of the call that we sent, this is the answer; of the task that it is now, only the upstream knows the end.
  if (isAcceptedAsTask(approval)) return era === 'modern' ? 'working' : 'failed'
  const isError = outcome.kind !== 'answered' || outcome.reply.isError
  if (outcome.kind === 'answered' && outcome.reply.kind === 'error') return 'failed'
  return isError && era === 'legacy' ? 'failed' : 'completed'
}

/** A task of 2026-07-28 with how it ended inside. @param answer what the call itself would have been answered */
export function detailedTask(fields: JsonObject, answer: Answer | null): string {
  const task = JSON.stringify({ resultType: 'complete', ...fields })
  if (answer === null || fields.status === 'cancelled') return task
  return withMember(task, answer.kind, answer.text)
}

/** When a task can be asked for no longer; later than promised at first it is never. */
function keptUntilMs(approval: Approval, { startByMs, keepOutcomeMs }: TaskTimings): InstantMs {
  switch (approval.status) {
    case 'pending':
      return approval.expiresAtMs + startByMs + keepOutcomeMs
    case 'approved':
      return approval.startByMs + keepOutcomeMs
    case 'executing':
      return approval.claim.atMs + keepOutcomeMs
    case 'settled':
      return approval.settledAtMs + keepOutcomeMs
  }
}

function changedAtMs(approval: Approval): InstantMs {
  switch (approval.status) {
    case 'pending':
      return approval.votes.at(-1)?.atMs ?? approval.createdAtMs
    case 'approved':
      return approval.decision.atMs
    case 'executing':
      return approval.claim.atMs
    case 'settled':
      return approval.settledAtMs
  }
}

const iso = (ms: InstantMs) => new Date(ms).toISOString()
