import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createToolPins } from '../../src/ledger/tool-pins.ts'
import { freshDatabase } from '../support/postgres.ts'
import { toolPinsContract } from './tool-pins.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

toolPinsContract('PostgreSQL', async () => {
  await pool.query('TRUNCATE holdpoint.tool_pin, holdpoint.tool_server')
  return createToolPins(pool)
})
