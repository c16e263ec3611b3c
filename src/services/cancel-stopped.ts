/** Cancels the calls that wait although a stop covers them. Level-triggered: anybody may do it, at any time, and stop half-way. */
import type { ApprovalId } from '../domain/approval-id.ts'
import { cancelReason, type Stop } from '../domain/stop.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Stops } from '../ports/stops.ts'
import type { Change } from './change.ts'

/** Cancelled in one round; the rest follows at once. */
const PER_ROUND_MAX = 200

/** @returns how many were cancelled, and whether there may be more of them */
export type CancelStopped = () => Promise<{ readonly cancelled: number; readonly isMore: boolean }>

export function createCancelStopped(deps: {
  ledger: Pick<Ledger, 'stopped'>
  stops: Pick<Stops, 'inForce'>
  change: Change
  log: Log
}): CancelStopped {
  const { ledger, stops, change, log } = deps

  return async function cancelStopped() {
    const covered = await ledger.stopped(PER_ROUND_MAX)
    if (covered.length === 0) return { cancelled: 0, isMore: false }
    const inForce = new Map((await stops.inForce()).map((stop) => [stop.number, stop]))
    let cancelled = 0
    for (const { id, stop: number } of covered) {
      const stop = inForce.get(number)
      // Lifted in between.
      if (stop !== undefined && (await cancelOne(id, stop))) cancelled++
    }
    // What cannot be cancelled must not make whoever loops over this spin.
    return { cancelled, isMore: covered.length === PER_ROUND_MAX && cancelled > 0 }
  }

  /** One record that this process cannot read or change must not keep the others waiting. */
  async function cancelOne(id: ApprovalId, stop: Stop): Promise<boolean> {
    try {
      return (await change(id, { kind: 'cancel', by: stop.by, reason: cancelReason(stop) })).ok
    } catch (error) {
      log.warn({ err: error, approval: id }, 'a stopped call could not be cancelled; it is looked at again')
      return false
    }
  }
}

/** Does so whenever something is stopped, and every two seconds, until `stopping` aborts; never rejects. */
export async function keepStopped(deps: {
  cancelStopped: CancelStopped
  stops: Pick<Stops, 'onChange'>
  clock: Clock
  timings: { readonly loopMs: number }
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { cancelStopped, stops, clock, timings, stopping, log } = deps
  let look = new AbortController()
  const lookNow = () => look.abort()
  const stopListening = stops.onChange(lookNow)
  stopping.addEventListener('abort', lookNow, { once: true })
  while (!stopping.aborted) {
    look = new AbortController()
    if (stopping.aborted) break
    let isMore = false
    try {
      isMore = (await cancelStopped()).isMore
    } catch (error) {
      log.warn({ err: error }, 'stopped calls could not be looked for; the next round follows')
    }
    if (!isMore && !stopping.aborted) await clock.sleep(timings.loopMs, look.signal)
  }
  stopListening()
}
