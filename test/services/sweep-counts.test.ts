/** Old counts of limits are taken away by a loop that a ledger which is away does not end. */
import { expect, test } from 'vitest'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { keepSweepingCounts } from '../../src/services/sweep-counts.ts'

test('full rounds follow one another, an empty one waits, and a fault is left to a later one', async () => {
  const left = [2_000, 2_000, 7]
  const waits: number[] = []
  const stopping = new AbortController()
  await keepSweepingCounts({
    counters: {
      async sweep(limit) {
        const next = left.shift()
        if (next === undefined) throw new Error('the ledger is away')
        expect(next).toBeLessThanOrEqual(limit)
        return next
      },
    },
    clock: {
      ...clock,
      async sleep(ms) {
        waits.push(ms)
        if (waits.length === 5) stopping.abort()
      },
    },
    stopping: stopping.signal,
    log: silentLog,
  })
  expect(waits).toEqual([200, 200, 60_000, 60_000, 60_000])
})
