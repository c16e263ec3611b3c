/**
 * A call is asked for while the same call ends in a transaction that is not committed yet: the statement has begun before, waits
 * for that one, and must not come in by what it saw when it began.
 */
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/domain/audit.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { transition } from '../../src/domain/transition.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { anApproval } from '../support/builders.ts'
import { query } from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const ledger = createLedger(pool)
afterAll(async () => {
  await pool.end()
  await database.drop()
})

const waitsForAnother = () =>
  expect
    .poll(
      () =>
        query(
          database.connectionString,
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        ),
      { timeout: 10_000 },
    )
    .toHaveLength(1)

test.each(['commits', 'rolls back'])('the transaction in which the same call ends %s', async (end) => {
  const nowMs = await ledger.nowMs()
  const call = { arguments: { end } }
  const { approval, audit } = anApproval({ nowMs, call })
  const common = { pendingPerPrincipalMax: 10, seenLast: { byAttachKey: null, byCallKey: null } }
  expect(await ledger.create({ approval, audit, ...common })).toEqual({ kind: 'created' })
  const event = { kind: 'cancel', by: 'jun', reason: null } as const
  const step = transition(approval, event, nowMs, timings)
  if (!step.ok) throw new Error(JSON.stringify(step.error))
  const { next } = step.value
  const { hash, payload } = auditEvent(approval.auditHead, event, next, nowMs)

  const ending = new pg.Client({ connectionString: database.connectionString })
  await ending.connect()
  await ending.query('BEGIN')
  await ending.query(
    `UPDATE holdpoint.approval SET version = $2, status = 'settled', record = $3, due_at = NULL,
       settled_at = clock_timestamp() WHERE id = $1`,
    [approval.id, next.version, JSON.stringify({ ...next, auditHead: hash })],
  )
  await ending.query(
    'INSERT INTO holdpoint.audit_event (approval_id, version, payload, hash) VALUES ($1, $2, $3, $4)',
    [approval.id, next.version, payload, hash],
  )
  const asking = ledger.create({ ...anApproval({ nowMs, call }), ...common })
  await waitsForAnother()
  await ending.query(end === 'commits' ? 'COMMIT' : 'ROLLBACK')
  await ending.end()

  expect(await asking).toMatchObject(
    end === 'commits' ? { kind: 'moved_on' } : { kind: 'attached', approval: { id: approval.id } },
  )
})
