/** The chain over all chains: seals cover every audit event once, verify offline, and notice a change. */
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditEvent, CHAIN_START, chainHash } from '../../src/domain/audit.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { transition } from '../../src/domain/transition.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createApprovals } from '../../src/ledger/approvals.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { SEALER_LOCK, sealAuditEvents, sealHash } from '../../src/ledger/sealer.ts'
import { anApproval, approveEvent } from '../support/builders.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const pool = createPool(database.connectionString, silentLog)
const approvals = createApprovals(pool)
beforeAll(() => migrate(database.connectionString))
afterAll(async () => {
  await pool.end()
  await database.drop()
})

async function decidedApproval(n: number) {
  const nowMs = await approvals.nowMs()
  const { approval, audit } = anApproval({ nowMs, call: { arguments: { n } } })
  await approvals.create({ approval, audit, pendingPerPrincipalMax: 1_000 })
  const event = approveEvent(approval)
  const step = transition(approval, event, nowMs, defaultTimings)
  if (!step.ok) throw new Error(step.error.reason)
  const next = auditEvent(approval.auditHead, event, step.value.next, nowMs)
  const { deadline } = step.value
  await approvals.save({
    previous: approval,
    next: { ...step.value.next, auditHead: next.hash },
    deadline,
    audit: next,
    replyText: null,
  })
}

/** As an auditor would, from the tables alone: what is wrong, in the order it is found. */
async function verify(database: Pick<pg.Pool, 'query'>): Promise<string[]> {
  const problems: string[] = []
  const { rows: events } = await database.query<{
    approval_id: string
    version: number
    payload: string
    hash: string
  }>('SELECT approval_id, version, payload, hash FROM holdpoint.audit_event ORDER BY approval_id, version')
  const heads = new Map<string, string>()
  for (const { approval_id, version, payload, hash } of events) {
    if (chainHash(heads.get(approval_id) ?? CHAIN_START, payload) !== hash)
      problems.push(`${approval_id}.${version}`)
    heads.set(approval_id, hash)
  }
  const { rows: seals } = await database.query<{ seal_id: string; hash: string; hashes: string[] }>(`
    SELECT s.seal_id, s.hash, array_agg(e.hash ORDER BY e.event_id) AS hashes
    FROM holdpoint.audit_seal s JOIN holdpoint.audit_event e USING (seal_id) GROUP BY s.seal_id ORDER BY s.seal_id`)
  let previous = CHAIN_START
  for (const { seal_id, hash, hashes } of seals) {
    if (sealHash(previous, hashes) !== hash) problems.push(`seal ${seal_id}`)
    previous = hash
  }
  return problems
}

test('every event is sealed once, also by sealers that race', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, n) => decidedApproval(n)))
  await Promise.all([sealAuditEvents(pool), sealAuditEvents(pool), sealAuditEvents(pool)])
  await decidedApproval(100)
  while ((await sealAuditEvents(pool)) > 0);
  const { rows } = await pool.query<{ events: number; unsealed: number; sealed: number }>(`
    SELECT (SELECT count(*)::int FROM holdpoint.audit_event) AS events,
           (SELECT count(*)::int FROM holdpoint.audit_event WHERE seal_id IS NULL) AS unsealed,
           (SELECT sum(events)::int FROM holdpoint.audit_seal) AS sealed`)
  expect(rows[0]).toEqual({ events: 42, unsealed: 0, sealed: 42 })
  expect(await verify(pool)).toEqual([])
})

test.each([
  [
    'a changed event',
    `UPDATE holdpoint.audit_event SET payload = replace(payload, 'approve', 'confirm') 
      WHERE event_id = (SELECT min(event_id) FROM holdpoint.audit_event WHERE version = 2)`,
  ],
  [
    'a changed event with its hash made to fit',
    `UPDATE holdpoint.audit_event SET payload = payload || ' ',
     hash = encode(sha256(convert_to(repeat('0', 64) || E'\\n' || payload || ' ', 'UTF8')), 'hex') WHERE version = 1 AND event_id = 1`,
  ],
  ['a removed event', 'DELETE FROM holdpoint.audit_event WHERE event_id = 7'],
])('%s is noticed', async (_what, sql) => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const { rowCount } = await client.query(sql)
    expect(rowCount).toBe(1)
    expect(await verify(client)).not.toEqual([])
    await client.query('ROLLBACK')
    expect(await verify(client)).toEqual([])
  } finally {
    client.release()
  }
})

test('a process that stands still in the middle of sealing keeps nobody else from it', async () => {
  await decidedApproval(99)
  const still = createPool(database.connectionString, silentLog)
  const client = await still.connect()
  const cut = new Promise((done) => client.once('error', done))
  await client.query('BEGIN')
  await client.query('SELECT pg_advisory_xact_lock($1)', [SEALER_LOCK])
  expect(await sealAuditEvents(pool)).toBe(0)

  expect(await cut).toMatchObject({ code: '25P03' })
  // The server says goodbye before it lets go of its locks.
  await expect.poll(() => sealAuditEvents(pool)).toBeGreaterThan(0)
  expect(await verify(pool)).toEqual([])
  client.release(true)
  await still.end()
})
