/** Told outcomes in PostgreSQL. */
import type pg from 'pg'
import type { Notices } from '../ports/notices.ts'
import { FORM_MAX } from './forms.ts'
import { parseId } from './record.ts'

export function createNotices(pool: pg.Pool): Notices {
  return {
    async take(id, channel, busyMs) {
      const { rows } = await pool.query<{ told: string[]; turn: string; place: string | null }>({
        name: 'notice-take',
        text: `
          INSERT INTO holdpoint.notice AS notice (approval_id, channel, busy_until)
          VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
          ON CONFLICT (approval_id, channel) DO UPDATE SET busy_until = excluded.busy_until, turn = notice.turn + 1
            WHERE notice.done_at IS NULL AND (notice.busy_until IS NULL OR notice.busy_until <= clock_timestamp())
          RETURNING told, turn::text,
            (SELECT place FROM holdpoint.card c WHERE c.approval_id = $1 AND c.channel = $2) AS place`,
        values: [id, channel, busyMs],
      })
      const [row] = rows
      return row === undefined ? null : { turn: row.turn, told: row.told, cardPlace: row.place }
    },

    async told(id, channel, turn, person) {
      // Whatever became of the turn: this person was told.
      await pool.query(
        `UPDATE holdpoint.notice SET told = array_append(told, $3), problem = NULL
         WHERE approval_id = $1 AND channel = $2 AND NOT $3 = ANY (told) AND turn >= $4::bigint`,
        [id, channel, person, turn],
      )
    },

    async done(id, channel, turn) {
      await pool.query(
        `UPDATE holdpoint.notice SET done_at = clock_timestamp(), busy_until = NULL, problem = NULL
         WHERE approval_id = $1 AND channel = $2 AND turn = $3::bigint`,
        [id, channel, turn],
      )
    },

    async giveBack(id, channel, turn, { problem, pauseMs }) {
      await pool.query(
        `UPDATE holdpoint.notice SET busy_until = clock_timestamp() + $5 * interval '1 millisecond', problem = $4
         WHERE approval_id = $1 AND channel = $2 AND turn = $3::bigint`,
        [id, channel, turn, problem, pauseMs],
      )
    },

    async untold(channel, withinMs, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'notice-untold',
        text: `
          SELECT a.id FROM holdpoint.approval a
          LEFT JOIN holdpoint.notice n ON n.approval_id = a.id AND n.channel = $1
          WHERE a.form <= ${FORM_MAX} AND a.status = 'settled' AND a.settled_at > clock_timestamp() - $2 * interval '1 millisecond'
            AND n.done_at IS NULL AND (n.busy_until IS NULL OR n.busy_until <= clock_timestamp())
          ORDER BY a.settled_at LIMIT $3`,
        values: [channel, withinMs, limit],
      })
      return rows.map((row) => parseId(row.id))
    },
  }
}
