/** What is noted beside an approval and changes nothing about it: who has received it, late replies, why it was not sent yet. */
import type pg from 'pg'
import { LATE_REPLIES_MAX } from '../domain/evidence.ts'
import type { Ledger } from '../ports/ledger.ts'
import { FORM_MAX } from './forms.ts'

type ApprovalNotes = Pick<
  Ledger,
  'markDelivered' | 'deliveredAtMs' | 'keepEvidence' | 'lateReplies' | 'noteUnsent' | 'unsentReason'
>

export function createApprovalNotes(pool: pg.Pool): ApprovalNotes {
  return {
    async markDelivered(id) {
      await pool.query(
        `UPDATE holdpoint.approval SET delivered_at = clock_timestamp()
         WHERE id = $1 AND status = 'settled' AND delivered_at IS NULL`,
        [id],
      )
    },

    async deliveredAtMs(id) {
      const { rows } = await pool.query<{ delivered_ms: string | null }>({
        name: 'approval-delivered',
        text: `SELECT floor(extract(epoch FROM delivered_at) * 1000)::bigint AS delivered_ms
               FROM holdpoint.approval WHERE id = $1`,
        values: [id],
      })
      const [row] = rows
      return row === undefined || row.delivered_ms === null ? null : Number(row.delivered_ms)
    },

    async keepEvidence(id, text) {
      await pool.query('INSERT INTO holdpoint.late_reply (approval_id, reply) VALUES ($1, $2)', [id, text])
    },

    async lateReplies(id) {
      const { rows } = await pool.query<{ at_ms: string; reply: string }>(
        `SELECT floor(extract(epoch FROM received_at) * 1000)::bigint AS at_ms, reply
         FROM holdpoint.late_reply WHERE approval_id = $1 ORDER BY received_at LIMIT $2`,
        [id, LATE_REPLIES_MAX],
      )
      return rows.map((row) => ({ atMs: Number(row.at_ms), text: row.reply }))
    },

    async noteUnsent(id, reason) {
      await pool.query(
        `UPDATE holdpoint.approval SET unsent_reason = $2 WHERE id = $1 AND status = 'approved' AND form <= ${FORM_MAX}`,
        [id, reason],
      )
    },

    async unsentReason(id) {
      const { rows } = await pool.query<{ unsent_reason: string | null }>(
        'SELECT unsent_reason FROM holdpoint.approval WHERE id = $1',
        [id],
      )
      return rows[0]?.unsent_reason ?? null
    },
  }
}
