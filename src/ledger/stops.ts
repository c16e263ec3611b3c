/** Stops in PostgreSQL. Put under a lock that every yes and every claim shares, and told to every gateway afterwards. */
import type pg from 'pg'
import { type NewStop, STOPS_IN_FORCE_MAX, type Stop } from '../domain/stop.ts'
import type { Stops } from '../ports/stops.ts'
import { only } from './connect.ts'
import type { Notifications } from './notifications.ts'

export const STOPS_CHANNEL = 'holdpoint_stop'

interface Row {
  number: number
  server: string | null
  tool: string | null
  agent: string | null
  owner: string | null
  reason: string
  put_by: string
  put_at: Date
  lifted_by: string | null
  lifted_at: Date | null
}

const COLUMNS = 'number, server, tool, agent, owner, reason, put_by, put_at, lifted_by, lifted_at'

export function createStops(pool: pg.Pool, notifications: Notifications): Stops {
  return {
    async inForce() {
      const { rows } = await pool.query<Row>({
        name: 'stops-in-force',
        text: `SELECT ${COLUMNS} FROM holdpoint.stop WHERE lifted_at IS NULL ORDER BY number`,
      })
      return rows.map(stopOf)
    },

    async history(limit, before) {
      const { rows } = await pool.query<Row>(
        `SELECT ${COLUMNS} FROM holdpoint.stop WHERE $1::integer IS NULL OR number < $1 ORDER BY number DESC LIMIT $2`,
        [before, limit],
      )
      return rows.map(stopOf)
    },

    async put({ scope, reason, by }: NewStop) {
      const { server, tool, agent, owner } = scope
      const { rows } = await pool.query<{ put_number: number; is_new: boolean }>(
        'SELECT put_number, is_new FROM holdpoint.put_stop($1, $2, $3, $4, $5, $6, $7)',
        [server, tool, agent, owner, reason, by, STOPS_IN_FORCE_MAX],
      )
      const [put] = rows
      if (put === undefined) return null
      await notifications.notify(STOPS_CHANNEL, String(put.put_number))
      const { rows: written } = await pool.query<Row>(
        `SELECT ${COLUMNS} FROM holdpoint.stop WHERE number = $1`,
        [put.put_number],
      )
      return { stop: stopOf(only(written)), isNew: put.is_new }
    },

    async lift(number, by) {
      const { rows } = await pool.query<Row>(
        `UPDATE holdpoint.stop SET lifted_by = $2, lifted_at = clock_timestamp()
         WHERE number = $1 AND lifted_at IS NULL RETURNING ${COLUMNS}`,
        [number, by],
      )
      const [lifted] = rows
      if (lifted === undefined) return null
      await notifications.notify(STOPS_CHANNEL, String(number))
      return stopOf(lifted)
    },

    onChange: (listener) => notifications.on(STOPS_CHANNEL, () => listener()),
  }
}

function stopOf(row: Row): Stop {
  const { number, server, tool, agent, owner, reason } = row
  const { put_by: by, put_at: at, lifted_by: liftedBy, lifted_at: liftedAt } = row
  return {
    ...{ number, scope: { server, tool, agent, owner }, reason, by, atMs: at.getTime() },
    lifted: liftedBy === null || liftedAt === null ? null : { by: liftedBy, atMs: liftedAt.getTime() },
  }
}
