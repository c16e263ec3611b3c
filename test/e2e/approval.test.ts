/** The life of critical calls with `npm start` alone: every role in one process, the queue in the ledger's PostgreSQL. */
import { freshDatabase } from '../support/postgres.ts'
import { approvalSuite } from './approval-suite.ts'

approvalSuite('one process on PostgreSQL', async () => {
  const database = await freshDatabase()
  return {
    databaseUrl: database.connectionString,
    env: {},
    async startWorkers() {},
    close: database.drop,
  }
})
