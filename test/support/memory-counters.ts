/** Counters in memory, under the same contract as those in PostgreSQL. */
import type { Window } from '../../src/domain/policy/tally.ts'
import type { Counters } from '../../src/ports/counters.ts'

interface Entry {
  readonly key: string
  readonly call: string
  readonly amount: number
  readonly atMs: number
}

export interface MemoryCounters extends Counters {
  /** While true, every method throws. */
  isAway: boolean
  entries: readonly Entry[]
}

/** As in PostgreSQL, down to what anybody pays. */
const decimal = (amount: number) => Math.round(amount * 1e6) / 1e6

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

export function createMemoryCounters(nowMs: () => number = () => Date.now()): MemoryCounters {
  const isInside = (window: Window, atMs: number) =>
    window.kind === 'sliding'
      ? atMs > nowMs() - window.seconds * 1_000
      : atMs >= nowMs() - (nowMs() % unitMs[window.unit])
  const used = (key: string, window: Window) =>
    counters.entries
      .filter((entry) => entry.key === key && isInside(window, entry.atMs))
      .reduce((sum, { amount }) => decimal(sum + amount), 0)
  const answer = () => {
    if (counters.isAway) throw new Error('the counters are away')
  }

  const counters: MemoryCounters = {
    isAway: false,
    entries: [],
    async reserve(call, reservations) {
      answer()
      const index = reservations.findIndex(
        ({ key, window, amount, max }) => max !== null && decimal(used(key, window) + amount) > max,
      )
      if (index !== -1) return { kind: 'exceeded', index }
      const atMs = nowMs()
      const added = reservations.map(({ key, amount }) => ({ key, call, amount, atMs }))
      counters.entries = [...counters.entries, ...added]
      return { kind: 'reserved' }
    },
    async release(call) {
      answer()
      counters.entries = counters.entries.filter((entry) => entry.call !== call)
    },
    async read(tallies) {
      answer()
      return new Map(tallies.map(({ key, window }) => [key, used(key, window)]))
    },
  }
  return counters
}
