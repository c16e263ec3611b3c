import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createSetUpCards } from '../../src/ledger/set-up-cards.ts'
import { freshDatabase } from '../support/postgres.ts'
import { setUpCardsContract } from './set-up-cards.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

setUpCardsContract('PostgreSQL', async () => {
  await pool.query('TRUNCATE holdpoint.set_up_card')
  return createSetUpCards(pool)
})
