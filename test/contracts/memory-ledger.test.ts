import { createMemoryLedger } from '../support/memory-ledger.ts'
import { ledgerContract } from './ledger.ts'

ledgerContract('memory', async () => {
  const ledger = createMemoryLedger()
  return { ledger, setForm: ledger.setForm, pass: ledger.advance }
})
