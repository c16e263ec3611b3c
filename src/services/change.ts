/**
 * The one way to change an approval: read, transition, save guarded, then enqueue, then tell.
 * What follows the save may fail without harm, because the loop of two seconds makes up for it.
 */
import { type Approval, dueAtMs, type InstantMs } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { auditEvent } from '../domain/audit.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Timings } from '../domain/timings.ts'
import { type ApprovalEvent, type Refusal, transition } from '../domain/transition.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Queue } from '../ports/queue.ts'
import type { WakeUps } from '../ports/wake-ups.ts'

export type ChangeRefusal =
  | { readonly reason: 'not_found' }
  | { readonly reason: 'refused'; readonly refusal: Refusal; readonly approval: Approval }
  /** The record moved on while the caller was thinking about the version it had seen. */
  | { readonly reason: 'moved_on'; readonly approval: Approval }

export interface ChangeOptions {
  /** Only if the record still has this version; otherwise the event is applied to whatever is there now. */
  readonly version?: number
  readonly replyText?: string
  /**
   * Only while this revision of its server's policy is in force. What is not written because of that or because somebody
   * else was first is `moved_on`: the caller has to judge anew.
   */
  readonly inForce?: number
  /** Only if nobody waits for it, and nobody has for so long; otherwise it is `moved_on`. */
  readonly goneForMs?: number
}

export type Change = (
  id: ApprovalId,
  event: ApprovalEvent,
  options?: ChangeOptions,
) => Promise<Result<Approval, ChangeRefusal>>

/** Tells queue and processes about a saved state. Safe to repeat. */
export type Announce = (approval: Approval, nowMs: InstantMs) => Promise<void>

/** Writers that meet the same record at the same time take turns; more rounds than this mean something else is wrong. */
const ROUNDS_MAX = 20

export function createAnnounce(deps: {
  queue: Queue
  wakeUps: WakeUps
  /** Whether anybody draws cards: without a channel there is nothing to deliver. */
  hasChannels: boolean
  log: Log
}): Announce {
  const { queue, wakeUps, hasChannels, log } = deps
  return async function announce(approval, nowMs) {
    const due = dueAtMs(approval)
    try {
      if (due !== null) await queue.setAlarm(approval.id, approval.version, Math.max(0, due - nowMs))
      if (approval.status === 'approved') await queue.requestExecution(approval.id, approval.version)
      if (hasChannels) await queue.requestDelivery(approval.id, approval.version)
    } catch (error) {
      log.warn(
        { err: error, approval: approval.id },
        'the queue did not take a job; the loop will look instead',
      )
    }
    await wakeUps.announce(approval.id)
  }
}

export function createChange(deps: {
  ledger: Ledger
  announce: Announce
  timings: Timings
  log: Log
}): Change {
  const { ledger, announce, timings, log } = deps
  return async function change(id, event, options = {}) {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const { approval: previous, nowMs } = reading
      if (options.version !== undefined && options.version !== previous.version) {
        return err({ reason: 'moved_on', approval: previous })
      }
      const step = transition(previous, event, nowMs, timings)
      if (!step.ok) return err({ reason: 'refused', refusal: step.error, approval: previous })

      const audit = auditEvent(previous.auditHead, event, step.value.next, nowMs)
      const next: Approval = { ...step.value.next, auditHead: audit.hash }
      const { deadline } = step.value
      const isSaved = await ledger.save({
        previous,
        next,
        deadline,
        audit,
        replyText: options.replyText ?? null,
        ...(options.inForce === undefined ? {} : { inForce: options.inForce }),
        ...(options.goneForMs === undefined ? {} : { goneForMs: options.goneForMs }),
      })
      const isConditional = options.inForce !== undefined || options.goneForMs !== undefined
      if (!isSaved && isConditional) return err({ reason: 'moved_on', approval: previous })
      if (!isSaved) continue
      log.info(
        { approval: id, event: event.kind, status: next.status, version: next.version },
        'approval changed',
      )
      await announce(next, nowMs)
      return ok(next)
    }
    throw new Error(`${id} kept changing under ${event.kind} for ${ROUNDS_MAX} rounds`)
  }
}
