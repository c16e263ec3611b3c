/** Cards in PostgreSQL. */
import type pg from 'pg'
import type { Cards } from '../ports/cards.ts'
import { FORM_MAX } from './forms.ts'
import { parseId } from './record.ts'

export function createCards(pool: pg.Pool): Cards {
  return {
    async take(id, channel, busyMs) {
      const { rows } = await pool.query<{
        place: string | null
        shown_version: number
        shown_waiting: boolean | null
        shown_grant: string | null
        turn: string
      }>({
        name: 'card-take',
        text: `
          INSERT INTO holdpoint.card AS card (approval_id, channel, busy_until)
          VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
          ON CONFLICT (approval_id, channel) DO UPDATE SET busy_until = excluded.busy_until, turn = card.turn + 1
            WHERE card.busy_until IS NULL OR card.busy_until <= clock_timestamp()
          RETURNING place, shown_version, shown_waiting, shown_grant, turn::text`,
        values: [id, channel, busyMs],
      })
      const [row] = rows
      if (row === undefined) return null
      const { place, turn } = row
      return {
        ...{ place, turn, shownVersion: row.shown_version, shownWaiting: row.shown_waiting },
        shownGrant: row.shown_grant,
      }
    },

    async shown(id, channel, turn, { place, version, isRequesterWaiting, grantStanding, renderDigest }) {
      const { rowCount } = await pool.query(
        `UPDATE holdpoint.card SET place = $4, shown_version = $5, render_digest = $6, shown_waiting = $7,
           shown_grant = $8, shown_at = clock_timestamp(), busy_until = NULL, problem = NULL
         WHERE approval_id = $1 AND channel = $2 AND turn = $3::bigint`,
        [id, channel, turn, place, version, renderDigest, isRequesterWaiting, grantStanding],
      )
      if (rowCount === 1) return
      // Another one draws it now or has drawn it, and ours may lie over theirs: their turn ends as well, and it is drawn anew.
      await pool.query(
        'UPDATE holdpoint.card SET shown_version = 0, turn = turn + 1 WHERE approval_id = $1 AND channel = $2',
        [id, channel],
      )
    },

    async giveBack(id, channel, turn, problem) {
      await pool.query(
        `UPDATE holdpoint.card SET busy_until = NULL, problem = $4
         WHERE approval_id = $1 AND channel = $2 AND turn = $3::bigint`,
        [id, channel, turn, problem],
      )
    },

    async approvalAt(channel, place) {
      const { rows } = await pool.query<{ approval_id: string }>(
        'SELECT approval_id FROM holdpoint.card WHERE channel = $1 AND place = $2',
        [channel, place],
      )
      return rows[0] === undefined ? null : parseId(rows[0].approval_id)
    },

    async outdated(channel, withinMs, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'card-outdated',
        text: `
          SELECT a.id FROM holdpoint.approval a
          LEFT JOIN holdpoint.card c ON c.approval_id = a.id AND c.channel = $1
          LEFT JOIN holdpoint.approval_grant g ON g.approval_id = a.id
          WHERE a.form <= ${FORM_MAX} AND (a.status <> 'settled'
              OR (c.place IS NOT NULL AND a.settled_at > clock_timestamp() - $2 * interval '1 millisecond'))
            AND (coalesce(c.shown_version, 0) < a.version
              -- A requester that comes and goes is not drawn more often than every few seconds.
              OR (a.status IN ('pending', 'approved') AND c.shown_at < clock_timestamp() - interval '5 seconds'
                AND c.shown_waiting IS DISTINCT FROM EXISTS (
                  SELECT 1 FROM holdpoint.waiter w
                  JOIN holdpoint.node n ON n.id = w.node AND n.lease_until > clock_timestamp()
                  WHERE w.approval_id = a.id))
              -- Nor a grant that an agent uses up in a burst.
              OR (g.approval_id IS NOT NULL AND c.shown_at < clock_timestamp() - interval '5 seconds'
                AND c.shown_grant IS DISTINCT FROM holdpoint.grant_standing(g)))
            AND (c.busy_until IS NULL OR c.busy_until <= clock_timestamp())
          ORDER BY a.created_at LIMIT $3`,
        values: [channel, withinMs, limit],
      })
      return rows.map((row) => parseId(row.id))
    },
  }
}
