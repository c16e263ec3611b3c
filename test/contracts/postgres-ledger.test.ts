import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { freshDatabase } from '../support/postgres.ts'
import { ledgerContract } from './ledger.ts'

const database = await freshDatabase()
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

ledgerContract('PostgreSQL', async () => {
  // Two processes that start at once both migrate.
  await Promise.all([migrate(database.connectionString), migrate(database.connectionString)])
  return {
    ledger: createLedger(pool),
    setForm: (id, form) => pool.query('UPDATE holdpoint.approval SET form = $2 WHERE id = $1', [id, form]),
    pass: (ms) =>
      pool.query(
        `WITH seen AS (UPDATE holdpoint.approval SET gone_since = gone_since - $1 * interval '1 millisecond'),
           served AS (UPDATE holdpoint.served SET at = at - $1 * interval '1 millisecond'),
          waited AS (UPDATE holdpoint.waiter SET since = since - $1 * interval '1 millisecond')
         UPDATE holdpoint.node SET lease_until = lease_until - $1 * interval '1 millisecond',
           held_since = held_since - $1 * interval '1 millisecond'`,
        [ms],
      ),
  }
})
