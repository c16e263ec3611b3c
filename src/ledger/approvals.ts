/** Approvals in PostgreSQL: created once, changed through one guarded statement, read back whole. */
import pg from 'pg'
import { type Approval, dueAtMs, wayWhenGone } from '../domain/approval.ts'
import { wantsLookup } from '../domain/lookups.ts'
import type { Deadline } from '../domain/transition.ts'
import type { Change, Ledger, Seen, SettledReading } from '../ports/ledger.ts'
import { only } from './connect.ts'
import { assertReadable, FORM_MAX, FORMED, type FormedRow } from './forms.ts'
import { isGoneFor } from './gone.ts'
import { GRANT_EFFECTS, grantValues, IN_GRANT } from './grants.ts'
import { parseId, parseRecord, parseSettled } from './record.ts'

type Approvals = Pick<
  Ledger,
  | 'nowMs'
  | 'create'
  | 'save'
  | 'replace'
  | 'get'
  | 'list'
  | 'replyText'
  | 'auditTrail'
  | 'unsettledByAttachKey'
  | 'lastSettledByAttachKey'
  | 'lastSettledByCallKey'
  | 'refusingByCallKey'
  | 'attachKeyOf'
  | 'versionsOf'
>

/** `bigint` arrives as text; milliseconds fit a number. */
const NOW_MS = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms'

/**
 * Raised by `assert_seen_last` and `assert_nothing_refuses`: the same call has ended otherwise than whoever asks has seen. Of one
 * attach key the last end is the last one committed: its next approval comes in only after that, and ends later. Of one call key
 * several are open at once, under several keys, and what is timed earlier may be committed later; so what refuses is looked for
 * as well.
 */
const MOVED_ON = 'HP001'

/** The count may be overshot by calls that arrive in the same instant; it guards people's attention, not safety. */
const INSERT = `
  WITH waiting AS (
    SELECT count(*)::int AS n FROM holdpoint.approval WHERE principal = $4 AND status = 'pending'
  ), inserted AS (
    INSERT INTO holdpoint.approval
      (id, version, status, attach_key, call_key, principal, server, tool, idempotency_key, due_at, created_at, record,
       judged_revision, owner, form, ends_when_gone, wants_lookup)
    SELECT $1, $2, 'pending', $3, $14, $4, $5, $6, $7, to_timestamp($8::bigint / 1000.0),
           to_timestamp($9::bigint / 1000.0), $10::json, $15::integer, $16, $17, $18, $19
    FROM waiting WHERE n < $11
    ON CONFLICT (attach_key) WHERE status <> 'settled' DO NOTHING
    RETURNING id, holdpoint.assert_seen_last(attach_key, $20, call_key, $21)
      AND holdpoint.assert_nothing_refuses(call_key, $22) AS is_seen
  ), audited AS (
    INSERT INTO holdpoint.audit_event (approval_id, version, payload, hash)
    SELECT id, $2, $12, $13 FROM inserted
  )
  SELECT (SELECT count(*) FROM inserted WHERE is_seen)::int AS created, (SELECT n FROM waiting) AS pending`

/**
 * The row in force is locked until the change is written, so that a revision which comes into force meanwhile waits for it,
 * or is seen by it: there is no moment in which a decision or a claim could slip through under the earlier one.
 * A yes and a claim are not written either while a stop covers the call, whatever their author knew, nor under a grant that does
 * not stand any more.
 */
const CHANGE = `
  WITH in_force AS (
    SELECT number FROM holdpoint.policy_in_force WHERE server = $15 AND number = $16 FOR SHARE
  ), ${IN_GRANT('$21', '$22')}, changed AS (
    UPDATE holdpoint.approval SET
      version = $2, status = $3, record = $4::json,
      due_at = to_timestamp($5::bigint / 1000.0), settled_at = to_timestamp($6::bigint / 1000.0),
      claim_node = $7, reply = coalesce($8, reply), form = $17, nudges = $18,
      wants_lookup = $19, under_grant = coalesce($21, under_grant)
    WHERE id = $1 AND version = $9 AND status = $10 AND form <= $17
      AND ($11::bigint IS NULL OR clock_timestamp() < to_timestamp($11::bigint / 1000.0))
      AND ($12::bigint IS NULL OR clock_timestamp() >= to_timestamp($12::bigint / 1000.0))
      AND ($16::integer IS NULL OR EXISTS (SELECT FROM in_force))
      AND ($20::bigint IS NULL OR ${isGoneFor('approval', '$20::bigint')})
      AND ($3 NOT IN ('approved', 'executing') OR NOT holdpoint.is_stopped(server, tool, principal, owner))
      AND ($21::text IS NULL OR EXISTS (SELECT FROM in_grant))
    RETURNING id, claim_node, server, tool, principal, owner
  ), claimed AS (
    INSERT INTO holdpoint.claim (approval_id, node)
    SELECT id, claim_node FROM changed WHERE claim_node IS NOT NULL AND $10 <> 'executing'
  ), audited AS (
    INSERT INTO holdpoint.audit_event (approval_id, version, payload, hash)
    SELECT id, $2, $13, $14 FROM changed
  )${GRANT_EFFECTS('$23', '$21', '$22', '$24', '$25')}`

/** Reads from `changed`, so that the old row has left the unique indices when the new one comes in. */
const SUCCEED = `, succeeded AS (
    INSERT INTO holdpoint.approval
      (id, version, status, attach_key, call_key, principal, server, tool, idempotency_key, due_at, created_at, record,
       judged_revision, owner, form, ends_when_gone, wants_lookup)
    SELECT $26, $27, 'pending', $28, $29, $30, $15, $31, $32, to_timestamp($33::bigint / 1000.0),
           to_timestamp($34::bigint / 1000.0), $35::json, $16, $38, $39, $40, $41
    FROM changed RETURNING id
  ), asked AS (
    INSERT INTO holdpoint.audit_event (approval_id, version, payload, hash)
    SELECT id, $27, $36, $37 FROM succeeded
  )`

export function createApprovals(pool: pg.Pool): Approvals {
  const approvals: Approvals = {
    async nowMs() {
      const { rows } = await pool.query<{ now_ms: string }>(`SELECT ${NOW_MS}`)
      return Number(only(rows).now_ms)
    },

    async create(proposal) {
      const { approval, audit, pendingPerPrincipalMax, judgedRevision, seenLast, coolDownMs } = proposal
      const { asked } = approval
      const inserted = await insert([
        approval.id,
        approval.version,
        asked.attachKey,
        asked.requester.name,
        asked.server,
        asked.tool,
        asked.idempotencyKey,
        dueAtMs(approval),
        approval.createdAtMs,
        JSON.stringify(approval),
        pendingPerPrincipalMax,
        audit.payload,
        audit.hash,
        asked.callKey,
        judgedRevision ?? null,
        asked.requester.owner,
        approval.v,
        endsWhenGone(approval),
        wantsLookup(approval),
        seenLast === undefined ? null : asText(seenLast.byAttachKey),
        seenLast === undefined ? null : asText(seenLast.byCallKey),
        coolDownMs ?? null,
      ])
      if (inserted === 'moved_on') return { kind: 'moved_on' }
      if (inserted !== 'key_reused' && inserted.created === 1) return { kind: 'created' }
      const same = await approvals.unsettledByAttachKey(asked.attachKey)
      if (same !== null) return { kind: 'attached', approval: same.approval }
      if (inserted === 'key_reused') return { kind: 'idempotency_key_reused' }
      const { pending } = inserted
      if (pending >= pendingPerPrincipalMax) return { kind: 'too_many_pending', pending }
      // The same call was there and settled in between.
      return approvals.create(proposal)
    },

    async save(change) {
      const { rows } = await pool.query<{ saved: number }>({
        name: 'approval-save',
        text: `${CHANGE} SELECT count(*)::int AS saved FROM changed`,
        values: changeValues(change),
      })
      return only(rows).saved === 1
    },

    async replace(replacement) {
      const { successor, successorAudit } = replacement
      const { asked } = successor
      const { rows } = await pool.query<{ saved: number }>({
        name: 'approval-replace',
        text: `${CHANGE}${SUCCEED} SELECT count(*)::int AS saved FROM succeeded`,
        values: [
          ...changeValues(replacement),
          successor.id,
          successor.version,
          asked.attachKey,
          asked.callKey,
          asked.requester.name,
          asked.tool,
          asked.idempotencyKey,
          dueAtMs(successor),
          successor.createdAtMs,
          JSON.stringify(successor),
          successorAudit.payload,
          successorAudit.hash,
          asked.requester.owner,
          successor.v,
          endsWhenGone(successor),
          wantsLookup(successor),
        ],
      })
      return only(rows).saved === 1
    },

    async get(id) {
      const { rows } = await pool.query<FormedRow & { now_ms: string }>({
        name: 'approval-get',
        text: `SELECT ${FORMED}, ${NOW_MS} FROM holdpoint.approval WHERE id = $1`,
        values: [id],
      })
      return reading(rows)
    },

    async list({ statuses, principal, owner, limit, after }) {
      const { rows } = await pool.query<{ record: unknown }>({
        name: 'approval-list',
        text: `
          SELECT record FROM holdpoint.approval
          WHERE form <= ${FORM_MAX} AND ($1::text[] IS NULL OR status = ANY ($1))
            AND ($2::text IS NULL OR principal = $2)
            AND ($5::text IS NULL OR owner = $5)
            AND ($3::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM holdpoint.approval WHERE id = $3))
          ORDER BY created_at DESC, id DESC LIMIT $4`,
        values: [statuses, principal, after, limit, owner ?? null],
      })
      return rows.flatMap((row): Approval[] => {
        try {
          return [parseRecord(row.record)]
        } catch {
          // Damaged: one record that cannot be read must not hide the others.
          return []
        }
      })
    },

    async replyText(id) {
      const { rows } = await pool.query<{ reply: string | null }>({
        name: 'approval-reply',
        text: 'SELECT reply FROM holdpoint.approval WHERE id = $1',
        values: [id],
      })
      return rows[0]?.reply ?? null
    },

    async auditTrail(id) {
      const { rows } = await pool.query<{ payload: string; hash: string }>(
        'SELECT payload, hash FROM holdpoint.audit_event WHERE approval_id = $1 ORDER BY version',
        [id],
      )
      return rows
    },

    async unsettledByAttachKey(attachKey) {
      const { rows } = await pool.query<FormedRow & { now_ms: string }>({
        name: 'approval-unsettled',
        text: `SELECT ${FORMED}, ${NOW_MS} FROM holdpoint.approval WHERE attach_key = $1 AND status <> 'settled'`,
        values: [attachKey],
      })
      return reading(rows)
    },

    lastSettledByAttachKey: (attachKey) => lastSettled('attach_key', attachKey),
    lastSettledByCallKey: (callKey) => lastSettled('call_key', callKey),

    async refusingByCallKey(callKey, coolDownMs) {
      // Word for word the condition of the index, which would not be used otherwise.
      const { rows } = await pool.query<FormedRow>({
        name: 'approval-refusing',
        text: `
          SELECT ${FORMED} FROM (
            SELECT *, record::text LIKE '%"kind":"indeterminate"%' AS is_unknown FROM holdpoint.approval a
            WHERE call_key = $1 AND status = 'settled'
              AND (record::text LIKE '%"kind":"rejected"%' OR record::text LIKE '%"kind":"indeterminate"%')
          ) AS refusing
          WHERE CASE WHEN is_unknown
            THEN record::text LIKE '%"annotations":[]%' AND NOT EXISTS (
              SELECT FROM holdpoint.approval next
              WHERE next.id = substring(refusing.record::text FROM '"successor":"(HP-[0-9A-Z]+)"') AND next.status = 'settled')
            ELSE settled_at > clock_timestamp() - $2 * interval '1 millisecond' END
          ORDER BY is_unknown DESC, settled_at DESC, created_at DESC LIMIT 1`,
        values: [callKey, coolDownMs],
      })
      const [row] = rows
      if (row === undefined) return null
      assertReadable(row)
      return parseSettled(row.record)
    },

    async attachKeyOf(principal, server, idempotencyKey) {
      const { rows } = await pool.query<{ attach_key: string }>(
        `SELECT attach_key FROM holdpoint.approval
         WHERE principal = $1 AND server = $2 AND idempotency_key = $3 ORDER BY created_at LIMIT 1`,
        [principal, server, idempotencyKey],
      )
      return rows[0]?.attach_key ?? null
    },

    async versionsOf(ids) {
      const { rows } = await pool.query<{ id: string; version: number }>({
        name: 'approval-versions',
        text: 'SELECT id, version FROM holdpoint.approval WHERE id = ANY ($1)',
        values: [ids],
      })
      return new Map(rows.map((row) => [parseId(row.id), row.version]))
    },
  }
  return approvals

  async function lastSettled(column: 'attach_key' | 'call_key', key: string): Promise<SettledReading | null> {
    const { rows } = await pool.query<FormedRow & { delivered_ms: string | null }>({
      name: `approval-last-settled-${column}`,
      text: `
        SELECT ${FORMED}, floor(extract(epoch FROM delivered_at) * 1000)::bigint AS delivered_ms
        FROM holdpoint.approval WHERE ${column} = $1 AND status = 'settled'
        ORDER BY settled_at DESC, created_at DESC LIMIT 1`,
      values: [key],
    })
    const [row] = rows
    if (row === undefined) return null
    const deliveredAtMs = row.delivered_ms === null ? null : Number(row.delivered_ms)
    assertReadable(row)
    return { approval: parseSettled(row.record), deliveredAtMs }
  }

  /** Of two different calls with one idempotency key that arrive together, the index lets one in. */
  async function insert(
    values: unknown[],
  ): Promise<{ created: number; pending: number } | 'key_reused' | 'moved_on'> {
    try {
      const { rows } = await pool.query<{ created: number; pending: number }>({
        name: 'approval-create',
        text: INSERT,
        values,
      })
      return only(rows)
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      if (error.constraint === 'approval_idempotency_open') return 'key_reused'
      if (error.code === MOVED_ON) return 'moved_on'
      throw error
    }
  }
}

/** As `assert_seen_last` reads it. */
const asText = (seen: Seen): string => (seen === null ? '' : `${seen.id}.${seen.version}`)

const endsWhenGone = (approval: Approval): boolean => wayWhenGone(approval) === 'cancel'

function changeValues({ previous, next, deadline, audit, replyText, inForce, goneForMs }: Change): unknown[] {
  return [
    next.id,
    next.version,
    next.status,
    JSON.stringify(next),
    dueAtMs(next),
    next.status === 'settled' ? next.settledAtMs : null,
    next.status === 'executing' ? next.claim.node : null,
    replyText,
    previous.version,
    previous.status,
    beforeMs(deadline),
    fromMs(deadline),
    audit.payload,
    audit.hash,
    next.asked.server,
    inForce ?? null,
    next.v,
    next.nudges.length,
    wantsLookup(next),
    goneForMs ?? null,
    ...grantValues(previous, next),
  ]
}

const beforeMs = (deadline: Deadline) =>
  deadline.kind === 'before' ? deadline.atMs : deadline.kind === 'within' ? deadline.beforeMs : null
const fromMs = (deadline: Deadline) =>
  deadline.kind === 'from' ? deadline.atMs : deadline.kind === 'within' ? deadline.fromMs : null

function reading(rows: readonly (FormedRow & { now_ms: string })[]) {
  const [row] = rows
  if (row === undefined) return null
  assertReadable(row)
  return { approval: parseRecord(row.record), nowMs: Number(row.now_ms) }
}
