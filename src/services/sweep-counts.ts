/**
 * Takes away what no window reaches any more. Counting does that for the keys it counts; a session that has ended, an agent
 * that is gone and a limit that was edited leave keys that nobody counts again.
 */
import type { Clock } from '../ports/clock.ts'
import type { Counters } from '../ports/counters.ts'
import type { Log } from '../ports/log.ts'

/** Several gateways sweep at different times by themselves; a round that finds nothing is one look at an index. */
const SWEEP_EVERY_MS = 60_000
/** Taken away at a time, so that no statement takes long. */
const SWEPT_MAX = 2_000
/** Between full rounds, so that those who count come in between. */
const NEXT_ROUND_MS = 200

/** Until `stopping` aborts; never rejects. */
export async function keepSweepingCounts(deps: {
  counters: Pick<Counters, 'sweep'>
  clock: Clock
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { counters, clock, stopping, log } = deps
  while (!stopping.aborted) {
    let isMoreLeft = false
    try {
      isMoreLeft = (await counters.sweep(SWEPT_MAX)) === SWEPT_MAX
    } catch (error) {
      log.warn({ err: error }, 'old counts of limits could not be swept; a later round follows')
    }
    await clock.sleep(isMoreLeft ? NEXT_ROUND_MS : SWEEP_EVERY_MS, stopping)
  }
}
