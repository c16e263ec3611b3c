import { createMemoryLedger } from '../support/memory-ledger.ts'
import { stopsContract } from './stops.ts'

stopsContract('memory', async () => {
  const ledger = createMemoryLedger()
  return { ledger, stops: ledger.stops }
})
