/** Stops in memory. They pass the same contract as those in PostgreSQL. */
import type { InstantMs } from '../../src/domain/approval.ts'
import { STOPS_IN_FORCE_MAX, type Stop, stopOver, type ToStop } from '../../src/domain/stop.ts'
import type { Stops } from '../../src/ports/stops.ts'

export interface MemoryStops extends Stops {
  over(call: ToStop): Stop | null
  /** Whether one covers the call, or was put since and let go again. */
  overSince(call: ToStop, sinceMs: InstantMs): boolean
}

export function createMemoryStops(nowMs: () => InstantMs): MemoryStops {
  const kept: Stop[] = []
  const listeners = new Set<() => void>()
  const live = () => kept.filter(({ lifted }) => lifted === null)
  const tell = () => {
    for (const listener of listeners) listener()
  }
  return {
    over: (call) => stopOver(live(), call),
    overSince: (call, sinceMs) =>
      stopOver(
        kept.filter(({ lifted, atMs }) => lifted === null || atMs >= sinceMs),
        call,
      ) !== null,
    inForce: async () => live(),
    async history(limit, before) {
      return kept
        .filter(({ number }) => before === null || number < before)
        .reverse()
        .slice(0, limit)
    },
    async put(stop) {
      const key = JSON.stringify(stop.scope)
      const same = live().find(({ scope }) => JSON.stringify(scope) === key)
      if (same !== undefined) return { stop: same, isNew: false }
      const isEverything = Object.values(stop.scope).every((part) => part === null)
      if (!isEverything && live().length >= STOPS_IN_FORCE_MAX) return null
      const put: Stop = { ...stop, number: kept.length + 1, atMs: nowMs(), lifted: null }
      kept.push(put)
      tell()
      return { stop: put, isNew: true }
    },
    async lift(number, by) {
      const stop = live().find((one) => one.number === number)
      if (stop === undefined) return null
      const lifted: Stop = { ...stop, lifted: { by, atMs: nowMs() } }
      kept[kept.indexOf(stop)] = lifted
      tell()
      return lifted
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
