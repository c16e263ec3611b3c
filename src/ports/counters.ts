/** What has been sent lately, counted exactly for all gateways together. Faults are thrown; what cannot be counted is not sent. */
import type { Reservation } from '../domain/policy/tally.ts'

export type Counted = Pick<Reservation, 'key' | 'window' | 'amount' | 'max'>

export type Reserved =
  | { readonly kind: 'reserved' }
  /** Nothing was counted. `index`: the first of the reservations that has no room. */
  | { readonly kind: 'exceeded'; readonly index: number }

export interface Counters {
  /** Counts all of them or none, by the store's clock. @param id unique to the call that is about to be sent */
  reserve(id: string, reservations: readonly Counted[]): Promise<Reserved>
  /** Takes back what was counted under the id: nothing was sent. */
  release(id: string): Promise<void>
  /** The first of the reservations that has no room now, by the same arithmetic as `reserve`; nothing is counted. `null`: all have. */
  full(reservations: readonly Counted[]): Promise<number | null>
  /** Takes away at most `limit` counts whose window is over, of whatever key. @returns how many */
  sweep(limit: number): Promise<number>
  /** The sums now, by key; a key that was never counted has 0. */
  read(tallies: readonly Pick<Reservation, 'key' | 'window'>[]): Promise<ReadonlyMap<string, number>>
}
