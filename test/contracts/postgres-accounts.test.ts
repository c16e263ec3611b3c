import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { ACCOUNTS_CHANNEL, createAccounts } from '../../src/ledger/accounts.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createNotifications } from '../../src/ledger/notifications.ts'
import { freshDatabase } from '../support/postgres.ts'
import { accountsContract } from './accounts.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const notifications = await createNotifications(
  database.connectionString,
  pool,
  [ACCOUNTS_CHANNEL],
  silentLog,
)
afterAll(async () => {
  await notifications.close()
  await pool.end()
  await database.drop()
})

accountsContract('PostgreSQL', async () => {
  await pool.query('TRUNCATE holdpoint.upstream_account, holdpoint.upstream_account_attempt')
  return createAccounts(pool, notifications)
})
