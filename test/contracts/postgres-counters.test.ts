import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createCounters } from '../../src/ledger/counters.ts'
import { freshDatabase } from '../support/postgres.ts'
import { countersContract } from './counters.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
// Two gateways on one ledger.
const pools = [1, 2].map(() => createPool(database.connectionString, silentLog))
const [first, second] = pools
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()))
  await database.drop()
})

countersContract('PostgreSQL', async () => {
  if (first === undefined || second === undefined) throw new Error('there are two pools')
  await first.query('TRUNCATE holdpoint.tally_entry')
  const [here, there] = [createCounters(first), createCounters(second)]
  let calls = 0
  return {
    counters: { ...here, reserve: (...wish) => (++calls % 2 === 0 ? here : there).reserve(...wish) },
    async age(seconds) {
      await first.query(
        `UPDATE holdpoint.tally_entry SET at = at - $1 * interval '1 second',
           expires_at = expires_at - $1 * interval '1 second'`,
        [seconds],
      )
    },
  }
})
