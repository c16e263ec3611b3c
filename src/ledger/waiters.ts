/** Who is alive and who waits: node leases and waiter rows, by the ledger's clock. */
import type pg from 'pg'
import type { Ledger } from '../ports/ledger.ts'
import { only } from './connect.ts'

type Waiting = Pick<
  Ledger,
  'renewLease' | 'dropLease' | 'addWaiter' | 'removeWaiter' | 'keepWaiters' | 'waitingNodes' | 'hasLiveLease'
>

/** Longer than any statement runs: within it an answer may still be on its way to the process that asked. */
const NEW_WAITER_MS = 15_000

export function createWaiting(pool: pg.Pool): Waiting {
  return {
    async renewLease(node, leaseMs) {
      // What dead processes left is swept by whoever is alive; so is what one added when it had given its lease back already.
      await pool.query({
        name: 'lease-renew',
        text: `
          WITH dead AS (
            DELETE FROM holdpoint.node WHERE lease_until < clock_timestamp() - interval '1 hour' RETURNING id
          ), gone AS (
            DELETE FROM holdpoint.waiter WHERE node IN (SELECT id FROM dead)
          ), stray AS (
            DELETE FROM holdpoint.waiter w WHERE w.since < clock_timestamp() - interval '1 hour'
              AND NOT EXISTS (SELECT FROM holdpoint.node n WHERE n.id = w.node)
          )
          INSERT INTO holdpoint.node (id, lease_until)
          VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond')
          ON CONFLICT (id) DO UPDATE SET
            lease_until = excluded.lease_until,
            held_since = CASE WHEN node.lease_until > clock_timestamp() THEN node.held_since ELSE clock_timestamp() END`,
        values: [node, leaseMs],
      })
    },

    async dropLease(node) {
      await pool.query('DELETE FROM holdpoint.waiter WHERE node = $1', [node])
      await pool.query('DELETE FROM holdpoint.node WHERE id = $1', [node])
    },

    async addWaiter(id, node) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'waiter-add',
        text: `
          WITH back AS (
            UPDATE holdpoint.approval SET gone_since = NULL WHERE id = $1 AND gone_since IS NOT NULL
          )
          INSERT INTO holdpoint.waiter (approval_id, node) VALUES ($1, $2) RETURNING id::text`,
        values: [id, node],
      })
      return only(rows).id
    },

    async removeWaiter(waiter) {
      await pool.query({
        name: 'waiter-remove',
        text: 'DELETE FROM holdpoint.waiter WHERE id = $1::bigint',
        values: [waiter],
      })
    },

    async keepWaiters(node, held) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'waiter-keep',
        text: `
          WITH left_behind AS (
            DELETE FROM holdpoint.waiter
            WHERE node = $1 AND NOT id = ANY ($2::bigint[]) AND since < clock_timestamp() - $3 * interval '1 millisecond'
          )
          SELECT held.id::text FROM unnest($2::bigint[]) AS held (id)
          WHERE NOT EXISTS (SELECT FROM holdpoint.waiter w WHERE w.id = held.id AND w.node = $1)`,
        values: [node, held, NEW_WAITER_MS],
      })
      return rows.map(({ id }) => id)
    },

    async waitingNodes(id) {
      const { rows } = await pool.query<{ node: string }>({
        name: 'waiter-nodes',
        text: `
          SELECT w.node FROM holdpoint.waiter w
          JOIN holdpoint.node n ON n.id = w.node AND n.lease_until > clock_timestamp()
          WHERE w.approval_id = $1 GROUP BY w.node ORDER BY min(w.id)`,
        values: [id],
      })
      return rows.map((row) => row.node)
    },

    async hasLiveLease(node) {
      const { rows } = await pool.query(
        'SELECT 1 FROM holdpoint.node WHERE id = $1 AND lease_until > clock_timestamp()',
        [node],
      )
      return rows.length === 1
    },
  }
}
