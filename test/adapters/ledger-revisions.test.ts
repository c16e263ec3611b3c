/** The lock between decisions and claims on one side and policy revisions on the other. */
import { afterAll, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { auditEvent } from '../../src/domain/audit.ts'
import type { NewRevision } from '../../src/domain/revision.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createApprovals } from '../../src/ledger/approvals.ts'
import { createPool, migrate } from '../../src/ledger/connect.ts'
import { createRevisions } from '../../src/ledger/revisions.ts'
import { anApproval, approveEvent, approvers } from '../support/builders.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
await migrate(database.connectionString)
const pool = createPool(database.connectionString, silentLog)
afterAll(async () => {
  await pool.end()
  await database.drop()
})
const ledger = createApprovals(pool)
const silence = { notify: async () => {}, on: () => () => {}, close: async () => {} }
const revisions = createRevisions(pool, silence)

const revision: NewRevision = {
  server: 'github',
  source: 'one.yaml',
  text: 'default: deny',
  approvers,
  textOrigin: null,
  approversOrigin: null,
  putBy: { kind: 'file_at_start' },
}

function step(previous: Approval, event: ApprovalEvent, nowMs: number) {
  const result = transition(previous, event, nowMs, timings)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  const audit = auditEvent(previous.auditHead, event, result.value.next, nowMs)
  const next: Approval = { ...result.value.next, auditHead: audit.hash }
  return { previous, next, audit, deadline: result.value.deadline, replyText: null }
}

async function waiting(): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    'SELECT count(DISTINCT pid)::int AS n FROM pg_locks WHERE NOT granted',
  )
  return rows[0]?.n ?? 0
}

test('a revision is not in force before the claim that began under the earlier one is written', async () => {
  const nowMs = await ledger.nowMs()
  await revisions.putInForce(revision, null)
  const { approval, audit } = anApproval({ nowMs })
  await ledger.create({ approval, audit, pendingPerPrincipalMax: 10, judgedRevision: 1 })
  const approve = step(approval, approveEvent(approval), nowMs)
  await ledger.save({ ...approve, inForce: 1 })

  const holder = await pool.connect()
  const done: string[] = []
  try {
    await holder.query('BEGIN')
    await holder.query('SELECT FROM holdpoint.approval WHERE id = $1 FOR UPDATE', [approval.id])
    const claim = ledger
      .save({ ...step(approve.next, { kind: 'claim', node: 'a' }, nowMs), inForce: 1 })
      .then((isSaved) => done.push(`claim ${isSaved}`))
    await expect.poll(waiting).toBe(1)
    const put = revisions
      .putInForce({ ...revision, text: 'default: allow' }, 1)
      .then((number) => done.push(`revision ${number}`))
    await expect.poll(waiting).toBe(2)
    expect(done).toEqual([])
    await holder.query('COMMIT')
    await Promise.all([claim, put])
  } finally {
    holder.release()
  }
  expect(done).toEqual(['claim true', 'revision 2'])
})

test('a decision that waits for a revision to come into force is refused by it', async () => {
  const nowMs = await ledger.nowMs()
  const { approval, audit } = anApproval({ nowMs, call: { arguments: { other: true } } })
  await ledger.create({ approval, audit, pendingPerPrincipalMax: 10, judgedRevision: 2 })
  const holder = await pool.connect()
  try {
    await holder.query('BEGIN')
    await holder.query("UPDATE holdpoint.policy_in_force SET number = number WHERE server = 'github'")
    await holder.query(
      `INSERT INTO holdpoint.policy_revision
         (server, number, source, policy_text, digest, approvers, approvers_digest, put_by)
       SELECT server, 3, source, policy_text, digest, approvers, approvers_digest, put_by
       FROM holdpoint.policy_revision WHERE server = 'github' AND number = 2`,
    )
    await holder.query("UPDATE holdpoint.policy_in_force SET number = 3 WHERE server = 'github'")
    const decision = ledger.save({ ...step(approval, approveEvent(approval), nowMs), inForce: 2 })
    await expect.poll(waiting).toBe(1)
    await holder.query('COMMIT')
    expect(await decision).toBe(false)
  } finally {
    holder.release()
  }
})
