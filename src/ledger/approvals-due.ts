/** Which approvals somebody has to look at, and why. Each question has an index, and a limit to what one round takes. */
import type pg from 'pg'
import { LOOKUP_AFTER_MS } from '../domain/lookups.ts'
import type { Ledger } from '../ports/ledger.ts'
import { only } from './connect.ts'
import { FORM_MAX } from './forms.ts'
import { isGoneFor, mayBeAwaited } from './gone.ts'
import { parseId } from './record.ts'

type ApprovalsDue = Pick<
  Ledger,
  | 'newerForms'
  | 'due'
  | 'unjudged'
  | 'noteJudged'
  | 'stopped'
  | 'lookupsWanted'
  | 'claimsOf'
  | 'runnableAlone'
  | 'abandoned'
>

export function createApprovalsDue(pool: pg.Pool): ApprovalsDue {
  return {
    async newerForms(max) {
      const { rows } = await pool.query<{ n: number; form: number | null }>({
        name: 'approval-newer-forms',
        text: `
          SELECT count(*)::int AS n, max(form) AS form
          FROM (SELECT form FROM holdpoint.approval WHERE form > ${FORM_MAX} LIMIT $1) AS newer`,
        values: [max],
      })
      const { n: count, form } = only(rows)
      return { count, form: form ?? FORM_MAX }
    },

    async runnableAlone(limit, after) {
      // In the text, because `->` would refuse a record whose arguments hold \\u0000. In a string of the call's own the quotes
      // would be escaped; who looks at the record decides.
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-alone',
        text: `
          SELECT id FROM holdpoint.approval
          WHERE status = 'approved' AND form <= ${FORM_MAX} AND record::text LIKE '%"onClientGone":"execute"%'
            AND ($2::text IS NULL OR id > $2)
          ORDER BY id LIMIT $1`,
        values: [limit, after],
      })
      return rows.map((row) => parseId(row.id))
    },

    async abandoned(ms, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-abandoned',
        text: `
          WITH open AS (
            SELECT a.id, a.gone_since, ${mayBeAwaited('a.id')} AS is_awaited, ${isGoneFor('a', '$1')} AS is_gone
            FROM holdpoint.approval a
            WHERE a.ends_when_gone AND a.status IN ('pending', 'approved') AND a.form <= ${FORM_MAX}
          ), noted AS (
            UPDATE holdpoint.approval a
            SET gone_since = CASE WHEN open.is_awaited THEN NULL ELSE clock_timestamp() END
            FROM open WHERE a.id = open.id AND open.is_awaited = (open.gone_since IS NOT NULL)
          )
          SELECT id FROM open WHERE is_gone ORDER BY gone_since LIMIT $2`,
        values: [ms, limit],
      })
      return rows.map((row) => parseId(row.id))
    },

    async lookupsWanted(servers, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-lookups-wanted',
        text: `
          SELECT id FROM holdpoint.approval
          WHERE wants_lookup AND form <= ${FORM_MAX}
            AND (server = ANY ($1) OR settled_at <= clock_timestamp() - $2 * interval '1 millisecond')
          ORDER BY created_at LIMIT $3`,
        values: [servers, LOOKUP_AFTER_MS, limit],
      })
      return rows.map((row) => parseId(row.id))
    },

    async claimsOf(node) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-claims',
        text: `
          SELECT id FROM holdpoint.approval WHERE claim_node = $1 AND status = 'executing' AND form <= ${FORM_MAX}`,
        values: [node],
      })
      return rows.map((row) => parseId(row.id))
    },

    async due(limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-due',
        text: `
          (SELECT id FROM holdpoint.approval
           WHERE due_at <= clock_timestamp() AND form <= ${FORM_MAX} ORDER BY due_at LIMIT $1)
          UNION
          (SELECT a.id FROM holdpoint.approval a
           LEFT JOIN holdpoint.node n ON n.id = a.claim_node AND n.lease_until > clock_timestamp()
           WHERE a.status = 'executing' AND n.id IS NULL AND a.form <= ${FORM_MAX} LIMIT $1)`,
        values: [limit],
      })
      return rows.map((row) => parseId(row.id))
    },

    async unjudged(servers, limit) {
      const { rows } = await pool.query<{ id: string }>({
        name: 'approval-unjudged',
        text: `
          SELECT a.id FROM holdpoint.approval a JOIN holdpoint.policy_in_force f USING (server)
          WHERE server = ANY ($1) AND a.status IN ('pending', 'approved')
            AND a.judged_revision IS DISTINCT FROM f.number AND a.form <= ${FORM_MAX}
          ORDER BY a.created_at, a.id LIMIT $2`,
        values: [servers, limit],
      })
      return rows.map((row) => parseId(row.id))
    },

    async noteJudged({ id, version }, revision) {
      await pool.query({
        name: 'approval-judged',
        text: 'UPDATE holdpoint.approval SET judged_revision = $3 WHERE id = $1 AND version = $2',
        values: [id, version, revision],
      })
    },

    async stopped(limit) {
      const { rows } = await pool.query<{ id: string; stop: number }>({
        name: 'approval-stopped',
        text: `
          SELECT id, stop FROM (
            SELECT id, created_at, holdpoint.stop_over(server, tool, principal, owner) AS stop
            FROM holdpoint.approval WHERE status IN ('pending', 'approved') AND form <= ${FORM_MAX}
              AND EXISTS (SELECT FROM holdpoint.stop WHERE lifted_at IS NULL)
          ) AS open WHERE stop IS NOT NULL ORDER BY created_at, id LIMIT $1`,
        values: [limit],
      })
      return rows.map(({ id, stop }) => ({ id: parseId(id), stop }))
    },
  }
}
