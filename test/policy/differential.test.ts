/**
 * The evaluator against a naive one, on random policies and calls. `HOLDPOINT_POLICY_CASES=1000000` makes it a million of these, and as
 * many of what an argument that becomes null changes.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/domain/canonical.ts'
import type { Condition } from '../../src/domain/policy/condition.ts'
import { glob } from '../../src/domain/policy/glob.ts'
import type { JudgedCall } from '../../src/domain/policy/judged-call.ts'
import { type Rule, usualTerms } from '../../src/domain/policy/rule.ts'
import {
  asIf,
  evaluate,
  type Policy,
  talliesToRead,
  type Verdict,
  withShadow,
} from '../../src/domain/policy.ts'
import { unknownTool } from '../../src/domain/risk.ts'
import { aRule } from '../support/builders.ts'
import {
  args,
  call,
  conditionOver,
  insideArgs,
  insidePath,
  json,
  objectArgs,
  path,
  policy,
  rule,
} from './arbitraries.ts'
import { referenceAction, referenceAsIf } from './reference.ts'

const numRuns = Number(process.env.HOLDPOINT_POLICY_CASES ?? 4_000)
/** Each of some policies with each of some calls: making them is what takes the time. */
const POLICIES = 4
const CALLS = 25
const policies = { minLength: POLICIES, maxLength: POLICIES }
const perPolicy = { minLength: CALLS, maxLength: CALLS }

const strictness = (verdict: Verdict) => ['allow', 'require_approval', 'deny', 'hide'].indexOf(verdict.kind)

/** Some counts are known and some are not. */
function withTallies(each: Policy, wanted: JudgedCall, counts: readonly number[]): JudgedCall {
  const keys = talliesToRead(each, wanted).map(({ key }) => key)
  const known = keys.flatMap((key, index) => {
    const count = counts[index]
    return count === undefined || count > 4 ? [] : [[key, count] as const]
  })
  return { ...wanted, tallies: new Map(known) }
}

function shuffle<T>(all: readonly T[], dice: IterableIterator<number>): T[] {
  return all
    .map((each) => ({ each, at: dice.next().value ?? 0 }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each)
}

const inOps = (quorum: number) => ({ groups: ['ops'], people: [], quorum })
const aPolicyOf = (rules: readonly Rule[]): Policy => ({
  source: 'random',
  spelling: 'holdpoint',
  fallback: { action: 'deny', pointer: '/default', reason: null },
  rules,
  shadow: [],
  hidden: new Set(),
})
const aCallOf = (tool: string): JudgedCall => ({
  ...{ server: 'shop', tool, arguments: {}, agent: 'dev', owner: 'ab', session: null, nowMs: 0 },
  facts: unknownTool,
})

describe('on random policies and calls', () => {
  test('the evaluator says what the naive one says', { timeout: 0 }, () => {
    fc.assert(
      fc.property(
        fc.array(policy, policies),
        fc.array(call, perPolicy),
        fc.array(fc.nat(6), { maxLength: 4 }),
        (some, calls, counts) => {
          for (const [each, one] of some.flatMap((each) => calls.map((one) => [each, one] as const))) {
            const wanted = withTallies(each, one, counts)
            const verdict = evaluate(each, wanted)
            if (verdict.kind !== referenceAction(each, wanted)) {
              expect(verdict).toMatchObject({ kind: referenceAction(each, wanted) })
            }
            const tried = asIf(each, wanted)
            if (tried !== null && tried.kind !== referenceAsIf(each, wanted)) {
              expect(tried).toMatchObject({ kind: referenceAsIf(each, wanted) })
            }
          }
        },
      ),
      { numRuns: Math.ceil(numRuns / POLICIES / CALLS) },
    )
  })

  test('the order of rules makes no difference to what happens', () => {
    fc.assert(
      fc.property(policy, call, fc.infiniteStream(fc.nat()), (each, one, dice) => {
        const shuffled = shuffle(each.rules, dice)
        const counted = (verdict: Verdict) =>
          'reservations' in verdict
            ? {
                ...verdict,
                reservations: [...verdict.reservations]
                  .map(({ key, amount, max }) => JSON.stringify([key, amount, max]))
                  .sort(),
              }
            : { kind: verdict.kind }
        expect(counted(evaluate({ ...each, rules: shuffled }, one))).toEqual(counted(evaluate(each, one)))
      }),
    )
  })
})

describe('rules that are written in another order', () => {
  /** What people decide on: everything but where in the policy the rule stands. */
  const said = (verdict: Verdict) =>
    verdict.kind === 'require_approval' ? { ...verdict, rule: null, reservations: null } : verdict.kind

  test('ask the same people, in the same stages, on the same terms, and for the same reason', () => {
    let ties = 0
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 2, maxLength: 5 }),
        call,
        fc.infiniteStream(fc.nat()),
        (rules, one, dice) => {
          // All about this call and equally grave, so that only what they ask for can tell them apart.
          const asking = rules.map((each) => ({
            ...each,
            ...{ action: 'require_approval' as const, tools: [glob('*')], limits: [] },
            ...{ categories: null, risks: null, when: null, treatAs: null },
          }))
          const verdicts = [asking, shuffle(asking, dice)].map((written) => {
            const numbered = written.map((each, index) => ({ ...each, pointer: `/rules/${index}` }))
            return said(evaluate(aPolicyOf(numbered), one))
          })
          expect(verdicts[1]).toEqual(verdicts[0])
          if (asking.filter(({ terms }) => terms.stages !== null).length > 1) ties++
        },
      ),
      { numRuns: 500 },
    )
    expect(ties).toBeGreaterThan(20)
  })

  test('whoever wants the most yeses names the people, whatever else is said', () => {
    const [one, two] = [usualTerms, { ...usualTerms, stages: [inOps(1), inOps(1)] }]
    const named = { ...usualTerms, approvers: { groups: ['finance'], people: [] } }
    for (const written of [
      [one, two, named],
      [named, two, one],
    ]) {
      const rules = written.map((terms, index) =>
        aRule({ action: 'require_approval', pointer: `/rules/${index}`, terms }),
      )
      const verdict = evaluate(aPolicyOf(rules), aCallOf('pay'))
      expect(verdict).toMatchObject({ terms: { stages: two.stages, quorum: 2 } })
    }
  })
})

describe('a rule in shadow', () => {
  const without = (each: Policy): Policy => ({ ...each, shadow: [] })

  test('makes no answer milder than it is without the rule, and changes none for a classified tool', () => {
    let differs = 0
    fc.assert(
      fc.property(policy, call, (each, one) => {
        const [before, after] = [evaluate(without(each), one), evaluate(each, one)]
        expect(strictness(after)).toBeGreaterThanOrEqual(strictness(before))
        if (one.facts.category !== null) expect(after.kind).toBe(before.kind)
        if (asIf(each, one)?.kind !== after.kind) differs++
      }),
      { numRuns: 2_000 },
    )
    expect(differs).toBeGreaterThan(20)
  })

  test('opens nothing that nobody knows: an unclassified tool gets at least what the whole policy says', () => {
    fc.assert(
      fc.property(policy, call, (each, one) => {
        const unknown = { ...one, facts: unknownTool }
        const whole = evaluate(withShadow(each), unknown)
        expect(strictness(evaluate(each, unknown))).toBeGreaterThanOrEqual(strictness(whole))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('what cannot be evaluated never lowers the risk', () => {
  /** A value that no comparison can be made with, in the place of each argument. */
  const blinded = (value: typeof json extends fc.Arbitrary<infer T> ? T : never) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.keys(value).map((key) => [key, null]))
      : null

  test('an argument that becomes null', { timeout: 0 }, () => {
    fc.assert(
      fc.property(
        fc.array(policyWithoutPresence(), policies),
        fc.array(fc.tuple(args, call), perPolicy),
        (some, calls) => {
          for (const each of some) {
            for (const [value, one] of calls) {
              const seen = evaluate(each, { ...one, arguments: value })
              const blind = evaluate(each, { ...one, arguments: blinded(value) })
              if (strictness(blind) < strictness(seen)) expect({ each, one, value }).toBe('never milder')
            }
          }
        },
      ),
      { numRuns: Math.ceil(numRuns / POLICIES / CALLS) },
    )
  })

  /** The same arguments, with one of them written a second time in another case. */
  const withTwin = (value: JsonObject, twin: JsonValue, which: number) => {
    const names = Object.keys(value)
    const name = names[which % Math.max(1, names.length)] ?? 'x'
    const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase()
    return Object.hasOwn(value, other) ? value : { ...value, [other]: twin }
  }

  /** Lets everything pass but what this is about. */
  const guarded = (when: Condition): Policy => ({
    ...aPolicyOf([aRule({ action: 'deny', when })]),
    fallback: { action: 'allow', pointer: '/default', reason: null },
  })

  test('an argument that comes a second time in another spelling, also to what asks whether it is there', () => {
    // The whole of the arguments has a size; that is another question than what stands in one of them.
    const onePath = conditionOver(path.filter(({ source }) => /^args./.test(source)))
    let raised = 0
    fc.assert(
      fc.property(onePath, objectArgs, json, fc.nat(2), call, (when, value, twin, which, one) => {
        const each = guarded(when)
        const seen = evaluate(each, { ...one, arguments: value })
        const twice = evaluate(each, { ...one, arguments: withTwin(value, twin, which) })
        // Where the first was missing, the second alone may be nothing too.
        expect(strictness(twice)).toBeGreaterThanOrEqual(strictness(seen))
        if (strictness(twice) > strictness(seen)) raised++
      }),
      { numRuns: 4_000 },
    )
    expect(raised).toBeGreaterThan(5)
  })

  test('a part of the arguments that comes as text, to whatever asks what is inside it', () => {
    let raised = 0
    fc.assert(
      fc.property(conditionOver(insidePath), insideArgs, call, (when, value, one) => {
        const each = guarded(when)
        const seen = evaluate(each, { ...one, arguments: value })
        const asText = Object.fromEntries(
          Object.entries(value).map(([name, part]) => [name, part === null ? null : JSON.stringify(part)]),
        )
        const told = evaluate(each, { ...one, arguments: asText })
        expect(strictness(told)).toBeGreaterThanOrEqual(strictness(seen))
        if (strictness(told) > strictness(seen)) raised++
      }),
      { numRuns: 4_000 },
    )
    expect(raised).toBeGreaterThan(20)
  })

  test('counters that are away, a category that nobody knows', () => {
    fc.assert(
      fc.property(policy, call, fc.array(fc.nat(4), { minLength: 8, maxLength: 8 }), (each, one, counts) => {
        const seen = evaluate(each, withTallies(each, one, counts))
        expect(strictness(evaluate(each, one))).toBeGreaterThanOrEqual(strictness(seen))
        const unknown = { ...one, facts: { ...one.facts, category: null } }
        if (!JSON.stringify(each.rules).includes('"root":"category"')) {
          expect(strictness(evaluate(each, unknown))).toBeGreaterThanOrEqual(strictness(evaluate(each, one)))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  /** Whether something is there, and what a missing value counts as, is known also where nothing is. */
  function policyWithoutPresence() {
    return policy.filter(({ rules, shadow }) => {
      const text = JSON.stringify([rules, shadow])
      return !text.includes('"exists"') && !text.includes('"otherwise"')
    })
  }
})
