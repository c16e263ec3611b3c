/** The decision log in PostgreSQL. */
import type pg from 'pg'
import { z } from 'zod'
import { parseApprovalId } from '../domain/approval-id.ts'
import { lookUpOutcomes, recordedKinds } from '../domain/recorded-verdict.ts'
import { categories, risks } from '../domain/risk.ts'
import type { DecisionLog, LoggedVerdict } from '../ports/decision-log.ts'

const keys = z.array(z.string())
const row = z.object({
  id: z.coerce.number(),
  at_ms: z.number(),
  server: z.string(),
  tool: z.string(),
  agent: z.string(),
  owner: z.string(),
  session: z.string().nullable(),
  verdict: z.enum(recordedKinds),
  rule: z.string().nullable(),
  revision: z.number(),
  category: z.enum(categories).nullable(),
  risk: z.enum(risks),
  params_digest: z.string().nullable(),
  keys: z.string().nullable(),
  arguments: z.string().nullable(),
  judged_in_us: z.number(),
  as_if: z.enum(recordedKinds).nullable(),
  as_if_rule: z.string().nullable(),
  approval: z.string().nullable(),
  outcome: z.enum(lookUpOutcomes).nullable(),
  took_ms: z.number().nullable(),
})

/** Text in PostgreSQL holds no NUL, and one line must not keep the others out. */
const clean = (text: string | null) => text?.replaceAll('\0', '') ?? null

export function createDecisionLog(pool: pg.Pool): DecisionLog {
  return {
    async add(verdicts) {
      if (verdicts.length === 0) return
      await pool.query({
        name: 'verdict-add',
        text: `
          INSERT INTO holdpoint.verdict (at, server, tool, agent, owner, session, verdict, rule, revision, category,
            risk, params_digest, keys, arguments, judged_in_us, as_if, as_if_rule, approval, outcome, took_ms)
          SELECT to_timestamp(at_ms / 1000.0), server, tool, agent, owner, session, verdict, rule, revision, category,
            risk, params_digest, keys, arguments, judged_in_us, as_if, as_if_rule, approval, outcome, took_ms
          FROM unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::integer[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::integer[],
            $16::text[], $17::text[], $18::text[], $19::text[], $20::integer[])
            AS line (at_ms, server, tool, agent, owner, session, verdict, rule, revision, category, risk,
              params_digest, keys, arguments, judged_in_us, as_if, as_if_rule, approval, outcome, took_ms)`,
        values: [
          verdicts.map((each) => each.atMs),
          verdicts.map((each) => clean(each.server)),
          verdicts.map((each) => clean(each.tool)),
          verdicts.map((each) => clean(each.principal.name)),
          verdicts.map((each) => clean(each.principal.owner)),
          verdicts.map((each) => clean(each.session)),
          verdicts.map((each) => each.verdict),
          verdicts.map((each) => clean(each.rule)),
          verdicts.map((each) => each.revision),
          verdicts.map((each) => each.category),
          verdicts.map((each) => each.risk),
          verdicts.map((each) => each.paramsDigest),
          verdicts.map((each) => (each.keys === null ? null : JSON.stringify(each.keys))),
          verdicts.map((each) => each.arguments),
          verdicts.map((each) => each.judgedInUs),
          verdicts.map((each) => each.asIf?.verdict ?? null),
          verdicts.map((each) => clean(each.asIf?.rule ?? null)),
          verdicts.map((each) => each.lookUp?.approval ?? null),
          verdicts.map((each) => each.lookUp?.outcome ?? null),
          verdicts.map((each) => each.lookUp?.tookMs ?? null),
        ],
      })
    },

    async list({ fromMs, server, agent, owner, verdict, isTried, limit, before }) {
      const { rows } = await pool.query({
        name: 'verdict-list',
        text: `
          SELECT id, extract(epoch FROM at)::float8 * 1000 AS at_ms, server, tool, agent, owner, session, verdict, rule,
            revision, category, risk, params_digest, keys, arguments, judged_in_us, as_if, as_if_rule,
            approval, outcome, took_ms
          FROM holdpoint.verdict
          WHERE at >= to_timestamp($1::float8 / 1000.0) AND ($2::text IS NULL OR server = $2)
            AND ($3::text IS NULL OR agent = $3) AND ($4::text IS NULL OR owner = $4)
            AND ($5::text IS NULL OR verdict = $5) AND (NOT $8::boolean OR as_if IS NOT NULL)
            AND ($7::bigint IS NULL OR id < $7)
          ORDER BY id DESC LIMIT $6`,
        values: [fromMs, server, agent, owner, verdict, limit, before, isTried],
      })
      return rows.flatMap((each): LoggedVerdict[] => {
        const parsed = row.safeParse(each)
        // Written by a newer version: one line that cannot be read must not hide the others.
        return parsed.success ? [toVerdict(parsed.data)] : []
      })
    },

    async sweep(keepMs, linesMax, limit) {
      // By id, which is at least as many as there are lines.
      const { rowCount } = await pool.query({
        name: 'verdict-sweep',
        text: `
          DELETE FROM holdpoint.verdict WHERE id IN (
            SELECT id FROM holdpoint.verdict
            WHERE at < clock_timestamp() - $1::float8 * interval '1 millisecond'
              OR id <= (SELECT max(id) FROM holdpoint.verdict) - $2::bigint
            ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
          )`,
        values: [keepMs, linesMax, limit],
      })
      return rowCount ?? 0
    },
  }
}

function toVerdict(line: z.infer<typeof row>): LoggedVerdict {
  const { id, server, tool, session, verdict, rule, revision, category, risk } = line
  return {
    ...{ id, server, tool, session, verdict, rule, revision, category, risk },
    atMs: Math.round(line.at_ms),
    principal: { name: line.agent, owner: line.owner },
    paramsDigest: line.params_digest,
    keys: line.keys === null ? null : keys.parse(JSON.parse(line.keys)),
    arguments: line.arguments,
    judgedInUs: line.judged_in_us,
    asIf: line.as_if === null ? null : { verdict: line.as_if, rule: line.as_if_rule },
    lookUp: lookUpOf(line),
  }
}

function lookUpOf({ approval, outcome, took_ms: tookMs }: z.infer<typeof row>): LoggedVerdict['lookUp'] {
  const id = approval === null ? null : parseApprovalId(approval)
  if (id === null || !id.ok || outcome === null || tookMs === null) return null
  return { approval: id.value, outcome, tookMs }
}
