import { createMemoryCounters } from '../support/memory-counters.ts'
import { countersContract } from './counters.ts'

countersContract('memory', async () => {
  let nowMs = Date.UTC(2026, 10, 22, 12)
  return {
    counters: createMemoryCounters(() => nowMs),
    async age(seconds) {
      nowMs += seconds * 1_000
    },
  }
})
