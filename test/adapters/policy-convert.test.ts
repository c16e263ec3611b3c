/** Foreign spellings written in our own: what is written loads, and decides every call as before. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { evaluate, type Policy, talliesToRead } from '../../src/domain/policy.ts'
import { writePolicy } from '../../src/files/policy/write.ts'
import { converted } from '../../src/files/policy-documents.ts'
import { readPolicy, readPolicyWithNotes } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

function read(text: string) {
  const reading = readPolicyWithNotes('p.json', text)
  if (!reading.ok) throw new Error(`${text}\n${JSON.stringify(reading.error, null, 1)}`)
  return reading.value
}
const twice = (text: string): readonly [Policy, Policy] => {
  const before = read(text).policy
  return [before, read(writePolicy(before, null)).policy]
}

const keys = ['a', 'b', '$filter', 'from:email', 'a[0]', 'unit price', 'quo"te', 'back\\slash', '가']
const scalar: fc.Arbitrary<JsonValue> = fc.constantFrom<JsonValue>('', 'a', '10', 0, 10, 2.5, true, 1e18)
const path = fc
  .array(fc.constantFrom(...keys), { minLength: 1, maxLength: 2 })
  .map((steps) => `args.${steps.join('.')}`)
const comparison = fc.oneof(
  fc.record({ op: fc.constantFrom('eq', 'neq', 'contains'), value: scalar }),
  fc.record({ op: fc.constantFrom('in', 'not_in'), value: fc.array(scalar, { maxLength: 2 }) }),
  fc.record({ op: fc.constantFrom('lt', 'lte', 'gt', 'gte'), value: fc.constantFrom(-1, 0, 10, 1e18) }),
  fc.record({ op: fc.constant('regex'), value: fc.constantFrom('', '^a', '[0-9]$') }),
  fc.record({ op: fc.constant('exists'), value: fc.boolean() }),
)
const condition = fc.tuple(path, comparison).map(([path, is]) => ({ path, ...is }))
const conditions = fc.array(condition, { minLength: 1, maxLength: 2 })
const tools = ['pay', 't'.repeat(128)]
const action = { action: fc.constantFrom('deny', 'require_approval', 'allow') }

const interceptTool = (tool: string) =>
  fc
    .array(
      fc.oneof(
        fc.record(action),
        fc.record({ conditions }),
        fc.constant({ rate_limit: '5/hour' }),
        fc
          .record({
            op: fc.constantFrom('lt', 'lte', 'gte'),
            value: fc.constantFrom(0, 5),
            from: fc.boolean(),
          })
          .map(({ op, value, from }) => ({
            conditions: [{ path: `state.${tool}.${'c'.repeat(128)}`, op, value }],
            state: {
              counter: 'c'.repeat(128),
              window: 'day',
              ...(from ? { increment_from: 'args.$filter' } : {}),
            },
          })),
      ),
      { maxLength: 3 },
    )
    .map((rules) => {
      // One counter of a tool has one rule.
      const isCounting = (rule: object) => 'state' in rule
      const isRate = (rule: object) => 'rate_limit' in rule
      return {
        rules: rules.filter(
          (rule, index) =>
            !(isCounting(rule) && rules.slice(0, index).some(isCounting)) &&
            !(isRate(rule) && rules.slice(0, index).some(isRate)),
        ),
      }
    })
const intercept = fc
  .record({
    isStrict: fc.boolean(),
    entries: fc.tuple(...tools.map(interceptTool)),
  })
  .map(({ isStrict, entries }) => ({
    version: '1',
    ...(isStrict ? { default: 'deny' } : {}),
    tools: Object.fromEntries(entries.map((entry, index) => [tools[index] ?? '', entry])),
  }))

const hostedTool = fc.record({
  require: fc.array(fc.record({ conditions }), { maxLength: 2 }),
  deny_if: fc.array(fc.record({ conditions }), { maxLength: 2 }),
  limits: fc.array(
    fc.record({
      counter: fc.constant('c'.repeat(128)),
      window: fc.constantFrom('minute', 'day'),
      max: fc.constantFrom(0, 5),
    }),
    { maxLength: 1 },
  ),
})
const hosted = fc
  .record({
    default: fc.constantFrom('allow', 'deny'),
    entries: fc.array(hostedTool, { minLength: 1, maxLength: 2 }),
  })
  .map(({ default: usual, entries }) => ({
    version: '1',
    default: usual,
    // In this spelling brackets are read as ours.
    tools: Object.fromEntries(
      entries.map((entry, index) => [
        tools[index] ?? '',
        JSON.parse(JSON.stringify(entry).replaceAll('a[0]', 'a')),
      ]),
    ),
  }))

const value: fc.Arbitrary<JsonValue> = fc.oneof(
  scalar,
  fc.constantFrom<JsonValue>(null, [], ['a'], [10], { a: 'a' }, { b: 10 }, { $filter: 'a' }),
)
const call = fc
  .tuple(
    fc.constantFrom(...tools, 'other'),
    fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 }),
    fc.nat(6),
  )
  .map(([tool, args, count]) => ({ call: aJudgedCall(tool, { arguments: args }), count }))

describe('what policy convert writes decides every call as before', () => {
  test.each([
    ['Intercept', intercept],
    ['the hosted JSON', hosted],
  ])('%s', { timeout: 240_000 }, (_, written) => {
    fc.assert(
      fc.property(written, fc.array(call, { minLength: 1, maxLength: 8 }), (document, calls) => {
        const [before, after] = twice(JSON.stringify(document))
        for (const { call, count } of calls) {
          const wanted = talliesToRead(before, call)
          expect(talliesToRead(after, call)).toEqual(wanted)
          const known = { ...call, tallies: new Map(wanted.map(({ key }) => [key, count])) }
          const essence = (policy: Policy) => {
            const verdict = evaluate(policy, known)
            return {
              kind: verdict.kind,
              counts:
                'reservations' in verdict
                  ? verdict.reservations
                      .map(({ key, amount, max }) => JSON.stringify([key, amount, max]))
                      .sort()
                  : [],
            }
          }
          expect(essence(after)).toEqual(essence(before))
        }
      }),
      { numRuns: 300 },
    )
  })
})

const ruled = (rule: string) => `default: deny\ntools: { t: { rules: [{ ${rule} }] } }`
const conditioned = (condition: string) => ruled(`conditions: [{ ${condition} }]`)
const said = (policy: Policy, args: JsonValue) => evaluate(policy, aJudgedCall('t', { arguments: args })).kind

test.each<[string, JsonValue, JsonValue]>([
  ['path: args.a, op: not_in, value: []', { a: 'x' }, {}],
  ['path: args.a, op: regex, value: ""', { a: '' }, {}],
  ['path: "args.$filter", op: eq, value: x', { $filter: 'x' }, { $filter: 'y' }],
  ['path: "args.from:email", op: eq, value: x', { 'from:email': 'x' }, { from: 'x' }],
  ['path: "args.a[0]", op: eq, value: x', { 'a[0]': 'x' }, { a: ['x'] }],
  ['path: args.a.b c, op: eq, value: x', { a: { 'b c': 'x' } }, { a: 'x' }],
])('Intercept: %s', (condition, passing, refused) => {
  for (const policy of twice(conditioned(condition))) {
    expect([said(policy, passing), said(policy, refused)]).toEqual(['allow', 'deny'])
  }
})

test.each([
  ['path: args.__proto__.x, op: exists, value: true', 'path', '"__proto__" is not allowed'],
  ['path: args.a..b, op: exists, value: true', 'path', 'a key in it is empty'],
  [`path: args${'.a'.repeat(40)}, op: exists, value: true`, 'path', 'at most 32 steps'],
  [`path: args.${'$'.repeat(252)}, op: exists, value: true`, 'path', 'at most 256 characters'],
])('Intercept: %s is refused with its reason', (condition, key, message) => {
  const reading = readPolicy('p.yaml', conditioned(condition))
  expect(reading.ok ? [] : reading.error).toMatchObject([
    { path: `/tools/t/rules/0/conditions/0/${key}`, line: 2, message: expect.stringContaining(message) },
  ])
})

test.each([
  [
    'op: eq, value: null',
    [{ a: 1 }, { a: null }, {}],
    ['deny', 'deny', 'deny'],
    '`eq` with null holds for no call',
  ],
  ['op: neq, value: null', [{ a: 1 }, { a: null }, {}], ['allow', 'deny', 'deny'], null],
  ['op: eq, value: [1]', [{ a: [1] }, { a: '[1]' }], ['deny', 'deny'], '`eq` with a list holds for no call'],
  [
    'op: neq, value: { b: 1 }',
    [{ a: 1 }, { a: { b: 1 } }],
    ['deny', 'deny'],
    '`neq` with a map holds for no call',
  ],
  [
    'op: contains, value: [1]',
    [{ a: [[1]] }, { a: [1] }],
    ['deny', 'deny'],
    '`contains` with a list holds for no',
  ],
])(
  'Intercept: %s loads, and where nothing can be compared lets nothing pass',
  (condition, calls, verdicts, note) => {
    const written = conditioned(`path: args.a, ${condition}`)
    for (const policy of twice(written)) expect(calls.map((args) => said(policy, args))).toEqual(verdicts)
    const notes = read(written).notes.map(({ message }) => message)
    if (note === null) expect(notes.join()).not.toContain('holds for no call')
    else expect(notes).toContainEqual(expect.stringContaining(note))
  },
)

test('in a hosted rule that denies what its conditions hold for, a comparison with null is refused with its reason', () => {
  const hosted = JSON.stringify({
    version: '1',
    default: 'allow',
    tools: { t: { deny_if: [{ conditions: [{ path: 'args.a', op: 'eq', value: null }] }] } },
  })
  const reading = readPolicy('p.json', hosted)
  expect(reading.ok ? [] : reading.error.map(({ message }) => message)).toContainEqual(
    expect.stringContaining('an argument that is null counts as not there'),
  )
})

describe('where ours is stricter than Intercept, validate says so once', () => {
  const counted = 'a call that the server answers with an error stays counted here'
  const negated = 'does not hold here for null, lists and maps'
  test.each([
    ['rate_limit: 5/hour', [counted]],
    ['conditions: [{ path: state.t.c, op: lte, value: 5 }], state: { counter: c, window: day }', [counted]],
    [
      'conditions: [{ path: args.role, op: not_in, value: [admin] }, { path: args.other, op: not_in, value: [x] }]',
      [negated],
    ],
    ['conditions: [{ path: args.role, op: neq, value: admin }]', [negated]],
    ['conditions: [{ path: args.role, op: eq, value: admin }]', []],
    ['conditions: [{ path: "args.a[0]", op: eq, value: admin }]', ['brackets are part of a name']],
  ])('%s', (rule, messages) => {
    expect(read(ruled(rule)).notes.map(({ message }) => message)).toEqual(
      messages.map((message) => expect.stringContaining(message)),
    )
  })

  test('and it is so', () => {
    const { policy } = read(conditioned('path: args.role, op: not_in, value: [admin]'))
    expect(
      [{ role: 'viewer' }, { role: null }, { role: ['viewer'] }].map((args) => said(policy, args)),
    ).toEqual(['allow', 'deny', 'deny'])
  })
})

test('what would not load again is not handed out', () => {
  const { policy } = read('{"version":"1","default":"deny","hide":["a"]}')
  const document = { policy, description: null, notes: [] }
  expect(converted(document)).toMatchObject({ ok: true })
  expect(converted({ ...document, policy: { ...policy, hidden: new Set(['no name']) } })).toMatchObject({
    ok: false,
    error: [{ file: 'p.json', message: expect.stringContaining('/hide/0') }],
  })
})
