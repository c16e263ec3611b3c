/** Conditions that contradict themselves: found where people write them, and never where some call meets the condition. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { truthOf } from '../../src/domain/policy/condition.ts'
import { whyNever } from '../../src/domain/policy/impossible.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { call, conditionOver, path } from './arbitraries.ts'

function why(when: string): string | null {
  const read = readPolicyText('p.yaml', `rules:\n  - { tools: t, action: deny, when: ${when} }\n`)
  if (!read.ok) throw new Error(read.error)
  const condition = read.value.rules[0]?.when ?? null
  if (condition === null) throw new Error('it has no condition')
  return whyNever(condition)
}

describe('no call meets', () => {
  test.each([
    '{ all: [{ path: args.a, eq: a }, { path: args.a, eq: b }] }',
    '{ path: args.a, eq: 1, neq: 1 }',
    '{ path: args.a, lt: 5, gt: 10 }',
    '{ path: args.a, gte: 5, lt: 5 }',
    '{ path: args.a, gte: 5, lte: 5, neq: 5 }',
    '{ path: args.a, eq: 5, gt: 10 }',
    '{ path: args.a, in: [1, 2], not_in: [1, 2, 3] }',
    '{ path: args.a, in: [a, b], starts_with: c }',
    '{ path: args.a, eq: "5", gt: 1 }',
    '{ path: args.a, eq_text: abc, lt: 3 }',
    '{ path: args.a, matches: "^feat/", eq: main }',
    '{ path: args.a, matches: "^feat/", in: [main, dev] }',
    '{ path: args.a, like: "*.example.com", eq: example.com }',
    '{ path: args.a, like: "a*", starts_with: b }',
    '{ path: args.a, like: ["a*", "b*"], starts_with: c }',
    '{ all: [{ path: args.a, starts_with: ab }, { path: args.a, starts_with: ac }] }',
    '{ all: [{ path: args.a, ends_with: ab }, { path: args.a, ends_with: b, length: { lt: 2 } }] }',
    '{ path: args.a, exists: false, eq: 1 }',
    '{ path: args.a, exists: false, default: x }',
    '{ all: [{ path: args.a, exists: true }, { path: args.a, exists: false }] }',
    '{ path: args.a, length: { lt: 1, gt: 0 } }',
    '{ path: args.a, length: { eq: 2, neq: 2 } }',
    '{ path: args.a, length: { lt: 0 } }',
    '{ path: args.a, length: { gt: 1 }, gt: 1 }',
    '{ path: args.a, some: { gt: 5, lt: 5 } }',
    '{ path: args.a, every: { eq: a, starts_with: b }, length: { gt: 0 } }',
    '{ all: [{ path: args.a, eq: 1 }, { not: { path: args.a, eq: 1 } }] }',
    '{ all: [{ path: args.a, matches: "a|b" }, { not: { path: args.a, matches: "a|b" } }] }',
    '{ not: { any: [{ path: args.a, lt: 5 }, { path: args.a, gte: 5 }] } }',
    '{ any: [{ path: args.a, lt: 5, gt: 5 }, { path: args.b, eq: x, neq: x }] }',
    '{ all: [{ any: [{ path: args.a, eq: 1 }, { path: args.a, eq: 2 }] }, { path: args.a, gt: 2 }] }',
    '{ path: category, in: [read, write], not_in: [read, write, execute] }',
    '{ path: risk, in: [low, high], neq: low, not_in: [high] }',
    '{ history: { tools: t, window: 60 }, lt: 0 }',
    '{ history: { tools: t, window: 60 }, lt: 3, gte: 3 }',
    '{ all: [{ time: { zone: UTC, from: "09:00", to: "12:00" } }, { time: { zone: UTC, from: "12:00", to: "18:00" } }] }',
    '{ all: [{ time: { zone: UTC, days: [sat] } }, { not: { time: { zone: UTC } } }] }',
  ])('%s', (when) => expect(why(when)).not.toBeNull())
})

describe('some call meets', () => {
  test.each([
    '{ path: args.a, gte: 5, lte: 5 }',
    '{ path: args.a, gt: 5, lt: 6 }',
    '{ path: args.a, in: [1, a], starts_with: a }',
    '{ path: args.a, eq_text: "5", gt: 1 }',
    '{ path: args.a, like: ["a*", "b*"], starts_with: b }',
    '{ all: [{ path: args.a, starts_with: ab }, { path: args.a, starts_with: abc }] }',
    '{ path: args.a, starts_with: ab, ends_with: ba, length: { lte: 3 } }',
    '{ path: args.a, exists: false }',
    '{ path: args.a, default: x, neq: y }',
    '{ all: [{ path: args.a, default: "", eq: "" }, { path: args.a, exists: false }] }',
    '{ path: args.a, every: { eq: a, starts_with: b } }',
    '{ path: args.a, every: { lt: 5 }, some: { gt: 3 } }',
    '{ path: args.a, length: { neq: 0 } }',
    '{ not: { path: args.a, lt: 5 } }',
    '{ all: [{ path: args.a, eq: 1 }, { path: args.b, eq: 2 }] }',
    '{ path: category, in: [read, write] }',
    '{ history: { tools: t, window: 60 }, lt: 1 }',
    '{ all: [{ time: { zone: UTC, days: [fri], from: "22:00", to: "06:00" } }, { time: { zone: UTC, days: [fri], from: "22:00", to: "23:00" } }] }',
    '{ all: [{ time: { zone: UTC, from: "09:00", to: "12:00" } }, { time: { zone: Asia/Seoul, from: "09:00", to: "12:00" } }] }',
  ])('%s', (when) => expect(why(when)).toBeNull())
})

test('the reason names the place and what cannot be at once', () => {
  expect(
    why('{ all: [{ path: args.amount, lt: 5 }, { path: args.to, eq: x }, { path: args.amount, gt: 10 }] }'),
  ).toBe('no value of args.amount meets lt 5 and gt 10')
})

test('where it is said that no call meets a condition, none does', { timeout: 240_000 }, () => {
  let found = 0
  fc.assert(
    fc.property(conditionOver(path), fc.array(call, { minLength: 5, maxLength: 5 }), (condition, calls) => {
      if (whyNever(condition) === null) return
      found++
      for (const one of calls) expect(truthOf(condition, one)).not.toBe(true)
    }),
    { numRuns: 6_000 },
  )
  expect(found).toBeGreaterThan(100)
})
