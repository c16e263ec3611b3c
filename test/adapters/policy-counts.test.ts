/** Which limits without a name share a count: those that count the same of the same calls, and no others. */
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { evaluate } from '../../src/domain/policy.ts'
import { readPolicy } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

const limit = (name: string, rule: string) => `  - { tools: pay, name: ${name}, ${rule} }`
const hour = 'rate_limit: { max: 5, window: 3600 }'

/** The keys of the counts of a call, by the `name` of their rule. */
function counts(rules: readonly string[], args: JsonObject = {}): Record<string, string> {
  const read = readPolicy('p.yaml', `default: allow\nrules:\n${rules.join('\n')}\n`)
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  const call = aJudgedCall('pay', { arguments: args, agent: 'bot', owner: 'jun', server: 'shop' })
  const verdict = evaluate(read.value, call)
  if (!('reservations' in verdict)) throw new Error(verdict.kind)
  return Object.fromEntries(
    verdict.reservations.map(({ key, rule }) => {
      const at = Number(/\/rules\/(\d+)/.exec(rule)?.[1])
      return [/name: (\w+)/.exec(rules[at] ?? '')?.[1] ?? '', key]
    }),
  )
}

const different: readonly (readonly [string, string, string, JsonObject])[] = [
  [
    'of other arguments',
    `when: { path: args.amount, gt: 10 }, ${hour}`,
    `when: { path: args.to, eq: x }, ${hour}`,
    { amount: 50, to: 'x' },
  ],
  ['with a condition and without', `when: { path: args.to, eq: x }, ${hour}`, hour, { to: 'x' }],
  ['of other agents', `agents: "b*", ${hour}`, `agents: "bo*", ${hour}`, {}],
  ['of other owners', `owners: "j*", ${hour}`, `owners: jun, ${hour}`, {}],
  ['of a server and of all', `servers: shop, ${hour}`, hour, {}],
  ['of a category and of a name', `category: write, ${hour}`, hour, {}],
  ['of a risk and of a name', `risk: critical, ${hour}`, hour, {}],
  [
    'that add different numbers',
    'rate_limit: { max: 5, window: 60 }',
    'rate_limit: { max: 5, window: 60, adds: 2 }',
    {},
  ],
  [
    'of different sums',
    'spend_limit: { path: args.amount, max: 5, window: 60 }',
    'spend_limit: { path: args.fee, max: 5, window: 60 }',
    { amount: 1, fee: 1 },
  ],
]

describe('two limits without a name', () => {
  test.each(different)('%s count separately', (_, a, b, args) => {
    // Nobody has classified the tool: it may be of every category, so a limit on one counts it.
    const found = counts([limit('a', a), limit('b', b)], args)
    expect(Object.keys(found).sort()).toEqual(['a', 'b'])
    expect(found.a).not.toBe(found.b)
  })

  test('of the same calls share one: the smaller maximum holds, and a call counts once', () => {
    const rules = [
      limit('a', hour),
      limit('b', hour.replace('5', '3')),
      '  - { tools: [pay, pay], rate_limit: { max: 9, window: 3600 } }',
    ]
    expect(Object.keys(counts(rules))).toEqual(['b'])
  })

  test('that are called alike share one, whatever they are about', () => {
    const named = 'rate_limit: { max: 5, window: 3600, counter: money }'
    const found = counts([limit('a', `when: { path: args.a, eq: 1 }, ${named}`), limit('b', named)], { a: 1 })
    expect(Object.keys(found)).toEqual(['a'])
  })
})

describe('what was counted still counts', () => {
  const mine = limit('mine', `agents: [bot, other], when: { path: args.to, in: [x, y] }, ${hour}`)
  const args = { to: 'x', amount: 500 }
  const before = counts([mine], args).mine
  test.each([
    ['a rule is written before it', [limit('other', 'action: allow'), mine]],
    ['a rule with a limit of its own is written before it', [limit('other', hour), mine]],
    ['the rules change places', [mine, limit('other', hour)]],
    ['its maximum is another one', [mine.replace('max: 5', 'max: 50')]],
    [
      'it gets a reason, and an action',
      [mine.replace('name: mine', 'name: mine, action: allow, reason: Enough.')],
    ],
    ['names in it change places', [mine.replace('[bot, other]', '[other, bot]').replace('[x, y]', '[y, x]')]],
  ])('after %s', (_, rules) => {
    expect(counts(rules, args).mine).toBe(before)
  })

  test('but not where it is about other calls', () => {
    expect(counts([mine.replace('[x, y]', '[x]')], args).mine).not.toBe(before)
  })
})

test('an upgrade begins no new count: limits of tools by their names are called as they were', () => {
  const read = readPolicy('p.yaml', 'tools: { pay: { action: allow, rate_limit: { max: 5, window: 60 } } }')
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  expect(read.value.rules[0]?.limits[0]?.tally.name).toBe('2c28e3a8c8628b66')
})
