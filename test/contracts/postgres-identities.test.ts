import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createIdentities } from '../../src/ledger/identities.ts'
import { freshDatabase } from '../support/postgres.ts'
import { identitiesContract } from './identities.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

identitiesContract('PostgreSQL', async () => {
  await pool.query('TRUNCATE holdpoint.identity, holdpoint.link_code, holdpoint.session')
  return createIdentities(pool)
})
