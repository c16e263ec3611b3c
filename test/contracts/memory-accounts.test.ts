import { memoryAccounts } from '../support/memory-accounts.ts'
import { accountsContract } from './accounts.ts'

accountsContract('memory', async () => memoryAccounts())
