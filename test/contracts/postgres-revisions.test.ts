import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createNotifications } from '../../src/ledger/notifications.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { createRevisions, REVISIONS_CHANNEL } from '../../src/ledger/revisions.ts'
import { freshDatabase } from '../support/postgres.ts'
import { revisionsContract } from './revisions.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const notifications = await createNotifications(
  database.connectionString,
  pool,
  [REVISIONS_CHANNEL],
  silentLog,
)
afterAll(async () => {
  await notifications.close()
  await pool.end()
  await database.drop()
})

revisionsContract('PostgreSQL', async () => ({
  ledger: createLedger(pool),
  revisions: createRevisions(pool, notifications),
}))
