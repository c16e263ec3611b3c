import { createMemoryLedger } from '../support/memory-ledger.ts'
import { ledgerContract } from './ledger.ts'

ledgerContract('memory', async () => createMemoryLedger())
