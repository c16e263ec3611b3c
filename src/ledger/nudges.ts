/** Posted reminders and escalations in PostgreSQL. */
import type pg from 'pg'
import type { Nudges } from '../ports/nudges.ts'
import { FORM_MAX } from './forms.ts'
import { parseId } from './record.ts'

export function createNudges(pool: pg.Pool): Nudges {
  return {
    async take(id, channel, number) {
      const { rows } = await pool.query<{ place: string | null }>({
        name: 'nudge-take',
        // Shared: a decision that is being written is waited for, and seen.
        text: `
          WITH waiting AS (
            SELECT a.id FROM holdpoint.approval a
            JOIN holdpoint.card c ON c.approval_id = a.id AND c.channel = $2 AND c.place IS NOT NULL
            WHERE a.id = $1 AND a.status = 'pending' AND a.nudges >= $3 AND a.form <= ${FORM_MAX}
            FOR SHARE OF a
          )
          INSERT INTO holdpoint.nudge (approval_id, channel, number) SELECT id, $2, $3 FROM waiting
          ON CONFLICT DO NOTHING
          RETURNING (SELECT place FROM holdpoint.card c WHERE c.approval_id = $1 AND c.channel = $2) AS place`,
        values: [id, channel, number],
      })
      return rows[0]?.place ?? null
    },

    async giveBack(id, channel, number) {
      await pool.query(
        'DELETE FROM holdpoint.nudge WHERE approval_id = $1 AND channel = $2 AND number = $3 AND posted_at IS NULL',
        [id, channel, number],
      )
    },

    async posted(id, channel, number, people) {
      await pool.query(
        `UPDATE holdpoint.nudge SET posted_at = clock_timestamp(), people = $4
         WHERE approval_id = $1 AND channel = $2 AND number = $3`,
        [id, channel, number, people],
      )
    },

    async untaken(channel, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'nudge-untaken',
        text: `
          SELECT a.id FROM holdpoint.approval a
          JOIN holdpoint.card c ON c.approval_id = a.id AND c.channel = $1 AND c.place IS NOT NULL
          WHERE a.status = 'pending' AND a.nudges > 0 AND a.form <= ${FORM_MAX}
            AND a.nudges > (SELECT count(*) FROM holdpoint.nudge n WHERE n.approval_id = a.id AND n.channel = $1)
          ORDER BY a.created_at LIMIT $2`,
        values: [channel, limit],
      })
      return rows.map((row) => parseId(row.id))
    },
  }
}
