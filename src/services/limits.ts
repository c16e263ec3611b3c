/** Counts calls before they are sent, and takes back what was not sent. A store that is away sends nothing that is limited. */
import { type Reservation, windowText } from '../domain/policy/tally.ts'
import type { Counters } from '../ports/counters.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'

export type Allowance =
  /** `release`: nothing was sent. */
  | { readonly kind: 'reserved'; readonly release: () => Promise<void> }
  | { readonly kind: 'exceeded'; readonly rule: string; readonly reason: string }
  | { readonly kind: 'unavailable' }

export interface Limiter {
  /** For a call that is about to be sent. */
  reserve(reservations: readonly Reservation[]): Promise<Allowance>
  /** What has no room now, without counting anything: nobody needs to be asked about a call that could not be sent. */
  exceeded(reservations: readonly Reservation[]): Promise<Allowance | null>
}

export function createLimiter(deps: {
  counters: Counters
  random: Pick<Random, 'nonce'>
  log: Log
}): Limiter {
  const { counters, random, log } = deps

  return {
    async reserve(reservations) {
      if (reservations.length === 0) return { kind: 'reserved', release: async () => {} }
      const id = random.nonce()
      try {
        const reserved = await counters.reserve(id, reservations)
        if (reserved.kind === 'exceeded') return exceeded(reservations[reserved.index])
        return { kind: 'reserved', release: () => release(id) }
      } catch (error) {
        log.error({ err: error }, 'a limit could not be counted; nothing was sent')
        return { kind: 'unavailable' }
      }
    },

    async exceeded(reservations) {
      const limiting = reservations.filter(({ max }) => max !== null)
      if (limiting.length === 0) return null
      try {
        const full = await counters.full(limiting)
        return full === null ? null : exceeded(limiting[full])
      } catch (error) {
        log.error({ err: error }, 'a limit could not be read; nobody was asked')
        return { kind: 'unavailable' }
      }
    },
  }

  /** What cannot be taken back stays counted: a limit may be reached too early, never too late. */
  async function release(id: string): Promise<void> {
    try {
      await counters.release(id)
    } catch (error) {
      log.warn({ err: error }, 'a call that was not sent stays counted')
    }
  }
}

function exceeded(full: Reservation | undefined): Allowance {
  if (full === undefined) return { kind: 'unavailable' }
  const { rule, reason, max, window } = full
  const usual = `The limit of ${max} per ${windowText(window)} is reached. Try again later.`
  return { kind: 'exceeded', rule, reason: reason ?? usual }
}
