/** A database that was set for speed does not make the ledger forget. */
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, durabilityGap, failoverGap } from '../../src/ledger/connect.ts'
import { query } from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
afterAll(() => database.drop())

test.each(['off', 'local', 'remote_write', 'on'])('synchronous_commit = %s is overruled', async (setting) => {
  const name = new URL(database.connectionString).pathname.slice(1)
  await query(database.connectionString, `ALTER DATABASE ${name} SET synchronous_commit = ${setting}`)
  const pool = createPool(database.connectionString, silentLog)
  try {
    expect(await durabilityGap(pool)).toBeNull()
    expect(await failoverGap(pool)).toBeNull()
  } finally {
    await pool.end()
  }
})

test.each(['repeatable read', 'serializable'])('isolation %s is overruled', async (setting) => {
  const name = new URL(database.connectionString).pathname.slice(1)
  await query(
    database.connectionString,
    `ALTER DATABASE ${name} SET default_transaction_isolation = '${setting}'`,
  )
  const pool = createPool(database.connectionString, silentLog)
  const { rows } = await pool.query<{ setting: string }>(
    "SELECT current_setting('transaction_isolation') AS setting",
  )
  expect(rows[0]?.setting).toBe('read committed')
  await pool.end()
})

test('what was chosen to be stricter stays', async () => {
  const name = new URL(database.connectionString).pathname.slice(1)
  await query(database.connectionString, `ALTER DATABASE ${name} SET synchronous_commit = remote_apply`)
  const pool = createPool(database.connectionString, silentLog)
  const { rows } = await pool.query<{ setting: string }>(
    "SELECT current_setting('synchronous_commit') AS setting",
  )
  expect(rows[0]?.setting).toBe('remote_apply')
  await pool.end()
})
