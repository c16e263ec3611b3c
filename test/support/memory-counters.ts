/** Counters in memory, under the same contract as those in PostgreSQL. */
import type { Window } from '../../src/domain/policy/tally.ts'
import type { Counted, Counters } from '../../src/ports/counters.ts'

interface Entry {
  readonly key: string
  readonly window: Window
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
  function firstFull(reservations: readonly Counted[]): number | null {
    const index = reservations.findIndex(
      ({ key, window, amount, max }) => max !== null && decimal(used(key, window) + amount) > max,
    )
    return index === -1 ? null : index
  }
  const answer = () => {
    if (counters.isAway) throw new Error('the counters are away')
  }

  const counters: MemoryCounters = {
    isAway: false,
    entries: [],
    async reserve(call, reservations) {
      answer()
      const index = firstFull(reservations)
      if (index !== null) return { kind: 'exceeded', index }
      const atMs = nowMs()
      const added = reservations.map(({ key, window, amount }) => ({ key, window, call, amount, atMs }))
      counters.entries = [...counters.entries, ...added]
      return { kind: 'reserved' }
    },
    async release(call) {
      answer()
      counters.entries = counters.entries.filter((entry) => entry.call !== call)
    },
    async full(reservations) {
      answer()
      return firstFull(reservations)
    },
    async sweep(limit) {
      answer()
      const over = new Set(
        counters.entries.filter(({ window, atMs }) => !isInside(window, atMs)).slice(0, limit),
      )
      counters.entries = counters.entries.filter((entry) => !over.has(entry))
      return over.size
    },
    async read(tallies) {
      answer()
      return new Map(tallies.map(({ key, window }) => [key, used(key, window)]))
    },
  }
  return counters
}
