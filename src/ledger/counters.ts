/** Counters in PostgreSQL: one statement reserves, under locks that order the gateways. */
import type pg from 'pg'
import type { Window } from '../domain/policy/tally.ts'
import type { Counted, Counters } from '../ports/counters.ts'
import { only } from './connect.ts'

export function createCounters(pool: pg.Pool): Counters {
  return {
    async reserve(id, reservations) {
      const { rows } = await pool.query<{ place: number | null }>({
        name: 'tally-reserve',
        // What has no room already needs no lock: whoever runs into a limit again and again keeps nobody waiting.
        text: `
          WITH full_one AS (${firstFull('$2')})
          SELECT CASE WHEN place IS NULL THEN holdpoint.tally_reserve($1, $2::jsonb) ELSE place END AS place
          FROM full_one`,
        values: [id, itemsOf(reservations)],
      })
      const { place } = only(rows)
      return place === null ? { kind: 'reserved' } : { kind: 'exceeded', index: place }
    },

    async full(reservations) {
      const { rows } = await pool.query<{ place: number | null }>({
        name: 'tally-full',
        text: firstFull('$1'),
        values: [itemsOf(reservations)],
      })
      return only(rows).place
    },

    async release(id) {
      await pool.query({
        name: 'tally-release',
        text: 'DELETE FROM holdpoint.tally_entry WHERE call = $1',
        values: [id],
      })
    },

    async sweep(limit) {
      // Whoever counts takes old rows of its own keys away as well: nobody waits for the other.
      const { rowCount } = await pool.query({
        name: 'tally-sweep',
        text: `
          DELETE FROM holdpoint.tally_entry WHERE (key, call) IN (
            SELECT key, call FROM holdpoint.tally_entry WHERE expires_at <= clock_timestamp()
            ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
          )`,
        values: [limit],
      })
      return rowCount ?? 0
    },

    async read(tallies) {
      const items = tallies.map(({ key, window }) => ({ key, ...spanOf(window) }))
      const { rows } = await pool.query<{ key: string; used: number }>({
        name: 'tally-read',
        text: `
          SELECT item->>'key' AS key, (
            SELECT coalesce(sum(amount), 0)::double precision FROM holdpoint.tally_entry
            WHERE key = item->>'key'
              AND at >= holdpoint.tally_since(item->>'unit', (item->>'seconds')::double precision, clock_timestamp())
          ) AS used
          FROM jsonb_array_elements($1) AS item`,
        values: [JSON.stringify(items)],
      })
      return new Map(rows.map(({ key, used }) => [key, used]))
    },
  }
}

/** In numeric, so that 1.1 and 2.2 are 3.3. */
const firstFull = (items: string) => `
  SELECT min(place - 1)::integer AS place
  FROM jsonb_array_elements(${items}::jsonb) WITH ORDINALITY AS items (item, place)
  WHERE (item->>'amount')::numeric + (
    SELECT coalesce(sum(amount), 0) FROM holdpoint.tally_entry
    WHERE key = item->>'key'
      AND at > holdpoint.tally_since(item->>'unit', (item->>'seconds')::double precision, clock_timestamp())
  ) > (item->>'max')::numeric`

const itemsOf = (reservations: readonly Counted[]) =>
  JSON.stringify(
    reservations.map(({ key, window, amount, max }) => ({ key, amount, max, ...spanOf(window) })),
  )

const spanOf = (window: Window) =>
  window.kind === 'sliding' ? { seconds: window.seconds } : { unit: window.unit }
