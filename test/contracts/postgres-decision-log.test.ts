import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createDecisionLog } from '../../src/ledger/decision-log.ts'
import { freshDatabase } from '../support/postgres.ts'
import { decisionLogContract } from './decision-log.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

decisionLogContract('PostgreSQL', async () => {
  await pool.query('TRUNCATE holdpoint.verdict')
  return createDecisionLog(pool)
})
