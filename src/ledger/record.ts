/** Reads an approval out of its row: what the ledger gives back is checked once, here, and trusted afterwards. */
import { z } from 'zod'
import { type Approval, doors, type Settled } from '../domain/approval.ts'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import { noEvidence } from '../domain/evidence.ts'
import { nudgeKinds } from '../domain/nudges.ts'
import { clientGoneWays } from '../domain/policy/rule.ts'
import { callFields } from '../domain/policy/value-path.ts'
import { risks } from '../domain/risk.ts'

const approvalId = z.string().transform((text, context): ApprovalId => {
  const id = parseApprovalId(text)
  if (id.ok) return id.value
  context.addIssue({ code: 'custom', message: 'not a ticket' })
  return z.NEVER
})
const principal = z.object({ name: z.string(), owner: z.string() })
const approvers = z.object({
  groups: z.array(z.string()),
  people: z.array(z.string()),
  selfConfirm: z.boolean(),
})
const decision = z.object({
  kind: z.enum(['approve', 'confirm', 'reject']),
  by: z.string(),
  reason: z.string().nullable(),
  digest: z.string(),
  via: z.enum(doors),
  atMs: z.number(),
  with: z.array(z.string()).default([]),
  gives: z
    .object({
      uses: z.number().int().positive(),
      untilMs: z.number(),
      ended: z.object({ by: z.string(), reason: z.string().nullable(), atMs: z.number() }).nullable(),
    })
    .nullable()
    .default(null),
  under: approvalId.nullable().default(null),
})
const vote = z.object({
  stage: z.number().int().min(0),
  by: z.string(),
  reason: z.string().nullable(),
  digest: z.string(),
  via: z.enum(doors),
  atMs: z.number(),
})
const stage = z.object({
  groups: z.array(z.string()),
  people: z.array(z.string()),
  quorum: z.number().int().positive(),
})
const annotation = z.object({
  finding: z.enum(['happened', 'did_not_happen']),
  by: z.string(),
  note: z.string().nullable(),
  atMs: z.number(),
})
const reply = z.object({
  kind: z.enum(['result', 'error']),
  isError: z.boolean(),
  isTask: z.literal(true).optional(),
  digest: z.string(),
  bytes: z.number(),
})
const valuePath = z.object({
  source: z.string(),
  root: z.enum(['args', ...callFields]),
  steps: z.array(z.union([z.string(), z.number()])),
})
const lookupCall = z.object({
  label: z.string().nullable(),
  tool: z.string(),
  arguments: z.array(
    z.union([
      z.object({ name: z.string(), path: valuePath }),
      z.object({ name: z.string(), value: z.union([z.string(), z.number(), z.boolean()]) }),
    ]),
  ),
})
const lookup = z.object({
  label: z.string().nullable(),
  tool: z.string(),
  arguments: z.string().nullable(),
  atMs: z.number(),
  found: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('answer'),
      isError: z.boolean(),
      text: z.string(),
      isCut: z.boolean(),
      bytes: z.number(),
      digest: z.string(),
    }),
    z.object({ kind: z.literal('none'), reason: z.string() }),
  ]),
})
const numberBound = z.object({ op: z.enum(['lt', 'lte', 'gt', 'gte']), value: z.number() })
const bound = z.union([
  numberBound,
  z.object({ op: z.literal('in'), values: z.array(z.union([z.string(), z.number(), z.boolean()])) }),
  z.object({ op: z.enum(['starts_with', 'ends_with']), value: z.string() }),
  z.object({ op: z.literal('length'), is: z.array(numberBound) }),
])
const grantTerms = z.object({
  usesMax: z.number().int().positive(),
  durationMsMax: z.number().positive(),
  mayDiffer: z.array(z.object({ path: z.string(), steps: z.array(z.string()), is: z.array(bound) })),
})
const checked = z.object({ atMs: z.number(), toolDefinitionDigest: z.string() })
const evidence = z.object({
  before: checked.nullable(),
  send: z.object({
    progress: z.enum(['unknown', 'begun', 'response']),
    httpStatus: z.number().nullable(),
    error: z.string().nullable(),
  }),
  after: z.object({ atMs: z.number(), isReachable: z.boolean(), said: z.string() }).nullable(),
  lateReplies: z.array(reply.extend({ atMs: z.number() })),
  unsent: z.object({ atMs: z.number(), reason: z.string() }).nullable().default(null),
  lookupsAfter: z.array(lookup).nullable().default([]),
})
const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answered'), decision, reply }),
  z.object({ kind: z.literal('rejected'), decision }),
  z.object({ kind: z.literal('expired') }),
  z.object({ kind: z.literal('lapsed'), decision }),
  z.object({ kind: z.literal('cancelled'), by: z.string(), reason: z.string().nullable() }),
  z.object({
    kind: z.literal('invalidated'),
    change: z.string(),
    successor: approvalId.nullable().default(null),
    forbidden: z.boolean().default(false),
  }),
  z.object({ kind: z.literal('not_sent'), decision, reason: z.string() }),
  z.object({
    kind: z.literal('indeterminate'),
    decision,
    reason: z.string(),
    annotations: z.array(annotation),
    evidence: evidence.default(() => ({ ...noEvidence, lateReplies: [], lookupsAfter: [] })),
    successor: approvalId.nullable().default(null),
  }),
])
const edit = z.object({
  by: z.string(),
  via: z.enum(doors),
  reason: z.string().nullable(),
  atMs: z.number(),
  replaced: z.object({ canonicalParams: z.string(), digest: z.string() }),
})
const header = z.object({
  v: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  id: approvalId,
  version: z.number().int().positive(),
  auditHead: z.string(),
  nonce: z.string(),
  asked: z.object({
    attachKey: z.string(),
    callKey: z.string(),
    idempotencyKey: z.string().nullable(),
    requester: principal,
    client: z.string().nullable(),
    server: z.string(),
    tool: z.string(),
    era: z.enum(['legacy', 'modern']),
    session: z.string().optional(),
    asTask: z.boolean().optional(),
  }),
  proposed: z.object({
    canonicalParams: z.string(),
    toolDefinitionDigest: z.string(),
    toolTitle: z.string().nullable(),
    digest: z.string(),
  }),
  // Records of before calls could be edited have none.
  edits: z.array(edit).default([]),
  asking: z.object({
    rule: z.string(),
    reason: z.string().nullable(),
    risk: z.enum(risks),
    approvers,
    ruleDigest: z.string(),
    onClientGone: z.enum(clientGoneWays).default('wait'),
    reasonRequired: z.boolean().default(false),
    lookups: z.array(lookupCall).default([]),
    remindersMs: z.array(z.number()).default([]),
    escalation: z
      .array(z.object({ afterMs: z.number(), groups: z.array(z.string()), people: z.array(z.string()) }))
      .default([]),
    stages: z.array(stage).default([]),
    grants: grantTerms.nullable().default(null),
  }),
  votes: z.array(vote).default([]),
  nudges: z.array(z.object({ kind: z.enum(nudgeKinds), afterMs: z.number(), atMs: z.number() })).default([]),
  lookups: z.array(lookup).nullable().default([]),
  like: z
    .object({ id: approvalId, differs: z.array(z.string()) })
    .nullable()
    .default(null),
  predecessor: z
    .object({
      id: approvalId,
      difference: z.string(),
      why: z.enum(['rule_changed', 'unknown_end']).default('rule_changed'),
    })
    .nullable()
    .default(null),
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
})
const claim = z.object({ node: z.string(), atMs: z.number(), checked: checked.nullable().default(null) })

const approval: z.ZodType<Approval> = z.discriminatedUnion('status', [
  header.extend({ status: z.literal('pending') }),
  header.extend({ status: z.literal('approved'), decision, startByMs: z.number() }),
  header.extend({ status: z.literal('executing'), decision, claim }),
  header.extend({ status: z.literal('settled'), outcome, settledAtMs: z.number() }),
])

/** @throws if the record was written by a newer Holdpoint or damaged: such a record is left alone. */
export function parseRecord(record: unknown): Approval {
  return approval.parse(record)
}

export function parseSettled(record: unknown): Settled {
  const parsed = parseRecord(record)
  if (parsed.status !== 'settled') throw new Error(`${parsed.id} is ${parsed.status}, not settled`)
  return parsed
}

/** Ids from id columns. */
export function parseId(text: string): ApprovalId {
  return approvalId.parse(text)
}
