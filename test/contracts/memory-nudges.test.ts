import { createMemoryLedger } from '../support/memory-ledger.ts'
import { createMemoryNudges } from '../support/memory-nudges.ts'
import { nudgesContract } from './nudges.ts'

nudgesContract('memory', async () => {
  const ledger = createMemoryLedger()
  const cards = new Map<string, string>()
  return {
    ledger,
    nudges: createMemoryNudges(ledger, (id) => cards.get(id) ?? null),
    putCard: async (id) => void cards.set(id, `place of ${id}`),
  }
})
