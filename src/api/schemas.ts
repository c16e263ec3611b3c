/** The shapes of the REST API. Requests are checked by them, OpenAPI is made from them, and the command line parses with them. */
import { z } from '@hono/zod-openapi'
import { doors } from '../domain/approval.ts'
import { DECIDABLE_BYTES_MAX, REASON_LENGTH_MAX } from '../domain/limits.ts'
import { nudgeKinds } from '../domain/nudges.ts'
import { GRANT_DURATION_MS_MAX, GRANT_USES_MAX } from '../domain/policy/grant-terms.ts'
import { clientGoneWays } from '../domain/policy/rule.ts'
import { risks } from '../domain/risk.ts'

export const PAGE_MAX = 100
const PAGE_DEFAULT = 50
/** Long enough for anything that could be a ticket; what is longer is not looked at. */
const TICKET_TEXT_MAX = 64

const instant = z.string().openapi({ format: 'date-time', example: '2026-08-01T09:30:00.000Z' })
const digest = z.string().openapi({ description: 'SHA-256, 64 hexadecimal digits' })
const reason = z.string().max(REASON_LENGTH_MAX)
const status = z.enum(['pending', 'approved', 'executing', 'settled'])

export const ticketParam = z.object({
  id: z.string().max(TICKET_TEXT_MAX).openapi({ example: 'HP-7K2M9Q4T0X' }),
})

export const listQuery = z.strictObject({
  status: z
    .union([status, z.array(status)])
    .optional()
    .openapi({ description: 'may be repeated' }),
  mine: z.enum(['true']).optional().openapi({ description: 'only calls of agents that you answer for' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  after: z.string().max(TICKET_TEXT_MAX).optional().openapi({ description: '`next` of the page before' }),
})

export const showQuery = z.strictObject({
  include: z.literal('reply').optional().openapi({ description: "also the text of the upstream's answer" }),
})

export const decisionBody = z
  .strictObject({
    decision: z.enum(['approve', 'reject']),
    digest: digest
      .regex(/^[0-9a-f]{64}$/, 'must be the full digest that was shown: 64 lower-case hexadecimal digits')
      .openapi({ description: 'the digest of what the person looked at' }),
    reason: reason.optional(),
    grant: z
      .strictObject({
        uses: z.number().int().min(1).max(GRANT_USES_MAX).openapi({ description: 'further calls' }),
        seconds: z
          .number()
          .int()
          .min(1)
          .max(GRANT_DURATION_MS_MAX / 1000)
          .openapi({ description: 'from the decision on' }),
      })
      .optional()
      .openapi({
        description:
          'only with approve, and only where `mayGrant` says so: the next calls that are like this one are covered as well',
      }),
    via: z.enum(['api', 'cli', 'demo']).default('api').openapi({
      description: 'which door the person used, for the audit; who it was is known by the token',
    }),
  })
  .openapi('DecisionRequest')

export const cancelBody = z.strictObject({ reason: reason.optional() }).openapi('CancelRequest')

/** Which door a program says that a person used, for the audit; who it was is known by the token. */
const via = z.enum(['api', 'cli', 'demo']).default('api')

export const editBody = z
  .strictObject({
    arguments: z.string().max(DECIDABLE_BYTES_MAX).openapi({
      description: 'JSON text of the new `arguments`; as text, so that nothing is lost before it is checked',
      example: '{"name":"acme/test"}',
    }),
    digest: digest.openapi({ description: 'the digest of what the person looked at' }),
    reason: reason.optional(),
    via,
  })
  .openapi('EditRequest')

export const extensionBody = z
  .strictObject({
    until: z.iso.datetime().openapi({ description: 'the new, later deadline' }),
    reason: reason.optional(),
    via,
  })
  .openapi('ExtensionRequest')

export const takeBackBody = z.strictObject({ reason: reason.optional(), via }).openapi('TakeBackRequest')

export const askAgainBody = z.strictObject({ reason: reason.optional(), via }).openapi('AskAgainRequest')

export const annotationBody = z
  .strictObject({ finding: z.enum(['happened', 'did_not_happen']), note: reason.optional() })
  .openapi('AnnotationRequest')

export const errorBody = z
  .object({
    error: z.object({
      code: z.string().openapi({ example: 'already_decided' }),
      message: z.string(),
      remedy: z.string().optional(),
      field: z.string().optional(),
    }),
  })
  .openapi('Error')

const givenGrant = z.object({
  uses: z.number().int(),
  until: instant,
  ended: z.object({ by: z.string(), reason: z.string().nullable(), at: instant }).nullable(),
})

const decision = z
  .object({
    kind: z.enum(['approve', 'confirm', 'reject']),
    by: z.string(),
    reason: z.string().nullable(),
    digest,
    via: z.enum(doors),
    at: instant,
    with: z
      .array(z.string())
      .openapi({ description: 'whose yeses it needed besides, oldest first; empty where one decides' }),
    gives: givenGrant
      .nullable()
      .openapi({ description: 'the grant that was given with it: so many more of such calls' }),
    under: z.string().nullable().openapi({
      description: 'the grant that stood in for the click, named by the approval that it was given with',
    }),
  })
  .openapi('Decision')

const vote = z
  .object({
    stage: z.number().int().openapi({ description: 'from 0' }),
    by: z.string(),
    reason: z.string().nullable(),
    digest,
    via: z.enum(doors),
    at: instant,
  })
  .openapi('Vote')

const annotation = z.object({
  finding: z.enum(['happened', 'did_not_happen']),
  by: z.string(),
  note: z.string().nullable(),
  at: instant,
})

const reply = z.object({
  kind: z.enum(['result', 'error']),
  isError: z.boolean(),
  isTask: z.literal(true).optional().openapi({
    description: 'the server took the call on as a task of its own; how that ends, only the server knows',
  }),
  digest,
  bytes: z.number().int(),
})

const evidence = z
  .object({
    before: z.object({ at: instant, toolDefinitionDigest: digest }).nullable(),
    send: z.object({
      progress: z.enum(['unknown', 'begun', 'response']),
      httpStatus: z.number().int().nullable(),
      error: z.string().nullable(),
    }),
    after: z.object({ at: instant, isReachable: z.boolean(), said: z.string() }).nullable(),
    lateReplies: z
      .array(reply.extend({ at: instant }))
      .openapi({ description: 'what the upstream said after all; it does not change the outcome' }),
    unsent: z.object({ at: instant, reason: z.string() }).nullable().openapi({
      description:
        'the gateway that had claimed it came back and proved that it had sent nothing; it does not change the outcome',
    }),
  })
  .openapi('Evidence', {
    description:
      'before: the pre-flight; send: how far it came (`begun`: any part may have arrived; `response`: it arrived); after: the upstream when somebody looked again',
  })

const outcome = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('answered'), decision, reply }),
    z.object({ kind: z.literal('rejected'), decision }),
    z.object({ kind: z.literal('expired') }),
    z.object({ kind: z.literal('lapsed'), decision }),
    z.object({ kind: z.literal('cancelled'), by: z.string(), reason: z.string().nullable() }),
    z.object({
      kind: z.literal('invalidated'),
      change: z.string(),
      successor: z
        .string()
        .nullable()
        .openapi({ description: 'the approval that asks for the same call under the rule in force' }),
      forbidden: z.boolean().openapi({ description: 'the policy forbids the call now' }),
    }),
    z.object({ kind: z.literal('not_sent'), decision, reason: z.string() }),
    z.object({
      kind: z.literal('indeterminate'),
      decision,
      reason: z.string(),
      annotations: z.array(annotation),
      evidence,
      successor: z.string().nullable().openapi({ description: 'the approval by which a person asks again' }),
    }),
  ])
  .openapi('Outcome')

const lookups = z.array(
  z.object({
    label: z.string().nullable(),
    tool: z.string(),
    arguments: z.string().nullable().openapi({ description: 'RFC 8785 text; null: it was not called' }),
    at: instant,
    found: z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('answer'),
        isError: z.boolean(),
        text: z.string().openapi({ description: 'the beginning of what the server said' }),
        isCut: z.boolean(),
        bytes: z.number().int(),
        digest,
      }),
      z.object({ kind: z.literal('none'), reason: z.string() }),
    ]),
  }),
)

const requester = z.object({ name: z.string(), owner: z.string() })

const numberBound = z.object({ op: z.enum(['lt', 'lte', 'gt', 'gte']), value: z.number() })
const grantTerms = z
  .object({
    usesMax: z.number().int(),
    durationMsMax: z.number(),
    mayDiffer: z
      .array(
        z.object({
          path: z.string(),
          steps: z.array(z.string()).readonly(),
          is: z
            .array(
              z.union([
                numberBound,
                z.object({
                  op: z.literal('in'),
                  values: z.array(z.union([z.string(), z.number(), z.boolean()])).readonly(),
                }),
                z.object({ op: z.enum(['starts_with', 'ends_with']), value: z.string() }),
                z.object({ op: z.literal('length'), is: z.array(numberBound).readonly() }),
              ]),
            )
            .readonly(),
        }),
      )
      .readonly()
      .openapi({ description: 'arguments that may differ, within bounds; every other one is the same' }),
  })
  .openapi('GrantTerms')

const header = {
  id: z.string(),
  version: z.number().int(),
  server: z.string(),
  tool: z.string(),
  toolTitle: z.string().nullable(),
  requester,
  client: z.string().nullable().openapi({ description: 'as the client states it, not checked' }),
  params: z.string().openapi({ description: 'RFC 8785 text of exactly the `params` that would be sent' }),
  digest,
  edits: z
    .array(
      z.object({
        by: z.string(),
        via: z.enum(doors),
        reason: z.string().nullable(),
        at: instant,
        replaced: z.object({ params: z.string(), digest }),
      }),
    )
    .openapi({ description: 'oldest first; what the first one replaced is what the agent asked for' }),
  binding: z
    .object({ nonce: z.string(), toolDefinitionDigest: digest, ruleDigest: digest })
    .openapi({ description: 'what else the digest covers, so that it can be recomputed' }),
  risk: z.enum(risks),
  rule: z.string(),
  reason: z.string().nullable(),
  approvers: z.object({
    groups: z.array(z.string()),
    people: z.array(z.string()),
    selfConfirm: z.boolean(),
  }),
  onClientGone: z.enum(clientGoneWays).openapi({
    description:
      'execute: once approved it runs also without its agent, which collects the outcome; cancel: it is withdrawn when nobody waits for it any more',
  }),
  stages: z
    .array(z.object({ groups: z.array(z.string()), people: z.array(z.string()), quorum: z.number().int() }))
    .openapi({ description: 'so many yeses of different people, in this order; empty: one yes decides' }),
  votes: z.array(vote).openapi({ description: 'the yeses that count, oldest first, where it needs several' }),
  grants: grantTerms
    .nullable()
    .openapi({ description: 'what an approver may allow besides this call; null: nothing' }),
  reasonRequired: z.boolean().openapi({ description: 'a yes and a no count only with a `reason`' }),
  escalation: z
    .array(z.object({ from: instant, groups: z.array(z.string()), people: z.array(z.string()) }))
    .openapi({ description: 'who may decide as well, from when on' }),
  reminders: z.array(instant).openapi({ description: 'when people are reminded, if it still waits then' }),
  nudges: z
    .array(z.object({ kind: z.enum(nudgeKinds), at: instant }))
    .openapi({ description: 'when people were called again, oldest first' }),
  like: z
    .object({ id: z.string(), differs: z.array(z.string()) })
    .nullable()
    .openapi({
      description: 'nearly the same call that waited when this one was asked; JSON Pointers into `params`',
    }),
  predecessor: z
    .object({ id: z.string(), difference: z.string(), why: z.enum(['rule_changed', 'unknown_end']) })
    .nullable()
    .openapi({ description: 'the approval that asked for this call before the rule changed' }),
  createdAt: instant,
  expiresAt: instant,
}

export const approvalView = z
  .discriminatedUnion('status', [
    z.object({ status: z.literal('pending'), ...header }),
    z.object({ status: z.literal('approved'), ...header, decision, startBy: instant }),
    z.object({ status: z.literal('executing'), ...header, decision, claimedAt: instant }),
    z.object({ status: z.literal('settled'), ...header, outcome, settledAt: instant }),
  ])
  .openapi('Approval')
export type ApprovalView = z.infer<typeof approvalView>

export const approvalPage = z
  .object({
    now: instant,
    approvals: z.array(
      z.object({
        id: z.string(),
        status,
        outcome: z.string().nullable().openapi({ description: 'how it ended, once it is settled' }),
        server: z.string(),
        tool: z.string(),
        requester,
        risk: z.enum(risks),
        digest,
        yeses: z
          .object({ said: z.number().int(), wanted: z.number().int() })
          .nullable()
          .openapi({ description: 'in all stages; null: one yes decides' }),
        createdAt: instant,
        expiresAt: instant,
      }),
    ),
    next: z.string().nullable().openapi({ description: 'give it as `after` to get the next page' }),
  })
  .openapi('ApprovalPage')
export type ApprovalPage = z.infer<typeof approvalPage>

export const approvalDetail = z
  .object({
    approval: approvalView,
    now: instant,
    isRequesterWaiting: z.boolean(),
    startWithinMs: z.number().openapi({ description: 'how long after a yes the call may still begin' }),
    yes: z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('offered'), word: z.enum(['Approve', 'Confirm']) }),
        z.object({ kind: z.literal('withheld'), because: z.string() }),
      ])
      .openapi({ description: 'whether you may say yes to it now' }),
    mayGrant: z.boolean().openapi({ description: 'whether you may allow more of such calls with your yes' }),
    audit: z
      .array(z.object({ payload: z.string(), hash: digest }))
      .openapi({ description: 'each hash is SHA-256 of the hash before, a line feed and the payload' }),
    lookups: z.object({ before: lookups.nullable(), after: lookups.nullable() }).openapi({
      description:
        'what the rule had read for people when it was asked, and after an unknown end; null: not yet. Only for those who may decide and the owner',
    }),
    replyText: z.string().nullable().openapi({ description: 'raw JSON of the answer, with `include=reply`' }),
    lateReplies: z
      .array(z.object({ at: instant, text: z.string() }))
      .openapi({ description: 'raw JSON of what came after an unknown end, with `include=reply`' }),
  })
  .openapi('ApprovalDetail')
export type ApprovalDetail = z.infer<typeof approvalDetail>

export const changed = z.object({ approval: approvalView }).openapi('ChangedApproval')

export const callView = z
  .object({
    id: z.string().openapi({ description: 'the ticket that was asked for' }),
    successor: z.string().nullable().openapi({
      description:
        'where the rule changed while the call waited: the ticket that took its place, whose outcome this is',
    }),
    status,
    outcome: z
      .object({ kind: z.string(), text: z.string() })
      .nullable()
      .openapi({ description: 'null until the approval is settled' }),
    retry: z
      .enum(['never', 'same', 'changed'])
      .openapi({ description: 'let this call be, send it again as it is, or send a different one' }),
    advice: z.string(),
    predecessor: z
      .string()
      .nullable()
      .openapi({ description: 'the ticket that this one took the place of, or asks about again' }),
    askedAgainAs: z.string().nullable().openapi({
      description: 'nobody knows whether this one happened, and a person asks again with this ticket',
    }),
    like: z
      .object({ id: z.string(), differs: z.array(z.string()) })
      .nullable()
      .openapi({ description: 'nearly the same call of yours that waited when this one was asked' }),
    edited: z
      .object({
        by: z.string(),
        at: instant,
        reason: z.string().nullable(),
        differs: z.array(z.string()),
        differsInMore: z.boolean(),
        arguments: z.unknown(),
      })
      .nullable()
      .openapi({
        description: 'a person changed the arguments: these are the ones that would be sent, or were',
      }),
    evidence: z
      .object({
        progress: z.enum(['unknown', 'begun', 'response']),
        httpStatus: z.number().int().nullable(),
        wasReachableAfterwards: z.boolean().nullable(),
        lateReplies: z.number().int(),
        isProvedUnsent: z.boolean(),
      })
      .nullable()
      .openapi({
        description:
          'of a call whose end nobody knows: how far it came, and what was seen of the server since',
      }),
    coolDownUntil: instant
      .nullable()
      .openapi({ description: 'after a rejection: until then the same call is refused unseen' }),
    reply: z
      .object({ result: z.unknown().optional(), error: z.unknown().optional() })
      .optional()
      .openapi({ description: "the upstream's own `result` or `error`, byte for byte" }),
  })
  .openapi('CallOutcome')
export type CallView = Omit<z.infer<typeof callView>, 'reply'>
