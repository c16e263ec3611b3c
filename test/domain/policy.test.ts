import { describe, expect, test } from 'vitest'
import { glob } from '../../src/domain/policy/glob.ts'
import { type ApprovalTerms, usualTerms } from '../../src/domain/policy/rule.ts'
import {
  askForEverything,
  effectiveRuleDigest,
  evaluate,
  isHidden,
  type Policy,
} from '../../src/domain/policy.ts'
import { aJudgedCall, aRule } from '../support/builders.ts'

const policy: Policy = {
  source: 'policies/github.yaml',
  fallback: { action: 'deny', pointer: '/default', reason: null },
  spelling: 'holdpoint',
  rules: [
    aRule({ tools: [glob('get_file')], action: 'allow', pointer: '/allow/0' }),
    aRule({
      tools: [glob('delete_repo')],
      action: 'deny',
      pointer: '/deny/delete_repo',
      reason: 'archive it',
    }),
    aRule({
      tools: [glob('merge')],
      action: 'require_approval',
      pointer: '/tools/merge/action',
      reason: 'deploys',
    }),
    aRule({ tools: [glob('transfer')], action: 'allow', pointer: '/allow/1' }),
  ],
  shadow: [],
  hidden: new Set(['transfer', 'secret']),
}

describe('evaluate', () => {
  test('of two rules that ask, the one in force says whom and how, also about an unknown tool', () => {
    const asks = (pointer: string, terms: Partial<ApprovalTerms>) =>
      aRule({ action: 'require_approval', pointer, terms: { ...usualTerms, ...terms } })
    const enforced = asks('/rules/0', { approvers: { groups: ['payments'], people: [] } })
    const tried = asks('/rules/1', {
      ...{
        approvers: { groups: ['everybody'], people: ['jun'] },
        selfConfirm: true,
        onClientGone: 'execute',
      },
    })
    const call = aJudgedCall('new_tool')
    const alone = evaluate({ ...policy, rules: [enforced] }, call)
    expect(alone).toMatchObject({ rule: 'policies/github.yaml#/rules/0', terms: enforced.terms })
    for (const treatAs of [null, 'critical'] as const) {
      const shadow = [{ ...tried, treatAs }]
      expect(evaluate({ ...policy, rules: [enforced], shadow }, call)).toEqual(alone)
      expect(evaluate({ ...policy, rules: [{ ...enforced, treatAs: 'low' }], shadow }, call)).toMatchObject({
        ...{ rule: 'policies/github.yaml#/rules/0', risk: 'low', terms: enforced.terms },
      })
    }
  })

  test.each([
    ['get_file', { kind: 'allow', rule: 'policies/github.yaml#/allow/0', reservations: [] }],
    ['delete_repo', { kind: 'deny', rule: 'policies/github.yaml#/deny/delete_repo', reason: 'archive it' }],
    [
      'merge',
      {
        kind: 'require_approval',
        rule: 'policies/github.yaml#/tools/merge/action',
        reason: 'deploys',
        risk: 'critical',
        terms: usualTerms,
        reservations: [],
      },
    ],
    ['unheard_of', { kind: 'deny', rule: 'policies/github.yaml#/default', reason: null }],
    ['secret', { kind: 'hide' }],
  ])('%s', (tool, verdict) => {
    expect(evaluate(policy, aJudgedCall(tool))).toEqual(verdict)
  })

  test('hiding wins over a rule that allows', () => {
    expect(evaluate(policy, aJudgedCall('transfer'))).toEqual({ kind: 'hide' })
  })

  test.each(['Get_file', 'get_file ', 'get\u200b_file', 'ｇet_file', 'constructor', '__proto__'])(
    'a name that only looks like an allowed one is not it: %j',
    (tool) => {
      expect(evaluate(policy, aJudgedCall(tool)).kind).toBe('deny')
    },
  )

  test('a star among the hidden hides every tool', () => {
    const all = { ...policy, hidden: new Set(['*']) }
    expect(isHidden(all, 'get_file')).toBe(true)
    expect(evaluate(all, aJudgedCall('get_file'))).toEqual({ kind: 'hide' })
  })

  test('without a policy a person is asked about everything, as critical', () => {
    expect(evaluate(askForEverything, aJudgedCall('anything'))).toMatchObject({
      kind: 'require_approval',
      risk: 'critical',
      rule: 'built-in#/default',
    })
  })
})

describe('effectiveRuleDigest', () => {
  const verdict = { reason: 'why', risk: 'critical', terms: usualTerms } as const
  const approvers = { groups: ['ops', 'dev'], people: ['mina', 'jun'], selfConfirm: false }
  const digest = effectiveRuleDigest(verdict, approvers)

  test('the order in which approvers are written does not matter', () => {
    const shuffled = { groups: ['dev', 'ops'], people: ['jun', 'mina'], selfConfirm: false }
    expect(effectiveRuleDigest(verdict, shuffled)).toBe(digest)
  })

  test.each([
    ['another reason', { ...verdict, reason: 'because' }, approvers],
    ['another approver', verdict, { ...approvers, people: ['mina'] }],
    [
      'a group in place of a person',
      verdict,
      { ...approvers, groups: ['ops', 'dev', 'jun'], people: ['mina'] },
    ],
    ['self-confirmation', verdict, { ...approvers, selfConfirm: true }],
  ] as const)('%s is another rule', (_, otherVerdict, otherApprovers) => {
    expect(effectiveRuleDigest(otherVerdict, otherApprovers)).not.toBe(digest)
  })
})
