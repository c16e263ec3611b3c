/**
 * The paused calls of one agent at one server, found by a ticket that the agent holds: a task, a resumed stream, a sealed
 * state. What belongs to somebody else is as if it were not there, whatever the ticket.
 */
import { type Approval, type InstantMs, successorOf } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Principal } from '../domain/principal.ts'
import type { Result } from '../domain/result.ts'
import type { Timings } from '../domain/timings.ts'
import type { Ledger, Reading } from '../ports/ledger.ts'
import { isUnreadOf, NewerForm } from '../ports/ledger-faults.ts'
import type { Change, ChangeRefusal } from './change.ts'

export interface Owner {
  readonly principal: Principal
  readonly server: string
}

export interface OwnCall {
  readonly approval: Approval
  /** By the ledger's clock. */
  readonly nowMs: InstantMs
  /** What the upstream said, where it did. */
  readonly replyText: string | null
}

export interface OwnCalls {
  /**
   * The approval that stands for the call now: where the rule changed, the one that took its place. `null`: unknown,
   * somebody else's, or so old that its outcome is not handed out any more.
   */
  find(id: ApprovalId, owner: Owner): Promise<OwnCall | null>
  /** Whether its outcome has been collected for certain: then nobody waits for it on a line that broke. */
  isCollected(call: OwnCall): Promise<boolean>
  /** Newest first, as far as their outcome may still be collected; at most `LISTED_MAX`. */
  list(owner: Owner): Promise<readonly Approval[]>
  /** By the agent itself; possible until the call is being sent. */
  cancel(id: ApprovalId, owner: Owner): Promise<Result<Approval, ChangeRefusal>>
}

/** Each link is a change of the rule while the call waited; nobody changes it that often. */
const SUCCESSORS_MAX = 100
/** More than an agent may have pending, and all that a list of a few screens can show. */
const LISTED_MAX = 100

export function createOwnCalls(deps: {
  ledger: Pick<Ledger, 'get' | 'list' | 'nowMs' | 'replyText' | 'deliveredAtMs'>
  change: Change
  timings: Pick<Timings, 'keepOutcomeMs' | 'replayMs'>
}): OwnCalls {
  const { ledger, change, timings } = deps
  const isKept = (approval: Approval, nowMs: InstantMs) =>
    approval.status !== 'settled' || nowMs < approval.settledAtMs + timings.keepOutcomeMs
  return {
    async find(id, owner) {
      let reading = await ownReading(id, owner)
      for (let link = 0; link < SUCCESSORS_MAX && reading !== null; link++) {
        const next = reading.approval.status === 'settled' ? successorOf(reading.approval) : null
        if (next === null) break
        reading = await ownReading(next, owner)
      }
      if (reading === null) return null
      const { approval, nowMs } = reading
      if (!isOf(owner, approval) || !isKept(approval, nowMs)) return null
      const isAnswered = approval.status === 'settled' && approval.outcome.kind === 'answered'
      return { approval, nowMs, replyText: isAnswered ? await ledger.replyText(approval.id) : null }
    },
    async isCollected({ approval, nowMs }) {
      const deliveredAtMs = await ledger.deliveredAtMs(approval.id)
      return deliveredAtMs !== null && nowMs >= deliveredAtMs + timings.replayMs
    },
    async list(owner) {
      const newest = await ledger.list({
        statuses: null,
        principal: owner.principal.name,
        limit: LISTED_MAX,
        after: null,
      })
      const nowMs = await ledger.nowMs()
      return newest.filter((approval) => isOf(owner, approval) && isKept(approval, nowMs))
    },
    cancel: (id, { principal }) => change(id, { kind: 'cancel', by: principal.name, reason: null }),
  }

  /** @throws NewerForm only to its owner: for others it is not there. */
  async function ownReading(id: ApprovalId, { principal, server }: Owner): Promise<Reading | null> {
    try {
      return await ledger.get(id)
    } catch (error) {
      if (!(error instanceof NewerForm)) throw error
      if (error.unread.server === server && isUnreadOf(error.unread, principal)) throw error
      return null
    }
  }
}

/** A name that has passed to another owner is another principal. */
function isOf({ principal, server }: Owner, { asked }: Approval): boolean {
  const { requester } = asked
  return requester.name === principal.name && requester.owner === principal.owner && asked.server === server
}
