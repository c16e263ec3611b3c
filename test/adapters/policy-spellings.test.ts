/** PolicyLayer's three spellings, from fixtures in own words after its public documentation, each with its own meaning. */
import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { evaluate, type Policy } from '../../src/domain/policy.ts'
import { readPolicyWithNotes } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

function read(text: string) {
  const reading = readPolicyWithNotes('policy.yaml', text)
  if (!reading.ok) throw new Error(JSON.stringify(reading.error, null, 1))
  return reading.value
}
const load = (text: string): Policy => read(text).policy
const refusals = (text: string) => {
  const reading = readPolicyWithNotes('policy.yaml', text)
  return reading.ok ? [] : reading.error
}
const judge = (policy: Policy, tool: string, args: JsonValue = {}) =>
  evaluate(policy, aJudgedCall(tool, { arguments: args }))
const kindOf = (policy: Policy, tool: string, args: JsonValue = {}) => judge(policy, tool, args).kind

/** What a passing call is counted under, without its key. */
function counted(policy: Policy, tool: string, args: JsonValue = {}) {
  const verdict = judge(policy, tool, args)
  if (verdict.kind !== 'allow') throw new Error(verdict.kind)
  return verdict.reservations.map(({ window, amount, max, reason }) => ({ window, amount, max, reason }))
}

describe('the hosted JSON', () => {
  const hosted = (parts: object) => load(JSON.stringify({ version: '1', default: 'deny', ...parts }))
  const when = (path: string, op: string, value: unknown) => [
    { conditions: [{ path, op, value }], on_deny: 'No.' },
  ]

  test('is named', () => {
    expect(hosted({ hide: ['nworks_logout'] }).spelling).toBe('hosted')
  })

  test('a condition list that is empty forbids always', () => {
    const policy = hosted({ tools: { wipe: { deny_if: [{ conditions: [], on_deny: 'Blocked.' }] } } })
    expect(judge(policy, 'wipe')).toEqual({
      kind: 'deny',
      rule: 'policy.yaml#/tools/wipe/deny_if/0',
      reason: 'Blocked.',
    })
  })

  test.each([
    ['eq', 'usd', 'usd', 'eur'],
    ['eq', 5, 5, 6],
    ['neq', 'usd', 'eur', 'usd'],
    ['in', ['a', 'b'], 'b', 'c'],
    ['not_in', ['a', 'b'], 'c', 'a'],
    ['lt', 10, 9, 10],
    ['lte', 10, 10, 11],
    ['gt', 10, 11, 10],
    ['gte', 10, 10, 9],
    ['regex', '^feat/', 'feat/x', 'fix/feat/'],
    ['contains', 'b', 'abc', 'xyz'],
    ['contains', 'b', ['a', 'b'], ['a']],
    ['exists', true, 'there', null],
  ])('%s %j: forbids %j, and not %j', (op, value, hit, miss) => {
    const policy = hosted({ tools: { pay: { deny_if: when('args.v', op, value) } } })
    expect(kindOf(policy, 'pay', { v: hit })).toBe('deny')
    expect(kindOf(policy, 'pay', { v: miss })).toBe('allow')
    const required = hosted({ tools: { pay: { require: when('args.v', op, value) } } })
    expect(kindOf(required, 'pay', { v: hit })).toBe('allow')
    expect(kindOf(required, 'pay', { v: miss })).toBe('deny')
  })

  test('a condition on an argument that is not there does not hold', () => {
    expect(kindOf(hosted({ tools: { pay: { deny_if: when('args.v', 'gt', 1) } } }), 'pay')).toBe('allow')
    expect(kindOf(hosted({ tools: { pay: { require: when('args.v', 'gt', 1) } } }), 'pay')).toBe('deny')
    expect(kindOf(hosted({ tools: { pay: { deny_if: when('args.v', 'exists', false) } } }), 'pay')).toBe(
      'deny',
    )
  })

  test('another type gets around nothing', () => {
    const policy = hosted({ tools: { pay: { deny_if: when('args.v', 'gt', 10_000) } } })
    for (const v of ['99999', [99_999], { n: 1 }, true]) expect(kindOf(policy, 'pay', { v })).toBe('deny')
  })

  test('limits of a tool and of all tools, of an amount', () => {
    const policy = hosted({
      all_tools: { limits: [{ counter: 'all', window: 'minute', max: 60, scope: 'grant' }] },
      tools: {
        pay: {
          limits: [
            { counter: 'spent', window: 'day', max: 900, increment_from: 'args.amount', on_deny: 'Enough.' },
          ],
        },
      },
    })
    expect(counted(policy, 'pay', { amount: 12.5 })).toEqual([
      { window: { kind: 'sliding', seconds: 86_400 }, amount: 12.5, max: 900, reason: 'Enough.' },
      { window: { kind: 'sliding', seconds: 60 }, amount: 1, max: 60, reason: null },
    ])
    expect(kindOf(policy, 'pay', { amount: -1 })).toBe('deny')
    expect(kindOf(policy, 'pay')).toBe('deny')
  })
})

describe('the per-tool form', () => {
  const policy = load(
    [
      'default: deny',
      'tools:',
      '  search: { action: allow, rate_limit: { max: 30, window: 60 } }',
      '  logout: { action: require_approval, reason: Ends every session. }',
      '  wipe: { action: deny, reason: Never. }',
    ].join('\n'),
  )

  test('is named, and says what its words say', () => {
    expect(policy.spelling).toBe('per-tool')
    expect(counted(policy, 'search')).toEqual([
      { window: { kind: 'sliding', seconds: 60 }, amount: 1, max: 30, reason: null },
    ])
    expect(judge(policy, 'logout')).toMatchObject({ kind: 'require_approval', reason: 'Ends every session.' })
    expect(judge(policy, 'wipe')).toMatchObject({ kind: 'deny', reason: 'Never.' })
    expect(kindOf(policy, 'other')).toBe('deny')
  })
})

describe('Intercept', () => {
  const text = `
version: "1"
description: a shop
hide: [secret]
tools:
  create_charge:
    rules:
      - name: at most
        conditions:
          - { path: args.amount, op: lte, value: 50000 }
          - { path: args.currency, op: in, value: [usd, eur] }
        on_deny: Not that.
      - name: daily
        conditions: [{ path: state.create_charge.spent, op: lt, value: 1000 }]
        on_deny: Spent.
        state: { counter: spent, window: day, increment_from: args.amount }
  create_issue: { rules: [{ name: hourly, rate_limit: 5/hour }] }
  drop: { rules: [{ name: never, action: deny, on_deny: Never. }] }
  read: { rules: [] }
  "*":
    rules:
      - name: all
        conditions: [{ path: state._global.calls, op: lte, value: 60 }]
        state: { counter: calls, window: minute }
`
  const { policy, notes } = read(text)
  const day = { kind: 'calendar', unit: 'day' }
  const everything = { window: { kind: 'calendar', unit: 'minute' }, amount: 1, max: 60, reason: null }

  test('is named, and lets pass what it has no rule for', () => {
    expect(policy.spelling).toBe('intercept')
    expect(policy.fallback.action).toBe('allow')
    expect(counted(policy, 'anything')).toEqual([everything])
    expect(kindOf(policy, 'secret')).toBe('hide')
  })

  test('all conditions of all rules have to hold', () => {
    const good = { amount: 10, currency: 'eur' }
    expect(kindOf(policy, 'create_charge', good)).toBe('allow')
    expect(judge(policy, 'create_charge', { ...good, amount: 50_001 })).toMatchObject({ reason: 'Not that.' })
    expect(kindOf(policy, 'create_charge', { ...good, currency: 'gbp' })).toBe('deny')
    expect(kindOf(policy, 'create_charge', { amount: 10 })).toBe('deny')
    expect(kindOf(policy, 'drop')).toBe('deny')
    expect(kindOf(policy, 'read')).toBe('allow')
  })

  test('windows are calendar-aligned, "lt" is one less, and the default sentence is its own', () => {
    expect(counted(policy, 'create_charge', { amount: 10, currency: 'eur' })).toEqual([
      { window: day, amount: 10, max: 999, reason: 'Spent.' },
      everything,
    ])
    expect(counted(policy, 'create_issue')).toEqual([
      {
        window: { kind: 'calendar', unit: 'hour' },
        amount: 1,
        max: 5,
        reason: 'Rate limit of 5 per hour reached. Try again later.',
      },
      everything,
    ])
  })

  test('a negative amount, which lowers the counter there, is refused here, and that is said', () => {
    const verdict = judge(policy, 'create_charge', { amount: -10, currency: 'eur' })
    expect(verdict).toMatchObject({ kind: 'deny', reason: expect.stringContaining('not negative') })
    expect(notes.map(({ message }) => message)).toEqual([
      expect.stringContaining('amounts that are negative'),
      expect.stringContaining('stays counted here'),
      expect.stringContaining('tools without a rule pass'),
    ])
  })

  test('a counter of another rule can be asked about', () => {
    const both = load(
      `tools:
  open: { rules: [{ name: o, conditions: [{ path: state.open.n, op: gte, value: 0 }], state: { counter: n, window: day } }] }
  close: { rules: [{ name: c, conditions: [{ path: state.open.n, op: gte, value: 1 }], on_deny: Nothing is open. }] }`,
    )
    const verdict = evaluate(both, aJudgedCall('close'))
    expect(verdict).toMatchObject({ kind: 'deny', reason: 'Nothing is open.' })
  })

  test('with `default: deny` only listed tools pass, and "*" allows none', () => {
    const strict = load(`default: deny\n${text}`)
    expect(kindOf(strict, 'anything')).toBe('deny')
    expect(kindOf(strict, 'read')).toBe('allow')
  })

  test('a person may be asked, which is ours', () => {
    const asks = load(
      'default: deny\ntools: { pay: { rules: [{ action: require_approval, reason: Money. }] } }',
    )
    expect(judge(asks, 'pay')).toMatchObject({ kind: 'require_approval', reason: 'Money.' })
  })

  test.each([
    ['rate_limit: "5/week"', 'not a rate limit'],
    ['rate_limit: 5/hour, action: deny', '`rate_limit` stands alone'],
    ['action: deny, conditions: [{ path: args.a, op: eq, value: 1 }]', 'has no conditions'],
    ['conditions: [{ path: args.a, op: almost, value: 1 }]', '"op" cannot be "almost"'],
    ['conditions: [{ path: args.a, op: in, value: 1 }]', '`in` takes a list'],
    ['conditions: [{ path: args.a, op: lt, value: "1" }]', '`lt` takes a number'],
    ['conditions: [{ path: args.a, op: regex, value: "(?=x)" }]', 'not an RE2 pattern'],
    ['conditions: [{ path: args.a, op: exists, value: 1 }]', '`exists` takes true or false'],
    ['conditions: [{ path: state.t.c, op: lt, value: 1 }]', 'no rule keeps the counter'],
    ['conditions: [{ path: env.HOME, op: eq, value: x }]', 'a path begins with "args"'],
    ['name: x', 'this rule does nothing'],
    [
      'conditions: [{path: state.t.c, op: lt, value: 1}], state: {counter: c, window: day, increment: -1}',
      'negative',
    ],
  ])('{ %s } is refused', (rule, message) => {
    expect(
      refusals(`tools: { t: { rules: [{ ${rule} }] } }`).map((problem) => problem.message),
    ).toContainEqual(expect.stringContaining(message))
  })

  test('one counter of a tool has one rule', () => {
    const twice = 'tools: { t: { rules: [{ rate_limit: 5/hour }, { rate_limit: 6/hour }] } }'
    expect(refusals(twice)).toMatchObject([{ message: expect.stringContaining('has a rule already') }])
  })
})

test.each([
  ['default: deny\ntools: { a: { limits: [] }, b: { action: allow } }', 3],
  ['default: deny\ntools: { a: { rules: [] }, b: { action: allow } }', 3],
  ['default: deny\nallow: [c]\ntools: { a: { rules: [] } }', 2],
])('two spellings in one file are refused: %j', (text) => {
  expect(refusals(text)).toMatchObject([{ remedy: expect.stringContaining('keep to one of them') }])
})

describe('arguments that servers may read in another way than we do', () => {
  const hosted = (path: string) =>
    load(
      JSON.stringify({
        version: '1',
        default: 'allow',
        tools: { pay: { deny_if: [{ conditions: [{ path, op: 'gt', value: 100 }], on_deny: 'No.' }] } },
      }),
    )
  test.each<[string, JsonValue]>([
    ['args.amount', { Amount: 99_999 }],
    ['args.amount', { amount: 1, Amount: 99_999 }],
    ['args.charge.amount', { charge: '{"amount":99999}' }],
  ])('deny_if %s is not passed by %j', (path, args) => {
    expect(kindOf(hosted(path), 'pay', args)).toBe('deny')
    expect(kindOf(hosted(path), 'pay', {})).toBe('allow')
  })

  test.each<[string, JsonValue]>([
    ['Intercept, in text', { charge: '{"amount":99999}' }],
    ['Intercept, another spelling', { charge: { Amount: 99_999 } }],
  ])('%s: what cannot be known to be missing is not missing', (_, args) => {
    const policy = load(`version: "1"
default: allow
tools:
  pay:
    rules:
      - name: without
        conditions: [{ path: args.charge.amount, op: exists, value: false }]
        on_deny: No.
`)
    expect(kindOf(policy, 'pay', {})).toBe('allow')
    expect(kindOf(policy, 'pay', args)).toBe('deny')
  })
})
