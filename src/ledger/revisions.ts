/** Policy revisions in PostgreSQL. What is in force changes by one guarded statement and is told to every gateway afterwards. */
import type pg from 'pg'
import { z } from 'zod'
import { approversDigest, type Revision, type RevisionHead, textDigest } from '../domain/revision.ts'
import type { Revisions } from '../ports/revisions.ts'
import { only } from './connect.ts'
import type { Notifications } from './notifications.ts'

export const REVISIONS_CHANNEL = 'holdpoint_policy'

const row = z.object({
  server: z.string(),
  number: z.number().int(),
  source: z.string(),
  digest: z.string(),
  approvers: z.object({
    groups: z.array(z.string()),
    people: z.array(z.string()),
    selfConfirm: z.boolean(),
  }),
  text_origin: z.string().nullable(),
  approvers_origin: z.string().nullable(),
  put_by: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('file_at_start') }),
    z.object({ kind: z.literal('file_changed') }),
    z.object({ kind: z.literal('person'), person: z.string(), restores: z.number().int().nullable() }),
  ]),
  put_at: z.date(),
})
const wholeRow = row.extend({ policy_text: z.string().nullable() })

const HEAD = 'server, number, source, digest, approvers, text_origin, approvers_origin, put_by, put_at'

/** The lock that decisions and claims take on the row in force makes this wait until they are written, or them see it. */
const PUT_IN_FORCE = `
  WITH first AS (
    INSERT INTO holdpoint.policy_in_force (server, number) SELECT $1, 1 WHERE $2::integer IS NULL
    ON CONFLICT DO NOTHING RETURNING number
  ), later AS (
    UPDATE holdpoint.policy_in_force SET number = number + 1 WHERE server = $1 AND number = $2 RETURNING number
  )
  INSERT INTO holdpoint.policy_revision
    (server, number, source, policy_text, digest, approvers, approvers_digest, text_origin, approvers_origin, put_by)
  SELECT $1, number, $3, $4, $5, $6::json, $7, $8, $9, $10::json
  FROM (SELECT number FROM first UNION ALL SELECT number FROM later) AS moved
  RETURNING number`

export function createRevisions(pool: pg.Pool, notifications: Notifications): Revisions {
  return {
    async inForce() {
      const { rows } = await pool.query<{ server: string; number: number }>({
        name: 'revisions-in-force',
        text: 'SELECT server, number FROM holdpoint.policy_in_force',
      })
      return new Map(rows.map(({ server, number }) => [server, number]))
    },

    async inForceOf(server) {
      const { rows } = await pool.query({
        name: 'revision-in-force',
        text: `SELECT ${HEAD}, policy_text FROM holdpoint.policy_revision JOIN holdpoint.policy_in_force
               USING (server, number) WHERE server = $1`,
        values: [server],
      })
      return rows.length === 0 ? null : revisionOf(only(rows))
    },

    async get(server, number) {
      const { rows } = await pool.query({
        name: 'revision-get',
        text: `SELECT ${HEAD}, policy_text FROM holdpoint.policy_revision WHERE server = $1 AND number = $2`,
        values: [server, number],
      })
      return rows.length === 0 ? null : revisionOf(only(rows))
    },

    async history(server, limit, before) {
      const { rows } = await pool.query(
        `SELECT ${HEAD} FROM holdpoint.policy_revision WHERE server = $1 AND ($2::integer IS NULL OR number < $2)
         ORDER BY number DESC LIMIT $3`,
        [server, before, limit],
      )
      return rows.map((found) => headOf(row.parse(found)))
    },

    lastWithText: (server, digest) => lastWith('digest', server, digest),
    lastWithApprovers: (server, digest) => lastWith('approvers_digest', server, digest),

    async putInForce(revision, after) {
      const { server, source, text, approvers, textOrigin, approversOrigin, putBy } = revision
      const { rows } = await pool.query<{ number: number }>(PUT_IN_FORCE, [
        server,
        after,
        source,
        text,
        textDigest(text),
        JSON.stringify(approvers),
        approversDigest(approvers),
        textOrigin,
        approversOrigin,
        JSON.stringify(putBy),
      ])
      const [put] = rows
      if (put === undefined) return null
      await notifications.notify(REVISIONS_CHANNEL, server)
      return put.number
    },

    onChange: (listener) => notifications.on(REVISIONS_CHANNEL, () => listener()),
  }

  async function lastWith(column: 'digest' | 'approvers_digest', server: string, digest: string) {
    const { rows } = await pool.query<{ number: number | null }>(
      `SELECT max(number) AS number FROM holdpoint.policy_revision WHERE server = $1 AND ${column} = $2`,
      [server, digest],
    )
    return only(rows).number
  }
}

function headOf(head: z.infer<typeof row>): RevisionHead {
  const { server, number, source, digest, approvers } = head
  const origins = { textOrigin: head.text_origin, approversOrigin: head.approvers_origin }
  return {
    ...{ server, number, source, digest, approvers, ...origins },
    putBy: head.put_by,
    putAtMs: head.put_at.getTime(),
  }
}

function revisionOf(found: unknown): Revision {
  const { policy_text: text, ...rest } = wholeRow.parse(found)
  const { digest: _digest, ...head } = headOf(rest)
  return { ...head, text }
}
