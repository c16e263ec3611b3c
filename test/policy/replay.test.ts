/** A call of the past of which only the names of arguments are known: the truth lies between the two readings, always. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Action } from '../../src/domain/policy/rule.ts'
import { evaluate, mildestAnswer, type Verdict } from '../../src/domain/policy.ts'
import { keysOf } from '../../src/domain/recorded-verdict.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { aJudgedCall } from '../support/builders.ts'
import { call, policy } from './arbitraries.ts'

const rankOf = (answer: Action | Verdict['kind']) =>
  ['allow', 'require_approval', 'deny'].indexOf(answer === 'hide' ? 'deny' : answer)

test('the truth is never milder than the mildest reading, nor stricter than the strictest', () => {
  let open = 0
  fc.assert(
    fc.property(policy, fc.array(call, { minLength: 5, maxLength: 5 }), (each, calls) => {
      const unlimited = { ...each, rules: each.rules.map((rule) => ({ ...rule, limits: [] })) }
      for (const one of calls) {
        const truth = evaluate(unlimited, one)
        if (truth.kind === 'deny' && truth.reason?.includes('can be counted')) continue
        const past = { ...one, arguments: {}, onlyNames: keysOf(one.arguments) }
        const strictest = rankOf(evaluate(unlimited, past).kind)
        const mildest = rankOf(mildestAnswer(unlimited, past))
        if (mildest !== strictest) open++
        expect(rankOf(truth.kind)).toBeLessThanOrEqual(strictest)
        expect(rankOf(truth.kind)).toBeGreaterThanOrEqual(mildest)
        const counted = { ...one, tallies: new Map() }
        expect(rankOf(mildestAnswer(unlimited, counted))).toBeLessThanOrEqual(
          rankOf(evaluate(unlimited, counted).kind),
        )
      }
    }),
    { numRuns: 2_000 },
  )
  expect(open).toBeGreaterThan(50)
})

test('names alone answer what asks about presence, and what was not there', () => {
  const read = readPolicyText(
    'p.yaml',
    `default: allow
rules:
  - { tools: push, when: { path: args.force, exists: true }, action: deny }
  - { tools: refund, when: { path: args.amount, gt: 100 }, action: require_approval }
`,
  )
  if (!read.ok) throw new Error(read.error)
  const both = (tool: string, onlyNames: readonly string[] | null) => {
    const past = aJudgedCall(tool, { onlyNames })
    return [mildestAnswer(read.value, past), evaluate(read.value, past).kind]
  }
  expect(both('push', ['force'])).toEqual(['deny', 'deny'])
  expect(both('push', ['branch'])).toEqual(['allow', 'allow'])
  expect(both('push', null)).toEqual(['allow', 'deny'])
  expect(both('refund', ['amount'])).toEqual(['allow', 'require_approval'])
  // Nobody could know at the time either: the gate asked.
  expect(both('refund', [])).toEqual(['require_approval', 'require_approval'])
})
