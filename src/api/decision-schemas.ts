/** The shapes of the REST API about the decision log. */
import { z } from '@hono/zod-openapi'
import { lookUpOutcomes, recordedKinds } from '../domain/recorded-verdict.ts'
import { categories, risks } from '../domain/risk.ts'
import type { LoggedVerdict } from '../ports/decision-log.ts'
import { PAGE_MAX } from './schemas.ts'
import { iso } from './view.ts'

const PAGE_DEFAULT = 50
const NAME_LENGTH_MAX = 256

const name = z.string().max(NAME_LENGTH_MAX)
const verdict = z.enum(recordedKinds).openapi({
  description:
    'what was enforced. `limited`: allowed by the policy, and a limit was reached or could not be counted; `stopped`: by the kill switch; `not_set_up`: the server had no policy; `look_up`: a call of Holdpoint itself, for evidence',
})

export const decisionsQuery = z.strictObject({
  since: z.iso.datetime().optional().openapi({ description: 'seven days ago, if not said' }),
  server: name.optional(),
  agent: name.optional(),
  verdict: verdict.optional(),
  tried: z
    .enum(['true', 'false'])
    .default('false')
    .openapi({ description: 'only calls about which rules in shadow would have said something else' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  before: z.coerce.number().int().positive().optional().openapi({ description: '`next` of the page before' }),
})

const decisionLine = z.object({
  id: z.number().int(),
  at: z.string().openapi({ format: 'date-time' }),
  server: z.string(),
  tool: z.string(),
  agent: z.string(),
  owner: z.string(),
  verdict,
  rule: z.string().nullable().openapi({ description: 'source and JSON Pointer; null for hidden tools' }),
  asIf: z
    .object({ verdict: z.enum(recordedKinds), rule: z.string().nullable() })
    .nullable()
    .openapi({ description: 'what rules in shadow would have said, where that is something else' }),
  revision: z.number().int().openapi({ description: 'of the policy that said so' }),
  category: z.enum(categories).nullable(),
  risk: z.enum(risks),
  paramsDigest: z.string().nullable().openapi({
    description: 'SHA-256 of the canonical params; null for very large ones',
  }),
  keys: z
    .array(z.string())
    .nullable()
    .openapi({ description: 'names of the arguments that had a value; null: too many to keep' }),
  arguments: z.string().nullable().openapi({
    description: 'canonical JSON, where the server has `record: full` and they are small enough',
  }),
  judgedInUs: z.number().int().openapi({ description: 'how long the judgement took, in microseconds' }),
  lookUp: z
    .object({ approval: z.string(), outcome: z.enum(lookUpOutcomes), tookMs: z.number().int() })
    .nullable()
    .openapi({ description: 'of a `look_up`: for which approval, what came of it, and how long it took' }),
})
export type DecisionLine = z.infer<typeof decisionLine>

export const decisionPage = z
  .object({ now: z.string(), decisions: z.array(decisionLine), next: z.number().int().nullable() })
  .openapi('DecisionPage')
export type DecisionPage = z.infer<typeof decisionPage>

export function toLine({ atMs, principal, keys, session: _session, ...line }: LoggedVerdict): DecisionLine {
  const { name: agent, owner } = principal
  return { ...line, at: iso(atMs), agent, owner, keys: keys === null ? null : [...keys] }
}
