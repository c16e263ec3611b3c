import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createOutcomes } from '../../src/ledger/outcomes.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { anApproval } from '../support/builders.ts'
import { freshDatabase } from '../support/postgres.ts'
import { outcomesContract } from './outcomes.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const ledger = createLedger(pool)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

outcomesContract('PostgreSQL', async () => ({ ledger, outcomes: createOutcomes(pool) }))

test.each([
  ['plain', 'jun'],
  ['in Korean', '이준'],
])(
  'the owner of a call from before, %s, is found by the migration whatever its arguments hold',
  async (_what, owner) => {
    const file = new URL('../../src/ledger/migrations/0004_owners_and_notices.sql', import.meta.url)
    const backfill = /UPDATE holdpoint\.approval SET[^;]*;/.exec(readFileSync(file, 'utf8'))?.[0] ?? ''
    const forged = '"requester":{"name":"x","owner":"mallory"}'
    const principal = { name: 'agent "quoted\\" \u0001', owner }
    const { approval, audit } = anApproval({
      nowMs: await ledger.nowMs(),
      call: { principal, idempotencyKey: `${forged} ${owner}`, arguments: { text: `\u0000 ${forged}` } },
    })
    await ledger.create({ approval, audit, pendingPerPrincipalMax: 10 })
    await pool.query('UPDATE holdpoint.approval SET owner = NULL')
    await pool.query(backfill)
    const { rows } = await pool.query('SELECT owner FROM holdpoint.approval WHERE id = $1', [approval.id])
    expect(rows).toEqual([{ owner }])
  },
)
