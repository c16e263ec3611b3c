/** Who draws a card: one at a time, and whoever comes late is found out. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createCards } from '../../src/ledger/cards.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createNotices } from '../../src/ledger/notices.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import type { CardState } from '../../src/ports/cards.ts'
import { anApproval } from '../support/builders.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const pool = createPool(database.connectionString, silentLog)
const cards = createCards(pool)
beforeAll(() => migrate(database.connectionString))
afterAll(async () => {
  await pool.end()
  await database.drop()
})

let calls = 0
async function anId(): Promise<ApprovalId> {
  const approvals = createLedger(pool)
  const { approval, audit } = anApproval({
    nowMs: await approvals.nowMs(),
    call: { arguments: { n: ++calls } },
  })
  await approvals.create({ approval, audit, pendingPerPrincipalMax: 100 })
  return approval.id
}

async function take(id: ApprovalId, busyMs: number): Promise<CardState> {
  const card = await cards.take(id, 'slack', busyMs)
  if (card === null) throw new Error('somebody else draws it')
  return card
}

const drawn = (version: number) => ({
  place: 'here',
  version,
  isRequesterWaiting: false,
  grantStanding: null,
  renderDigest: `v${version}`,
})

test('of ten that want to draw a card one may', async () => {
  const id = await anId()
  const taken = await Promise.all(Array.from({ length: 10 }, () => cards.take(id, 'slack', 60_000)))
  expect(taken.filter((card) => card !== null)).toHaveLength(1)
})

test('what was drawn is remembered, and the next one may draw', async () => {
  const id = await anId()
  const first = await take(id, 60_000)
  await cards.shown(id, 'slack', first.turn, drawn(1))
  expect(await take(id, 60_000)).toMatchObject({ place: 'here', shownVersion: 1, shownWaiting: false })
})

test('one that comes late may have drawn over a newer card, so the card is drawn again', async () => {
  const id = await anId()
  const late = await take(id, 0)
  const next = await take(id, 60_000)
  await cards.shown(id, 'slack', next.turn, drawn(2))
  await cards.shown(id, 'slack', late.turn, drawn(1))
  expect(await cards.outdated('slack', 60_000, 100)).toContain(id)
  expect(await take(id, 60_000)).toMatchObject({ shownVersion: 0 })
})

test('so it is when the late one is heard before the one that follows it', async () => {
  const id = await anId()
  const late = await take(id, 0)
  const next = await take(id, 60_000)
  await cards.shown(id, 'slack', late.turn, drawn(1))
  await cards.shown(id, 'slack', next.turn, drawn(2))
  await pool.query('UPDATE holdpoint.card SET busy_until = NULL')
  expect(await take(id, 60_000)).toMatchObject({ shownVersion: 0 })
})

test('one that gives up late does not take the right of the one that follows it', async () => {
  const id = await anId()
  const late = await take(id, 0)
  await take(id, 60_000)
  await cards.giveBack(id, 'slack', late.turn, 'too late')
  expect(await cards.take(id, 'slack', 60_000)).toBeNull()
})

test('records of a newer form take no place among cards to draw and outcomes to tell', async () => {
  const approvals = createLedger(pool)
  const notices = createNotices(pool)
  const hourMs = 3_600_000
  const newer = await anId()
  const ours = await anId()
  const settle = 'UPDATE holdpoint.approval SET status = $2, settled_at = clock_timestamp() WHERE id = $1'
  await pool.query('UPDATE holdpoint.approval SET form = 99 WHERE id = $1', [newer])
  const outdated = await cards.outdated('other', hourMs, 1_000)
  expect(outdated).toContain(ours)
  expect(outdated).not.toContain(newer)
  for (const id of [newer, ours]) await pool.query(settle, [id, 'settled'])
  const untold = await notices.untold('other', hourMs, 1_000)
  expect(untold).toContain(ours)
  expect(untold).not.toContain(newer)
  expect((await approvals.newerForms(10)).count).toBe(1)
})
