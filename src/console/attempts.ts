/** How often one address may try a one-time code: bounded in rate and in memory. */
import type { Clock } from '../ports/clock.ts'

export interface Attempts {
  /** Counts this attempt. `false`: too many, do not even look. */
  isAllowed(address: string): boolean
}

const WINDOW_MS = 60_000
/** A person mistypes a few times; guessing 50 bits at this rate is hopeless by many orders of magnitude. */
const ATTEMPTS_MAX = 10
/** Beyond this many addresses within a minute, the rest share one count. */
const ADDRESSES_MAX = 1_000
const OTHERS = 'others'

export function createAttempts(clock: Pick<Clock, 'monotonicMs'>): Attempts {
  const counts = new Map<string, number>()
  let windowEndsMs = Number.NEGATIVE_INFINITY
  return {
    isAllowed(address) {
      const nowMs = clock.monotonicMs()
      if (nowMs >= windowEndsMs) {
        counts.clear()
        windowEndsMs = nowMs + WINDOW_MS
      }
      const key = counts.has(address) || counts.size < ADDRESSES_MAX ? address : OTHERS
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return count <= ATTEMPTS_MAX
    },
  }
}
