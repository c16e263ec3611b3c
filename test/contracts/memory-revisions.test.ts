import { createMemoryLedger } from '../support/memory-ledger.ts'
import { revisionsContract } from './revisions.ts'

revisionsContract('memory', async () => {
  const ledger = createMemoryLedger()
  return { ledger, revisions: ledger.revisions }
})
