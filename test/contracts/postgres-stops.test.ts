import { afterAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/domain/audit.ts'
import { everything } from '../../src/domain/stop.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { transition } from '../../src/domain/transition.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createNotifications } from '../../src/ledger/notifications.ts'
import { createLedger } from '../../src/ledger/postgres-ledger.ts'
import { createStops, STOPS_CHANNEL } from '../../src/ledger/stops.ts'
import { anApproval, approveEvent } from '../support/builders.ts'
import { freshDatabase } from '../support/postgres.ts'
import { stopsContract } from './stops.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
const notifications = await createNotifications(database.connectionString, pool, [STOPS_CHANNEL], silentLog)
const ledger = createLedger(pool)
const stops = createStops(pool, notifications)
afterAll(async () => {
  await notifications.close()
  await pool.end()
  await database.drop()
})

stopsContract('PostgreSQL', async () => ({ ledger, stops }))

test('a yes that began before a stop was committed waits for it, and is not written', async () => {
  const nowMs = await ledger.nowMs()
  const { approval, audit } = anApproval({ nowMs, call: { server: 'held', arguments: {} } })
  await ledger.create({ approval, audit, pendingPerPrincipalMax: 1_000 })
  const event = approveEvent(approval)
  const step = transition(approval, event, nowMs, defaultTimings)
  if (!step.ok) throw new Error(step.error.reason)
  const { deadline } = step.value
  const decided = auditEvent(approval.auditHead, event, step.value.next, nowMs)
  const next = { ...step.value.next, auditHead: decided.hash }

  // Exactly between the writing of a stop and its commit.
  const client = await pool.connect()
  let isDone = false
  try {
    await client.query('BEGIN')
    await client.query("SELECT holdpoint.put_stop('held', NULL, NULL, NULL, 'now', 'mina', 500)")
    const saving = ledger
      .save({ previous: approval, next, deadline, audit: decided, replyText: null })
      .finally(() => {
        isDone = true
      })
    const waiting = () =>
      pool.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ShareLock'",
      )
    await expect.poll(async () => (await waiting()).rows[0]?.n).toBe(1)
    expect(isDone).toBe(false)
    await client.query('COMMIT')
    expect(await saving).toBe(false)
  } finally {
    client.release()
  }
  expect((await ledger.get(approval.id))?.approval.status).toBe('pending')
  expect((await stops.inForce()).map(({ scope }) => scope)).toEqual([{ ...everything, server: 'held' }])
})
