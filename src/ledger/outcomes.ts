/** Outcomes of a person's agents in PostgreSQL. */
import type pg from 'pg'
import type { Outcomes, OwnedOutcome } from '../ports/outcomes.ts'
import { only } from './connect.ts'
import { FORM_MAX } from './forms.ts'
import { parseSettled } from './record.ts'

export function createOutcomes(pool: pg.Pool): Outcomes {
  return {
    async of(owner, limit, after) {
      const { rows } = await pool.query<{ record: unknown; is_seen: boolean }>({
        name: 'outcomes-of',
        text: `
          SELECT record, owner_seen_at IS NOT NULL AS is_seen FROM holdpoint.approval
          WHERE owner = $1 AND status = 'settled' AND form <= ${FORM_MAX}
            AND ($2::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM holdpoint.approval WHERE id = $2))
          ORDER BY created_at DESC, id DESC LIMIT $3`,
        values: [owner, after, limit],
      })
      return rows.flatMap((row): OwnedOutcome[] => {
        try {
          return [{ approval: parseSettled(row.record), isSeen: row.is_seen }]
        } catch {
          // Damaged: one record that cannot be read must not hide the others.
          return []
        }
      })
    },

    async unseen(owner, max) {
      const { rows } = await pool.query<{ n: number }>({
        name: 'outcomes-unseen',
        text: `
          SELECT count(*)::int AS n FROM (
            SELECT FROM holdpoint.approval
            WHERE owner = $1 AND status = 'settled' AND form <= ${FORM_MAX} AND owner_seen_at IS NULL LIMIT $2
          ) AS counted`,
        values: [owner, max],
      })
      return only(rows).n
    },

    async markSeen(owner, ids) {
      await pool.query(
        `UPDATE holdpoint.approval SET owner_seen_at = clock_timestamp()
         WHERE owner = $1 AND id = ANY ($2) AND status = 'settled' AND owner_seen_at IS NULL`,
        [owner, ids],
      )
    },
  }
}
