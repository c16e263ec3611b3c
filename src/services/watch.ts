/**
 * The loop behind all wake-ups, in every process: attends what is due and wakes who has missed something.
 * It is not a job, so an emptied queue cannot remove it.
 */
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Attend } from './attend.ts'
import type { Waiters } from './waiters.ts'

/** Due approvals handled in one round; the rest follow in the next. */
const DUE_PER_ROUND_MAX = 200

/** Runs until `stopping` aborts; never rejects. */
export async function keepWatch(deps: {
  ledger: Ledger
  attend: Attend
  waiters: Waiters
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, attend, waiters, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      for (const id of await ledger.due(DUE_PER_ROUND_MAX)) await attend(id)
      const held = waiters.ids()
      if (held.length > 0) waiters.wakeOutdated(await ledger.versionsOf(held))
    } catch (error) {
      log.warn({ err: error }, 'a round of the watch failed; the next one follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }
}

/** Keeps this process's lease alive until `stopping` aborts, then gives it back; never rejects. */
export async function keepLease(deps: {
  ledger: Ledger
  node: string
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, node, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      await ledger.renewLease(node, timings.nodeLeaseMs)
    } catch (error) {
      log.warn({ err: error }, 'the lease of this process could not be renewed')
    }
    // Three tries fit into one lease.
    await clock.sleep(timings.nodeLeaseMs / 4, stopping)
  }
  try {
    await ledger.dropLease(node)
  } catch (error) {
    log.warn({ err: error }, 'the lease of this process could not be given back; it ends by itself')
  }
}
