/** What is stopped, from the ledger into the memory of this process, where every call is compared with it. */
import { type Stop, scopeText, stopOver, type ToStop } from '../domain/stop.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Stops } from '../ports/stops.ts'
import { keepFresh } from './keep-fresh.ts'

export interface StopsInForce {
  /** The stop that covers it, as far as this process knows: never more than a second behind. */
  over(call: ToStop): Stop | null
  /** Oldest first. */
  all(): readonly Stop[]
  /** @throws where the ledger does not answer */
  refresh(): Promise<void>
  /** Called when others are in force. */
  onChange(listener: () => void): void
  /** Keeps the memory true until `stopping` aborts; never rejects. */
  keepFresh(stopping: AbortSignal): Promise<void>
}

export function createStopsInForce(deps: { stops: Stops; clock: Clock; log: Log }): StopsInForce {
  const { stops, clock, log } = deps
  let known: readonly Stop[] = []
  let readings = 0
  let newest = 0
  const listeners: (() => void)[] = []

  async function refresh(): Promise<void> {
    const reading = ++readings
    const read = await stops.inForce()
    // A slow reading of an earlier state must not replace a later one.
    if (reading < newest) return
    newest = reading
    tell(known, read)
    const numbersOf = (list: readonly Stop[]) => list.map(({ number }) => number).join()
    const isChanged = numbersOf(known) !== numbersOf(read)
    known = read
    if (isChanged) for (const listener of listeners) listener()
  }

  function tell(was: readonly Stop[], is: readonly Stop[]): void {
    const isIn = (list: readonly Stop[], { number }: Stop) => list.some((one) => one.number === number)
    for (const stop of is.filter((one) => !isIn(was, one))) {
      const { number, by, reason, scope } = stop
      log.warn({ stop: number, by, reason }, `stopped here: ${scopeText(scope)}`)
    }
    for (const { number, scope } of was.filter((one) => !isIn(is, one))) {
      log.info({ stop: number }, `no longer stopped here: ${scopeText(scope)}`)
    }
  }

  return {
    over: (call) => stopOver(known, call),
    all: () => known,
    refresh,
    onChange: (listener) => void listeners.push(listener),
    keepFresh: (stopping) =>
      keepFresh({ ...{ what: 'stops', refresh, clock, stopping, log }, onChange: stops.onChange }),
  }
}
