import { afterAll } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createCards } from '../../src/ledger/cards.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createNudges } from '../../src/ledger/nudges.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { freshDatabase } from '../support/postgres.ts'
import { nudgesContract } from './nudges.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const cards = createCards(pool)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

nudgesContract('PostgreSQL', async () => ({
  ledger: createLedger(pool),
  nudges: createNudges(pool),
  async putCard(id) {
    const taken = await cards.take(id, 'slack', 1_000)
    if (taken === null) throw new Error('somebody draws it')
    const card = {
      place: `place of ${id}`,
      version: 1,
      isRequesterWaiting: false,
      grantStanding: null,
      renderDigest: '',
    }
    await cards.shown(id, 'slack', taken.turn, card)
  },
}))
