/** Random policies and calls that meet often: few names, few values, every operator. */
import fc from 'fast-check'
import type { JsonObject, JsonValue } from '../../src/domain/canonical.ts'
import type { Comparison, Scalar } from '../../src/domain/policy/comparison.ts'
import type { Condition } from '../../src/domain/policy/condition.ts'
import { glob } from '../../src/domain/policy/glob.ts'
import type { JudgedCall } from '../../src/domain/policy/judged-call.ts'
import { type ApprovalTerms, clientGoneWays, type Rule, usualTerms } from '../../src/domain/policy/rule.ts'
import type { Tally } from '../../src/domain/policy/tally.ts'
import { weekdays } from '../../src/domain/policy/time-window.ts'
import { parsePath, type ValuePath } from '../../src/domain/policy/value-path.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { categories, risks } from '../../src/domain/risk.ts'
import { compileRegex } from '../../src/files/policy/regex.ts'
import { aRule } from '../support/builders.ts'

const pathOf = (source: string): ValuePath => {
  const path = parsePath(source)
  if (!path.ok) throw new Error(path.error)
  return path.value
}
const regexOf = (source: string) => {
  const regex = compileRegex(source)
  if (!regex.ok) throw new Error(regex.error.message)
  return regex.value
}

const words = ['', 'a', 'ab', 'b.c', 'dev', '10', '가나', 'a#b', '#', 'unknown:']
const numbers = [-1, 0, 1, 2.5, 10, 1e9]
const scalar: fc.Arbitrary<Scalar> = fc.oneof(
  fc.constantFrom(...words),
  fc.constantFrom(...numbers),
  fc.boolean(),
)
const number = fc.constantFrom(...numbers)
const word = fc.constantFrom(...words.slice(1))
const names = ['get_a', 'get_b', 'delete_a', 'pay']
const pattern = fc.constantFrom('get_*', '*_a', '*', 'delete_a', 'pay', 'get_b', 'g*t_*')

/** Also what is the same name to a parser that ignores case; the long s is an s to it. */
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('x', 'y', 'length', 'toString', 'unit price') },
  { weight: 1, arbitrary: fc.constantFrom('X', 'Y', 'LENGTH', 'to\u017ftring', 'Unit\u00a0Price') },
)

export const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    // Some servers parse what comes as text.
    { weight: 1, arbitrary: tie('value').map((value) => JSON.stringify(value)) },
  ),
})).value

const simple: fc.Arbitrary<Comparison> = fc.oneof(
  fc.record({
    op: fc.constantFrom('eq' as const, 'neq' as const, 'eq_text' as const, 'contains' as const),
    value: scalar,
  }),
  fc.record({
    op: fc.constantFrom('in' as const, 'not_in' as const, 'in_text' as const),
    values: fc.array(scalar, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    op: fc.constantFrom('lt' as const, 'lte' as const, 'gt' as const, 'gte' as const),
    value: number,
  }),
  fc.record({ op: fc.constantFrom('starts_with' as const, 'ends_with' as const), value: word }),
  fc.record({
    op: fc.constant('like' as const),
    patterns: fc.array(fc.constantFrom('a*', '*b', 'a', '*', 'a*#*', '*:a*', 'ab#dev').map(glob), {
      minLength: 1,
      maxLength: 2,
    }),
  }),
  fc.record({
    op: fc.constant('matches' as const),
    regex: fc.constantFrom('^a', 'b$', '^[0-9]+$', 'a|d', '^a.*#').map(regexOf),
  }),
  fc.record({ op: fc.constant('exists' as const), value: fc.boolean() }),
)
const sizes: fc.Arbitrary<Comparison> = fc.record({
  op: fc.constantFrom('lt' as const, 'lte' as const, 'gt' as const, 'gte' as const),
  value: fc.nat(3),
})
export const comparison: fc.Arbitrary<Comparison> = fc.oneof(
  { weight: 6, arbitrary: simple },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('length' as const),
      is: fc.uniqueArray(sizes, { minLength: 1, maxLength: 2, selector: ({ op }) => op }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('some' as const, 'every' as const),
      path: fc.constantFrom(null, { source: 'x', root: 'args' as const, steps: ['x'] }),
      is: fc.uniqueArray(simple, { minLength: 1, maxLength: 2, selector: ({ op }) => op }),
    }),
  },
)

/** Into what may come as text. */
export const insidePath = fc.constantFrom(
  ...['args.x.y', 'args.x[0]', 'args.y[1].x', 'args.length.x'].map(pathOf),
)

export const path = fc.constantFrom(
  ...['args.x', 'args.y', 'args.x.y', 'args.x[0]', 'args.y[1].x', 'args["unit price"]', 'args.length'].map(
    pathOf,
  ),
  ...['args.toString', 'args', 'tool', 'agent', 'owner', 'server', 'category', 'risk'].map(pathOf),
)

export const tally: fc.Arbitrary<Tally> = fc.record({
  name: fc.constantFrom('one', 'two'),
  per: fc.constantFrom('agent', 'owner', 'server', 'global', 'session'),
  window: fc.oneof(
    fc.record({ kind: fc.constant('sliding' as const), seconds: fc.constantFrom(60, 3_600) }),
    fc.record({
      kind: fc.constant('calendar' as const),
      unit: fc.constantFrom('hour' as const, 'day' as const),
    }),
  ),
  amount: fc.oneof(fc.constant(1), fc.constantFrom(pathOf('args.x'), pathOf('args.y'))),
})

/** Conditions that look at these places only. */
export const conditionOver = (path: fc.Arbitrary<ValuePath>): fc.Arbitrary<Condition> =>
  fc.letrec<{ any: Condition }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record({
        kind: fc.constant('value' as const),
        path,
        otherwise: fc.oneof(
          { weight: 3, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: scalar },
        ),
        is: fc.array(comparison, { minLength: 1, maxLength: 2 }),
      }),
      fc.record({
        kind: fc.constant('time' as const),
        window: fc.record({
          zone: fc.constantFrom('Asia/Seoul', 'UTC', 'America/New_York', 'Australia/Lord_Howe'),
          days: fc.subarray([...weekdays], { minLength: 1 }),
          from: fc.constantFrom(0, 540, 1_320),
          to: fc.constantFrom(120, 541, 1_080, 1_440),
        }),
      }),
      fc.record({
        kind: fc.constant('history' as const),
        tally,
        tools: fc.constant(null),
        is: fc.array(sizes, { minLength: 1, maxLength: 1 }),
      }),
      fc.record({ kind: fc.constant('not' as const), of: tie('any') }),
      fc.record({
        kind: fc.constantFrom('all' as const, 'any' as const),
        of: fc.array(tie('any'), { minLength: 1, maxLength: 3 }),
      }),
    ),
  })).any

const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })

const named = fc.record({
  groups: fc.subarray(['ops', 'finance', 'security']),
  people: fc.subarray(['mina', 'sora'], { minLength: 1 }),
})
const stages = fc.array(
  fc.tuple(named, fc.integer({ min: 1, max: 3 })).map(([who, quorum]) => ({ ...who, quorum })),
  { minLength: 1, maxLength: 3 },
)

const grants = fc.record({
  usesMax: fc.integer({ min: 1, max: 5 }),
  durationMsMax: fc.constantFrom(60_000, 120_000),
  mayDiffer: fc.subarray([
    {
      path: 'args.a',
      steps: ['a'],
      is: [{ op: 'lte', value: 5 } as const, { op: 'gte', value: 0 } as const],
    },
    { path: 'args.b', steps: ['b'], is: [] },
  ]),
})

/** Whom a rule asks, as the reader leaves it: the approvers of stages are all whom they name. */
const terms: fc.Arbitrary<ApprovalTerms> = fc
  .record({
    named: maybe(named),
    stages: maybe(stages),
    quorum: maybe(fc.integer({ min: 2, max: 4 })),
    selfConfirm: maybe(fc.boolean()),
    timeoutMs: maybe(fc.constantFrom(60_000, 120_000)),
    onClientGone: maybe(fc.constantFrom(...clientGoneWays)),
    reasonRequired: maybe(fc.boolean()),
    remindersMs: maybe(fc.constantFrom([1_000], [1_000, 2_000])),
    escalation: maybe(named.map((who) => [{ afterMs: 30_000, ...who }])),
    grants: maybe(grants),
    lookups: maybe(
      fc.constantFrom('get_a', 'get_b').map((tool) => [{ label: null, tool, arguments: [] }] as const),
    ),
  })
  .map(({ named: who, stages: several, quorum, grants, ...others }) =>
    several === null
      ? { ...others, approvers: who, stages: null, quorum, grants: quorum === null ? grants : null }
      : {
          ...others,
          grants: null,
          approvers: {
            groups: [...new Set(several.flatMap(({ groups }) => groups))],
            people: [...new Set(several.flatMap(({ people }) => people))],
          },
          stages: several,
          quorum: null,
        },
  )

const condition = conditionOver(path)

export const rule: fc.Arbitrary<Rule> = fc
  .record({
    terms: fc.oneof(fc.constant(usualTerms), terms),
    action: fc.constantFrom('allow' as const, 'deny' as const, 'require_approval' as const, null),
    reason: maybe(fc.constantFrom('because', 'so that')),
    tools: fc.array(pattern.map(glob), { minLength: 1, maxLength: 2 }),
    categories: maybe(fc.subarray([...categories], { minLength: 1 })),
    risks: maybe(fc.subarray([...risks], { minLength: 1 })),
    when: fc.oneof(fc.constant(null), condition),
    treatAs: maybe(fc.constantFrom(...risks)),
    limits: fc.array(
      fc.record({
        pointer: fc.constant('/rules/0/rate_limit'),
        tally,
        max: fc.oneof(fc.constant(null), fc.nat(5)),
        reason: fc.constant(null),
      }),
      { maxLength: 1 },
    ),
  })
  .filter(({ action, limits }) => action !== null || limits.length > 0)
  .map((parts) => aRule(parts))

export const policy: fc.Arbitrary<Policy> = fc
  .record({
    action: fc.constantFrom('allow' as const, 'deny' as const, 'require_approval' as const),
    rules: fc.array(rule, { maxLength: 5 }),
    tried: fc.oneof(
      { weight: 2, arbitrary: fc.constant<Rule[]>([]) },
      { weight: 1, arbitrary: fc.array(rule, { maxLength: 2 }) },
    ),
    hidden: fc.oneof(
      { weight: 4, arbitrary: fc.constant<string[]>([]) },
      { weight: 1, arbitrary: fc.subarray(['pay', '*_b']) },
    ),
  })
  .map(({ action, rules, tried, hidden }) => ({
    source: 'random',
    spelling: 'holdpoint' as const,
    fallback: { action, pointer: '/default', reason: null },
    rules: rules.map((each, index) => ({ ...each, pointer: `/rules/${index}` })),
    // The reader leaves limits where they are enforced, and lets no rule be tried that only limits.
    shadow: tried
      .filter((each) => each.action !== null)
      .map((each, index) => ({ ...each, limits: [], pointer: `/rules/${rules.length + index}` })),
    hidden: new Set(hidden),
  }))

/** As they come, since no other arguments pass. */
export const objectArgs: fc.Arbitrary<JsonObject> = fc.dictionary(key, json, { maxKeys: 3 })

/** Where `insidePath` finds something. */
export const insideArgs: fc.Arbitrary<JsonObject> = fc.record({
  x: fc.oneof(fc.record({ y: json }), fc.array(json, { minLength: 1, maxLength: 2 })),
  y: fc.array(fc.record({ x: json }), { minLength: 2, maxLength: 2 }),
  length: fc.record({ x: json }),
})

export const args: fc.Arbitrary<JsonValue> = fc.oneof(
  {
    weight: 5,
    arbitrary: objectArgs,
  },
  { weight: 1, arbitrary: json },
)

export const call: fc.Arbitrary<JudgedCall> = fc.record({
  server: fc.constantFrom('a', 'shop'),
  tool: fc.constantFrom(...names, 'g\u200bet_a'),
  arguments: args,
  agent: fc.constantFrom('a', 'dev', 'a#b', 'ab#dev'),
  owner: fc.constantFrom('b.c', 'ab', 'unknown:ab#dev'),
  session: fc.constantFrom(null, 's1'),
  facts: fc.record({ category: fc.constantFrom(null, ...categories), risk: fc.constantFrom(...risks) }),
  nowMs: fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) }),
})
