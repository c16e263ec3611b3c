import { createMemoryLedger } from '../support/memory-ledger.ts'
import { memoryOutcomes } from '../support/memory-outcomes.ts'
import { outcomesContract } from './outcomes.ts'

outcomesContract('memory', async () => {
  const ledger = createMemoryLedger()
  return { ledger, outcomes: memoryOutcomes(ledger) }
})
