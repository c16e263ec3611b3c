/** Which servers the gateways have, in PostgreSQL: so that a call is not kept for a server that nobody has any more. */
import type pg from 'pg'
import type { Ledger } from '../ports/ledger.ts'
import { FORM_MAX } from './forms.ts'
import { isAwaited, wasOpenFor } from './gone.ts'
import { parseId } from './record.ts'

type Serving = Pick<Ledger, 'noteServing' | 'unserved'>

export function createServing(pool: pg.Pool): Serving {
  return {
    async noteServing(node, servers) {
      await pool.query({
        name: 'serving-note',
        // In one order, so that gateways that say so at once do not wait for each other in a circle.
        text: `
          WITH noting AS (UPDATE holdpoint.node SET notes_served = true WHERE id = $1 AND NOT notes_served),
          waiting AS (
            INSERT INTO holdpoint.served (server)
            SELECT DISTINCT server FROM holdpoint.approval
            WHERE status IN ('pending', 'approved') AND NOT server = ANY ($2::text[])
            ORDER BY server ON CONFLICT DO NOTHING
          )
          INSERT INTO holdpoint.served (server) SELECT server FROM unnest($2::text[]) AS server ORDER BY server
          ON CONFLICT (server) DO UPDATE SET at = excluded.at`,
        values: [node, servers],
      })
    },

    async unserved(ms, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'serving-none',
        text: `
          SELECT a.id FROM holdpoint.approval a
          JOIN holdpoint.served s ON s.server = a.server AND s.at <= clock_timestamp() - $1 * interval '1 millisecond'
          WHERE a.status IN ('pending', 'approved') AND a.form <= ${FORM_MAX} AND ${wasOpenFor('$1')}
            AND NOT EXISTS (
              SELECT FROM holdpoint.node WHERE lease_until > clock_timestamp() AND NOT notes_served
            )
            AND NOT ${isAwaited('a.id')}
          ORDER BY a.created_at, a.id LIMIT $2`,
        values: [ms, limit],
      })
      return rows.map((row) => parseId(row.id))
    },
  }
}
