/** The shapes of a policy document. The JSON Schema for editors is made of the same ones (`json-schema.ts`). */
import { z } from 'zod'
import { ESCALATIONS_MAX, LOOKUPS_MAX, REASON_LENGTH_MAX, REMINDERS_MAX } from '../../domain/limits.ts'
import { GRANT_USES_MAX, MAY_DIFFER_MAX } from '../../domain/policy/grant-terms.ts'
import { clientGoneWays } from '../../domain/policy/rule.ts'
import { calendarUnits, countedPer } from '../../domain/policy/tally.ts'
import { weekdays } from '../../domain/policy/time-window.ts'
import { STAGES_MAX, YESES_MAX } from '../../domain/quorum.ts'
import { categories, risks } from '../../domain/risk.ts'
import { durationShape } from '../duration.ts'
import { says } from '../shape.ts'

export const actionShape = z.enum(['allow', 'deny', 'require_approval'])

export const nameError = says(
  'a tool name has 1 to 128 of the characters A-Z a-z 0-9 _ . -, and * for any run of them',
  'write the name as the server lists it; `default` is the action for all other tools',
)
export const namePattern = /^[A-Za-z0-9_.*-]{1,128}$/
export const nameShape = z.string().regex(namePattern, nameError)
export const reasonShape = z
  .string()
  .max(REASON_LENGTH_MAX, says(`a reason has at most ${REASON_LENGTH_MAX} characters`, 'shorten it'))
export const namesShape = z.array(nameShape)
export const reasonsShape = z.record(nameShape, reasonShape.nullable())
const text = z.string().min(1, says('this is empty', 'write something, or remove the line')).max(1_000)

function oneOrMany<T extends z.ZodType>(shape: T, error: string) {
  return z.union([shape, z.array(shape).min(1)], { error })
}

const scalarShape = z.union([z.string(), z.number(), z.boolean()], {
  error: says(
    'this must be text, a number, true or false',
    'write one of these; whether something is there at all is asked with `exists`',
  ),
})
const scalarsShape = z.array(scalarShape).min(1, says('the list is empty', 'name at least one value'))
const globsShape = oneOrMany(
  text.max(256),
  says('this must be a name, or a list of names', 'write names; * stands for any run of characters'),
)

const numberComparisons = {
  lt: z.number().optional(),
  lte: z.number().optional(),
  gt: z.number().optional(),
  gte: z.number().optional(),
}
const comparisons = {
  eq: scalarShape.optional(),
  neq: scalarShape.optional(),
  in: scalarsShape.optional(),
  not_in: scalarsShape.optional(),
  eq_text: scalarShape.optional(),
  // Of nothing, as PolicyLayer writes it: no value is among them.
  in_text: z.array(scalarShape).optional(),
  ...numberComparisons,
  contains: scalarShape.optional(),
  starts_with: text.optional(),
  ends_with: text.optional(),
  like: globsShape.optional(),
  matches: text.optional(),
  exists: z.boolean().optional(),
  length: z
    .strictObject({ eq: z.int().min(0).optional(), neq: z.int().min(0).optional(), ...numberComparisons })
    .optional(),
}
const itemShape = z.strictObject({ path: text.optional(), ...comparisons })

const lists = { some: itemShape.optional(), every: itemShape.optional() }
/** Comparisons, as they stand beside a `path`; the entries of a list have no lists of their own. */
export type ItemShape = z.output<typeof itemShape> & Pick<z.output<typeof leafShape>, 'some' | 'every'>

const timeShape = z.strictObject({
  zone: text,
  days: z.array(z.enum(weekdays)).min(1, says('no day is named', 'name days, or remove the line')).optional(),
  from: z.string().optional(),
  to: z.string().optional(),
})

/** Twice a name and a dot: a counter of Intercept's is called after its tool as well. */
const counterShape = text.max(257)
const windowShape = {
  window: z
    .int(says('a window is a whole number of seconds', 'write 3600 for an hour'))
    .min(1, says('a window has at least one second', 'write the number of seconds'))
    .max(31 * 86_400, says('a window has at most 31 days', 'write at most 2678400'))
    .optional(),
  calendar: z.enum(calendarUnits).optional(),
  per: z.enum(countedPer).optional(),
}
const historyShape = z.strictObject({
  tools: globsShape.optional(),
  counter: counterShape.optional(),
  ...windowShape,
})

const leafShape = z.strictObject({
  path: text.optional(),
  default: scalarShape.optional(),
  time: timeShape.optional(),
  history: historyShape.optional(),
  ...comparisons,
  ...lists,
})
export interface ConditionShape extends z.output<typeof leafShape> {
  all?: ConditionShape[] | undefined
  any?: ConditionShape[] | undefined
  not?: ConditionShape | undefined
}
const emptyList = says('the list is empty', 'name a condition')
export const conditionShape: z.ZodType<ConditionShape> = z.strictObject({
  get all() {
    return z.array(conditionShape).min(1, emptyList).optional()
  },
  get any() {
    return z.array(conditionShape).min(1, emptyList).optional()
  },
  get not() {
    return conditionShape.optional()
  },
  ...leafShape.shape,
})

const maxShape = z.number().min(0, says('a limit is not negative', 'write 0 to forbid, or a larger number'))
/** Without `max` it is only counted, for a `history` that names the counter. */
export const rateLimitShape = z.strictObject({
  max: maxShape.optional(),
  adds: z.number().min(0, says('nothing lowers a count', 'write a positive number')).optional(),
  ...windowShape,
  counter: counterShape.optional(),
  reason: reasonShape.optional(),
})
export const spendLimitShape = z.strictObject({
  path: text,
  max: maxShape.optional(),
  ...windowShape,
  counter: counterShape.optional(),
  reason: reasonShape.optional(),
})

const people = { groups: z.array(text).optional(), people: z.array(text).optional() }
const exactNameShape = z
  .string()
  .regex(
    /^[A-Za-z0-9_.-]{1,128}$/,
    says('this is not the name of one tool', 'write the name as the server lists it'),
  )
const evidenceShape = z.strictObject({
  tool: exactNameShape,
  label: text.max(80).optional(),
  arguments: z
    .record(
      text.max(128),
      z.union([scalarShape, z.strictObject({ path: text })], {
        error: says(
          'this must be text, a number, true, false or a `path`',
          'write { path: args.… } for a value of the call',
        ),
      }),
    )
    .optional(),
})
const quorumShape = z
  .int(says('a quorum is a whole number', 'write how many people have to say yes'))
  .min(1, says('a quorum is at least one', 'write 1, or remove the line'))
  .max(YESES_MAX, says('a quorum this large is a poll', `ask for at most ${YESES_MAX} yeses`))
  .describe('How many different people have to say yes. One no denies the call.')
const numberBounds = {
  lt: z.number().optional(),
  lte: z.number().optional(),
  gt: z.number().optional(),
  gte: z.number().optional(),
}
const grantsShape = z.strictObject({
  max_uses: z
    .int(says('the number of uses is a whole number', 'write how many more calls may be granted'))
    .min(1, says('a grant is for one more call at least', 'write 1, or remove the block'))
    .max(
      GRANT_USES_MAX,
      says('that is a rule, not a grant', `write at most ${GRANT_USES_MAX}, or allow such calls`),
    )
    .describe('How many more calls one grant can cover at most.'),
  max_duration: durationShape.describe('How long one grant can last at most: 1m to 24h.'),
  may_differ: z
    .array(
      z.union(
        [
          text.max(256),
          z.strictObject({
            path: text,
            in: scalarsShape.optional(),
            ...numberBounds,
            starts_with: text.optional(),
            ends_with: text.optional(),
            length: z.strictObject(numberBounds).optional(),
          }),
        ],
        {
          error: says(
            'this must be the place of an argument, or a `path` with bounds',
            'write args.note, or { path: args.amount, gte: 0, lte: 50 }; bounds are in, lt, lte, gt, gte, starts_with, ends_with, length',
          ),
        },
      ),
    )
    .max(
      MAY_DIFFER_MAX,
      says(`at most ${MAY_DIFFER_MAX} arguments may differ`, 'write a rule for such calls'),
    )
    .optional()
    .describe('Arguments that may differ in the later calls; every other one has to be the same.'),
})
export const approvalShape = z.strictObject({
  ...people,
  quorum: quorumShape.optional(),
  stages: z
    .array(z.strictObject({ ...people, quorum: quorumShape.optional() }))
    .max(STAGES_MAX, says('there are too many stages', `write at most ${STAGES_MAX}`))
    .optional()
    .describe('In this order: the next stage is asked when the one before it has all its yeses.'),
  self_confirm: z.boolean().optional(),
  timeout: durationShape.optional(),
  reminders: z
    .array(durationShape)
    .max(
      REMINDERS_MAX,
      says(`there are at most ${REMINDERS_MAX} reminders`, 'write fewer: people stop reading'),
    )
    .optional(),
  escalation: z
    .array(z.strictObject({ after: durationShape, ...people }))
    .max(ESCALATIONS_MAX, says(`there are at most ${ESCALATIONS_MAX} steps`, 'name more people in one step'))
    .optional(),
  reason_required: z.boolean().optional().describe('Neither a yes nor a no counts without a reason.'),
  on_client_gone: z
    .enum(clientGoneWays)
    .optional()
    .describe(
      'When nobody is there for the outcome: wait for the agent, execute without it, or cancel the call.',
    ),
  evidence: z
    .array(evidenceShape)
    .max(LOOKUPS_MAX, says(`there are at most ${LOOKUPS_MAX} evidence calls`, 'keep those that people read'))
    .optional(),
  grants: grantsShape
    .optional()
    .describe('What an approver may allow with their yes besides the call: so many more that are like it.'),
})

const oneOf = (names: readonly string[]) =>
  says(`this must be one or several of ${names.join(', ')}`, 'write one of them, or a list')

/** What a rule says, wherever it stands. A limit is one or a list, which is looked at separately. */
const rule = {
  action: actionShape.optional(),
  reason: reasonShape.optional(),
  agents: globsShape.optional(),
  owners: globsShape.optional(),
  servers: globsShape.optional(),
  when: conditionShape.optional(),
  treat_as: z.enum(risks).optional(),
  rate_limit: z.unknown().optional(),
  spend_limit: z.unknown().optional(),
  approval: approvalShape.optional(),
  shadow: z.boolean().optional(),
}
export const ruleShape = z.strictObject({
  name: text.optional(),
  tools: oneOrMany(nameShape, nameError).optional(),
  category: oneOrMany(z.enum(categories), oneOf(categories)).optional(),
  risk: oneOrMany(z.enum(risks), oneOf(risks)).optional(),
  ...rule,
})
export const toolShape = z.strictObject(rule)

/** PolicyLayer: `{path, op, value}`. What an operator takes is looked at with the operator. */
export const foreignOperators = [
  'eq',
  'neq',
  'in',
  'not_in',
  'lt',
  'lte',
  'gt',
  'gte',
  'regex',
  'contains',
  'exists',
] as const
const foreignConditionShape = z.strictObject({
  path: text,
  op: z.enum(foreignOperators).optional(),
  value: z.unknown().optional(),
})
export type ForeignCondition = z.output<typeof foreignConditionShape>

const windowName = z.enum(calendarUnits)

/** PolicyLayer, hosted: a group of conditions, or one written directly. */
export const hostedRuleShape = z.strictObject({
  conditions: z.array(foreignConditionShape).optional(),
  ...foreignConditionShape.partial().shape,
  on_deny: reasonShape.optional(),
})
export const hostedLimitShape = z.strictObject({
  counter: text.max(128),
  window: windowName,
  max: maxShape,
  scope: z.enum(['grant']).optional(),
  increment: z.number().optional(),
  increment_from: text.optional(),
  on_deny: reasonShape.optional(),
})
export const hostedToolShape = z.strictObject({
  require: z.array(hostedRuleShape).optional(),
  deny_if: z.array(hostedRuleShape).optional(),
  limits: z.array(hostedLimitShape).optional(),
})
export const allToolsShape = z.strictObject({ limits: z.array(hostedLimitShape).optional() })

/** PolicyLayer Intercept. `require_approval` and `allow` are ours: it knows no people. */
export const interceptRuleShape = z.strictObject({
  name: text.optional(),
  action: z.enum(['allow', 'deny', 'require_approval', 'evaluate']).optional(),
  reason: reasonShape.optional(),
  on_deny: reasonShape.optional(),
  conditions: z.array(foreignConditionShape).optional(),
  rate_limit: z
    .string()
    .regex(
      /^[1-9]\d{0,8}\/(minute|hour|day)$/,
      says('this is not a rate limit', 'write a count and a window, as 5/hour'),
    )
    .optional(),
  state: z
    .strictObject({
      counter: text.max(128),
      window: windowName,
      increment: z.number().optional(),
      increment_from: text.optional(),
    })
    .optional(),
})
export type InterceptRule = z.output<typeof interceptRuleShape>
export const interceptToolShape = z.strictObject({ rules: z.array(interceptRuleShape) })

const anything = z.unknown().optional()

/** The keys of the document; each part is read by itself, so that one mistake hides no other. */
export const topShape = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(['1', 1]).optional(),
  description: z.string().optional(),
  default: anything,
  hide: anything,
  all_tools: anything,
  tools: anything,
  rules: anything,
  allow: anything,
  deny: anything,
  require_approval: anything,
  shadow: z.boolean().optional(),
})
