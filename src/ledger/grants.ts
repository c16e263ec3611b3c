/** Grants in PostgreSQL: what they mean within the statement that changes an approval, and how people read them. */
import type pg from 'pg'
import type { Approval } from '../domain/approval.ts'
import { type Grant, grantEffects } from '../domain/grant.ts'
import type { Ledger } from '../ports/ledger.ts'
import { parseId } from './record.ts'

/**
 * Locked until the change is written: two gateways that use up one grant at the same time take turns, and so do a use and its
 * end. Whoever waited looks at the row again as it is then.
 * @param grant, scope, expressions; without a scope it is about sending under it, with one about using it
 */
export const IN_GRANT = (grant: string, scope: string) => `in_grant AS (
    SELECT g.approval_id FROM holdpoint.approval_grant g
    WHERE g.approval_id = ${grant} AND g.ended_at IS NULL
      AND (${scope}::text IS NULL
        OR g.scope = ${scope} AND g.used < g.uses_max AND clock_timestamp() < g.expires_at)
      AND NOT holdpoint.stopped_since(g.server, g.tool, g.principal, g.owner, g.given_at)
    FOR UPDATE
  )`

/** @param gives, grant, scope, givesBack, endedBy, expressions; reads from `changed` */
export const GRANT_EFFECTS = (
  gives: string,
  grant: string,
  scope: string,
  givesBack: string,
  endedBy: string,
) => `, given AS (
    INSERT INTO holdpoint.approval_grant
      (approval_id, scope, server, tool, principal, owner, given_by, reason, expires_at, uses_max)
    SELECT id, g->>'scope', server, tool, principal, owner, g->>'by', g->>'reason',
           to_timestamp((g->>'untilMs')::bigint / 1000.0), (g->>'uses')::integer
    FROM changed, (SELECT ${gives}::json AS g) AS new_grant WHERE g IS NOT NULL
  ), counted AS (
    UPDATE holdpoint.approval_grant SET used = used + 1 FROM changed
    WHERE approval_id = ${grant} AND ${scope}::text IS NOT NULL
  ), given_back AS (
    UPDATE holdpoint.approval_grant SET used = used - 1 FROM changed WHERE approval_id = ${givesBack}
  ), ended AS (
    UPDATE holdpoint.approval_grant SET ended_at = clock_timestamp(), ended_by = ${endedBy} FROM changed
    WHERE approval_id = changed.id AND ${endedBy}::text IS NOT NULL AND ended_at IS NULL
  )`

export function grantValues(previous: Approval, next: Approval): unknown[] {
  const { gives, uses, sendsUnder, givesBack, endsOwn } = grantEffects(previous, next)
  return [
    uses?.grant ?? sendsUnder,
    uses?.scope ?? null,
    gives === null ? null : JSON.stringify(gives),
    givesBack,
    endsOwn?.by ?? null,
  ]
}

interface Row {
  readonly approval_id: string
  readonly scope: string
  readonly server: string
  readonly tool: string
  readonly principal: string
  readonly owner: string
  readonly given_by: string
  readonly reason: string | null
  readonly given_ms: string
  readonly expires_ms: string
  readonly uses_max: number
  readonly used: number
  readonly ended_ms: string | null
  readonly ended_by: string | null
  readonly is_stopped: boolean
}

const msOf = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::bigint`
const SELECT = `
  SELECT approval_id, scope, server, tool, principal, owner, given_by, reason, uses_max, used, ended_by,
         ${msOf('given_at')} AS given_ms, ${msOf('expires_at')} AS expires_ms, ${msOf('ended_at')} AS ended_ms,
         holdpoint.stopped_since(server, tool, principal, owner, given_at) AS is_stopped
  FROM holdpoint.approval_grant`
const STANDS = `ended_at IS NULL AND used < uses_max AND clock_timestamp() < expires_at
  AND NOT holdpoint.stopped_since(server, tool, principal, owner, given_at)`

export function createGrants(pool: pg.Pool): Pick<Ledger, 'grant' | 'grantsFor' | 'grants' | 'usesOf'> {
  const read = async (name: string, rest: string, values: unknown[]) => {
    const { rows } = await pool.query<Row>({ name, text: `${SELECT} ${rest}`, values })
    return rows.map(grantOf)
  }
  return {
    grant: async (id) => (await read('grant-get', 'WHERE approval_id = $1', [id]))[0] ?? null,
    grantsFor: (scope, limit) =>
      read('grants-for', `WHERE scope = $1 AND ${STANDS} ORDER BY given_at LIMIT $2`, [scope, limit]),
    grants: ({ isStanding, limit }) =>
      read('grants-list', `WHERE (NOT $1 OR ${STANDS}) ORDER BY given_at DESC, approval_id DESC LIMIT $2`, [
        isStanding,
        limit,
      ]),
    async usesOf(id, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'grant-uses',
        text: 'SELECT id FROM holdpoint.approval WHERE under_grant = $1 ORDER BY created_at LIMIT $2',
        values: [id, limit],
      })
      return rows.map((row) => parseId(row.id))
    },
  }
}

const grantOf = (row: Row): Grant => ({
  id: parseId(row.approval_id),
  scope: row.scope,
  server: row.server,
  tool: row.tool,
  requester: { name: row.principal, owner: row.owner },
  by: row.given_by,
  reason: row.reason,
  givenAtMs: Number(row.given_ms),
  untilMs: Number(row.expires_ms),
  usesMax: row.uses_max,
  used: row.used,
  ended: row.ended_ms === null ? null : { by: row.ended_by ?? 'somebody', atMs: Number(row.ended_ms) },
  isStopped: row.is_stopped,
})
