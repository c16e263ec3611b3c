/** Cards of servers without a policy in PostgreSQL. */
import type pg from 'pg'
import type { SetUpCards } from '../ports/set-up-cards.ts'

export function createSetUpCards(pool: pg.Pool): SetUpCards {
  return {
    async shown(channel) {
      const { rows } = await pool.query<{ server: string; shown: string }>({
        name: 'set-up-card-shown',
        text: 'SELECT server, shown FROM holdpoint.set_up_card WHERE channel = $1 AND shown IS NOT NULL',
        values: [channel],
      })
      return new Map(rows.map(({ server, shown }) => [server, shown]))
    },

    async take(server, channel, busyMs) {
      const { rows } = await pool.query<{ place: string | null; shown: string | null; turn: string }>({
        name: 'set-up-card-take',
        text: `
          INSERT INTO holdpoint.set_up_card AS card (server, channel, busy_until)
          VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
          ON CONFLICT (server, channel) DO UPDATE SET busy_until = excluded.busy_until, turn = card.turn + 1
            WHERE card.busy_until IS NULL OR card.busy_until <= clock_timestamp()
          RETURNING place, shown, turn::text`,
        values: [server, channel, busyMs],
      })
      return rows[0] ?? null
    },

    async drawn(server, channel, turn, { place, shown }) {
      const { rowCount } = await pool.query(
        `UPDATE holdpoint.set_up_card SET place = $4, shown = $5, busy_until = NULL
         WHERE server = $1 AND channel = $2 AND turn = $3::bigint`,
        [server, channel, turn, place, shown],
      )
      return rowCount === 1
    },

    async giveBack(server, channel, turn) {
      await pool.query(
        'UPDATE holdpoint.set_up_card SET busy_until = NULL WHERE server = $1 AND channel = $2 AND turn = $3::bigint',
        [server, channel, turn],
      )
    },
  }
}
