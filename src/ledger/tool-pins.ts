/** Tool pins in PostgreSQL. Every change is one guarded statement; the sum of the times of change tells whether anything moved, also what was written late. */
import type pg from 'pg'
import { z } from 'zod'
import type { SeenTool } from '../domain/risk/drift.ts'
import { categories, risks } from '../domain/risk.ts'
import { FIRST_SIGHT, MERE_WORDS, type ToolPin, type ToolPins } from '../ports/tool-pins.ts'
import { only } from './connect.ts'

const definition = z.object({
  digest: z.string(),
  text: z.string(),
  category: z.enum(categories).nullable(),
  risk: z.enum(risks),
})
const row = z.object({
  server: z.string(),
  tool: z.string(),
  accepted: definition.nullable(),
  accepted_by: z.string().nullable(),
  accepted_at: z.date().nullable(),
  waiting: definition.nullable(),
  waiting_at: z.date().nullable(),
})

export function createToolPins(pool: pg.Pool): ToolPins {
  const wasWritten = async (name: string, text: string, values: readonly unknown[]) =>
    ((await pool.query({ name, text, values: [...values] })).rowCount ?? 0) > 0

  return {
    async all() {
      const { rows } = await pool.query({
        name: 'tool-pins-all',
        text: `SELECT server, tool, accepted, accepted_by, accepted_at, waiting, waiting_at
               FROM holdpoint.tool_pin ORDER BY server, tool`,
      })
      return rows.map((read) => toPin(row.parse(read)))
    },

    async mark() {
      const { rows } = await pool.query<{ mark: string }>({
        name: 'tool-pins-mark',
        text: `SELECT count(*) || ' ' || coalesce(sum(extract(epoch FROM changed_at))::text, '') AS mark FROM holdpoint.tool_pin`,
      })
      return only(rows).mark
    },

    pinFirst: (server, tools) =>
      wasWritten(
        'tool-pins-first',
        `WITH first AS (
           INSERT INTO holdpoint.tool_server (server) VALUES ($1) ON CONFLICT DO NOTHING RETURNING server
         )
         INSERT INTO holdpoint.tool_pin (server, tool, accepted, accepted_by, accepted_at)
         SELECT DISTINCT ON (tool) server, seen->>'tool' AS tool, seen - 'tool', $3, clock_timestamp()
         FROM first, jsonb_array_elements($2) AS seen`,
        [server, JSON.stringify(tools.map(stored)), FIRST_SIGHT],
      ),

    letWait: (server, seen, after) =>
      after === null
        ? wasWritten(
            'tool-pins-new',
            `WITH known AS (INSERT INTO holdpoint.tool_server (server) VALUES ($1) ON CONFLICT DO NOTHING)
             INSERT INTO holdpoint.tool_pin AS pin (server, tool, waiting, waiting_at)
             VALUES ($1, $2, $3::jsonb - 'tool', clock_timestamp())
             ON CONFLICT (server, tool) DO UPDATE
               SET waiting = excluded.waiting, waiting_at = clock_timestamp(), changed_at = clock_timestamp()
               WHERE pin.accepted IS NULL AND pin.waiting->>'digest' <> excluded.waiting->>'digest'`,
            [server, seen.tool, JSON.stringify(stored(seen))],
          )
        : wasWritten(
            'tool-pins-changed',
            `UPDATE holdpoint.tool_pin
             SET waiting = $3::jsonb - 'tool', waiting_at = clock_timestamp(), changed_at = clock_timestamp()
             WHERE server = $1 AND tool = $2 AND accepted->>'digest' = $4 AND accepted->>'digest' <> $3::jsonb->>'digest'
               AND coalesce(waiting->>'digest', '') <> $3::jsonb->>'digest'`,
            [server, seen.tool, JSON.stringify(stored(seen)), after],
          ),

    take: (server, seen, after) =>
      wasWritten(
        'tool-pins-take',
        `UPDATE holdpoint.tool_pin
         SET accepted = $3::jsonb - 'tool', accepted_by = $5, accepted_at = clock_timestamp(), changed_at = clock_timestamp()
         WHERE server = $1 AND tool = $2 AND accepted->>'digest' = $4 AND waiting IS NULL`,
        [server, seen.tool, JSON.stringify(stored(seen)), after, MERE_WORDS],
      ),

    accept: (server, tool, digest, person) =>
      wasWritten(
        'tool-pins-accept',
        `UPDATE holdpoint.tool_pin
         SET accepted = CASE WHEN waiting->>'digest' = $3 THEN waiting ELSE accepted END,
             accepted_by = $4, accepted_at = clock_timestamp(), waiting = NULL, waiting_at = NULL,
             changed_at = clock_timestamp()
         WHERE server = $1 AND tool = $2 AND waiting IS NOT NULL
           AND (waiting->>'digest' = $3 OR accepted->>'digest' = $3)`,
        [server, tool, digest, `person:${person}`],
      ),
  }
}

const stored = ({ tool, digest, text, category, risk }: SeenTool) => ({ tool, digest, text, category, risk })

function toPin(read: z.output<typeof row>): ToolPin {
  const { server, tool } = read
  return {
    server,
    tool,
    accepted:
      read.accepted === null || read.accepted_by === null || read.accepted_at === null
        ? null
        : { tool, ...read.accepted, by: read.accepted_by, atMs: read.accepted_at.getTime() },
    waiting:
      read.waiting === null || read.waiting_at === null
        ? null
        : { tool, ...read.waiting, atMs: read.waiting_at.getTime() },
  }
}
