/**
 * The loops behind all wake-ups: in every process one that attends what is due, in every gateway one that wakes who has
 * missed something. They are not jobs, so an emptied queue cannot remove them.
 */
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Attend } from './attend.ts'
import type { Change } from './change.ts'
import type { Waiters } from './waiters.ts'

/** Due approvals handled in one round; the rest follow in the next. */
const DUE_PER_ROUND_MAX = 200

/** Runs until `stopping` aborts; never rejects. */
export async function keepWatch(deps: {
  ledger: Ledger
  attend: Attend
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, attend, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      for (const id of await ledger.due(DUE_PER_ROUND_MAX)) await attendOne(id)
    } catch (error) {
      log.warn({ err: error }, 'a round of the watch failed; the next one follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }

  /** One record that this process cannot read or change must not keep the others waiting. */
  async function attendOne(id: ApprovalId): Promise<void> {
    try {
      await attend(id)
    } catch (error) {
      log.warn({ err: error, approval: id }, 'a due approval could not be attended; it is looked at again')
    }
  }
}

/** Wakes held requests whose approval has moved on, and keeps the ledger's list of them true, until `stopping` aborts; never rejects. */
export async function keepWaitersTrue(deps: {
  ledger: Ledger
  node: string
  waiters: Waiters
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, node, waiters, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      waiters.forgetRows(await ledger.keepWaiters(node, waiters.rows()))
      const held = waiters.ids()
      if (held.length > 0) waiters.wakeOutdated(await ledger.versionsOf(held))
    } catch (error) {
      log.warn({ err: error }, 'the held requests could not be looked after; the next round follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }
}

/**
 * Ends claims of this process that it does not know of: the ledger took one and its answer got lost. Nothing was sent under
 * it, but that is not proved to anybody who looks later, so it ends as "nobody knows". Until `stopping` aborts; never rejects.
 */
export async function keepClaimsTrue(deps: {
  ledger: Ledger
  node: string
  change: Change
  isRunning(id: ApprovalId): boolean
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, node, change, isRunning, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      for (const id of await ledger.claimsOf(node)) {
        // Looked at after the reading: what has ended meanwhile refuses the change.
        if (!isRunning(id)) await giveUp(id)
      }
    } catch (error) {
      log.warn({ err: error }, 'the claims of this gateway could not be looked after; the next round follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }

  /** One record that cannot be read must not keep the others. */
  async function giveUp(id: ApprovalId): Promise<void> {
    const reason = 'the ledger did not confirm that this call may be sent'
    try {
      await change(id, { kind: 'lose_track', reason })
    } catch (error) {
      log.warn({ err: error, approval: id }, 'a claim could not be ended; it is looked at again')
    }
  }
}

/** Approved calls looked at in one round, of those that may run without their requester. */
const ALONE_PER_ROUND_MAX = 50

/** Runs approved calls that may run alone, also where the queue has lost the job, until `stopping` aborts; never rejects. */
export async function keepRunningAlone(deps: {
  ledger: Pick<Ledger, 'runnableAlone'>
  resume(id: ApprovalId): Promise<void>
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, resume, clock, timings, stopping, log } = deps
  // From round to round: calls for a server that is down must not keep the others from being looked at.
  let after: ApprovalId | null = null
  while (!stopping.aborted) {
    try {
      const found: readonly ApprovalId[] = await ledger.runnableAlone(ALONE_PER_ROUND_MAX, after)
      for (const id of found) void resume(id)
      after = found.length < ALONE_PER_ROUND_MAX ? null : (found.at(-1) ?? null)
    } catch (error) {
      log.warn({ err: error }, 'calls that run alone could not be looked for; the next round follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }
}

/** What this process knows of its own lease, without asking anybody. */
export interface Lease {
  /** Whether nobody can have taken this process for dead yet. */
  isHeld(): boolean
  /**
   * Begins to watch: the answer tells whether, from now on, nobody can have taken this process for dead. A lease that lapsed
   * and was renewed is another one: what others did between the two stands.
   */
  watch(): () => boolean
  /** Counted from before the ledger was asked: the lease it gave lasts at least so long. */
  renewed(askedAtMs: number): void
}

/** A process that stands still between the look and the act is late by so much at the most, or it is bad luck. */
const LEASE_MARGIN_MS = 500

const LOST_LEASE_MS = 500

export function createLease(clock: Clock, timings: Pick<Timings, 'nodeLeaseMs'>): Lease {
  let heldUntilMs = Number.NEGATIVE_INFINITY
  let term = 0
  const isHeld = () => clock.monotonicMs() < heldUntilMs - LEASE_MARGIN_MS
  return {
    isHeld,
    watch() {
      const watched = term
      return () => term === watched && isHeld()
    },
    renewed(askedAtMs) {
      // Heard of in time, it was given in time as well; otherwise the ledger may have seen the end of the one before.
      if (clock.monotonicMs() >= heldUntilMs) term++
      heldUntilMs = askedAtMs + timings.nodeLeaseMs
    },
  }
}

/** Keeps this process's lease alive until `stopping` aborts, then gives it back; never rejects. */
export async function keepLease(deps: {
  ledger: Ledger
  lease: Lease
  node: string
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, lease, node, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      const askedAtMs = clock.monotonicMs()
      await ledger.renewLease(node, timings.nodeLeaseMs)
      lease.renewed(askedAtMs)
    } catch (error) {
      log.warn({ err: error }, 'the lease of this process could not be renewed')
    }
    // Three tries fit into one lease. One that was lost, with its ledger, comes back soon after it.
    const isHeld = lease.isHeld()
    await clock.sleep(isHeld ? timings.nodeLeaseMs / 4 : LOST_LEASE_MS, stopping)
  }
  try {
    await ledger.dropLease(node)
  } catch (error) {
    log.warn({ err: error }, 'the lease of this process could not be given back; it ends by itself')
  }
}
