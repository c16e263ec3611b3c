/** How bad a rule says that a call is, and what the rules that go by risk make of it. */
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { evaluate, mildestAnswer } from '../../src/domain/policy.ts'
import type { Risk, ToolFacts } from '../../src/domain/risk.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { aJudgedCall } from '../support/builders.ts'

const reading: ToolFacts = { category: 'read', risk: 'low' }
const deleting: ToolFacts = { category: 'destructive', risk: 'critical' }

function policyOf(...rules: readonly string[]) {
  const read = readPolicyText(
    'p.yaml',
    `default: allow\nrules:\n${rules.map((rule) => `  - { ${rule} }`).join('\n')}\n`,
  )
  if (!read.ok) throw new Error(read.error)
  return read.value
}
function verdictOf(rules: readonly string[], facts: ToolFacts, args: JsonObject = {}, tool = 'export') {
  const verdict = evaluate(policyOf(...rules), aJudgedCall(tool, { facts, arguments: args }))
  return verdict.kind === 'require_approval' ? `ask, ${verdict.risk}` : verdict.kind
}

const graveOnes = 'risk: [high, critical], action: deny'

describe('a rule by risk goes by what another rule says', () => {
  test.each<[string, readonly string[], ToolFacts, string]>([
    ['raised', ['tools: export, treat_as: high', graveOnes], reading, 'deny'],
    [
      'raised by the default action of a tool',
      ['tools: export, action: allow, treat_as: critical', graveOnes],
      reading,
      'deny',
    ],
    ['lowered', ['tools: export, treat_as: low', graveOnes], deleting, 'allow'],
    [
      'lowered, for a rule by category as it was',
      ['tools: export, treat_as: low', 'category: destructive, action: deny'],
      deleting,
      'deny',
    ],
    ['in the other order', [graveOnes, 'tools: export, treat_as: low'], deleting, 'allow'],
    [
      'said twice: the highest',
      ['tools: export, treat_as: low', 'tools: "*", treat_as: high', graveOnes],
      reading,
      'deny',
    ],
    ['not about this tool', ['tools: other, treat_as: low', graveOnes], deleting, 'deny'],
    [
      'asked about in a condition',
      ['tools: export, treat_as: high', 'tools: "*", when: { path: risk, eq: high }, action: deny'],
      reading,
      'deny',
    ],
    [
      'by category',
      ['category: read, treat_as: medium', 'risk: medium, action: require_approval'],
      reading,
      'ask, medium',
    ],
    [
      'by its own risk: that is what is known',
      ['risk: low, treat_as: high, action: require_approval', graveOnes],
      reading,
      'deny',
    ],
  ])('%s', (_, rules, facts, expected) => {
    expect(verdictOf(rules, facts)).toBe(expected)
  })

  test('also where it is enforced only as a limit', () => {
    const rules = ['tools: export, treat_as: high', 'risk: high, rate_limit: { max: 1, window: 60 }']
    const verdict = evaluate(policyOf(...rules), aJudgedCall('export', { facts: reading }))
    expect(verdict).toMatchObject({ kind: 'allow', reservations: [{ max: 1 }] })
  })
})

describe('what people are shown', () => {
  test.each<[string, readonly string[], ToolFacts, string]>([
    [
      'is the level that a rule says',
      ['tools: export, treat_as: medium', 'tools: "*", action: require_approval'],
      deleting,
      'ask, medium',
    ],
    [
      'is the highest of several',
      [
        'tools: export, treat_as: medium, action: require_approval',
        'tools: "ex*", treat_as: high, action: require_approval',
      ],
      reading,
      'ask, high',
    ],
    [
      'is what is known where no rule says otherwise',
      ['tools: "*", action: require_approval'],
      deleting,
      'ask, critical',
    ],
  ])('%s', (_, rules, facts, expected) => {
    expect(verdictOf(rules, facts)).toBe(expected)
  })

  test('a rule that raises the level names the approvers', () => {
    const policy = policyOf(
      'tools: "*", action: require_approval, approval: { groups: [ops], quorum: 2 }',
      'tools: export, action: require_approval, treat_as: critical, approval: { people: [mina, jun, ari] }',
    )
    const verdict = evaluate(policy, aJudgedCall('export', { facts: { category: 'write', risk: 'high' } }))
    expect(verdict).toMatchObject({ rule: 'p.yaml#/rules/1', risk: 'critical', terms: { quorum: 2 } })
  })
})

describe('where nobody can know whether a rule says otherwise', () => {
  const small = 'tools: export, when: { path: args.rows, lt: 10 }, treat_as: low'
  const large = 'tools: export, when: { path: args.rows, gte: 10 }, treat_as: critical'
  test('it is the stricter one', () => {
    expect(verdictOf([small, graveOnes], deleting, { rows: 5 })).toBe('allow')
    expect(verdictOf([small, graveOnes], deleting, { rows: 50 })).toBe('deny')
    expect(verdictOf([small, graveOnes], deleting, { rows: 'many' })).toBe('deny')
    expect(verdictOf([large, graveOnes], reading, { rows: 'many' })).toBe('deny')
    expect(verdictOf([large, graveOnes], reading, { rows: 5 })).toBe('allow')
  })

  test('a rule that lets pass what is low lets nothing pass', () => {
    const rules = ['risk: low, action: allow', 'risk: [medium, high, critical], action: deny']
    expect(verdictOf([...rules, small], deleting, { rows: 5 })).toBe('allow')
    expect(verdictOf([...rules, small], deleting, {})).toBe('deny')
  })

  test('a call of the past lies between the two readings', () => {
    const policy = policyOf(small, graveOnes)
    const past = aJudgedCall('export', { facts: deleting, onlyNames: ['rows'] })
    expect([mildestAnswer(policy, past), evaluate(policy, past).kind]).toEqual(['allow', 'deny'])
  })
})

test('a rule in shadow says nothing about what is enforced', () => {
  const risk: Risk = 'critical'
  const facts: ToolFacts = { category: 'write', risk }
  expect(verdictOf(['tools: export, action: allow, treat_as: low, shadow: true', graveOnes], facts)).toBe(
    'deny',
  )
  const limited =
    'tools: export, action: allow, treat_as: low, shadow: true, rate_limit: { max: 1, window: 60 }'
  expect(verdictOf([limited, graveOnes], facts)).toBe('deny')
})
