/** What loads by its form and cannot have been meant: it is refused with its place and a remedy, and what is in force goes on. */
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../src/domain/policy.ts'
import { readPolicy, readPolicyInForce } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

const refusals = (text: string) => {
  const read = readPolicy('p.yaml', text)
  return read.ok ? [] : read.error
}

describe('a count that nothing keeps', () => {
  const policyOf = (limit: string, history: string) =>
    `default: require_approval
tools:
  pay: { action: require_approval, rate_limit: { max: 100, ${limit} } }
rules:
  - { tools: pay, action: allow, when: { history: { ${history} }, lt: 5 } }`

  test.each([
    [
      'another name',
      'window: 3600, counter: payments',
      'window: 3600, counter: paymnts',
      { path: '/rules/0/when/history/counter', message: 'no limit counts "paymnts"', remedy: '"payments"' },
    ],
    [
      'a name like no other',
      'window: 3600, counter: payments',
      'window: 3600, counter: refunds',
      { path: '/rules/0/when/history/counter', message: 'read 0 for ever', remedy: '`tools` whose calls' },
    ],
    [
      'another per',
      'window: 3600, per: owner, counter: payments',
      'window: 3600, counter: payments',
      {
        path: '/rules/0/when/history',
        message: '/tools/pay/rate_limit counts "payments" per owner, this asks per agent',
        remedy: '`per`',
      },
    ],
    [
      'another window',
      'window: 3600, counter: payments',
      'window: 86400, counter: payments',
      {
        path: '/rules/0/when/history',
        message: 'over the last hour, this asks over the last day',
        remedy: '`window`',
      },
    ],
    [
      'another kind of window, of others',
      'calendar: day, per: global, counter: payments',
      'window: 86400, counter: payments',
      { path: '/rules/0/when/history', message: 'per global and in the running day', remedy: '`per` and' },
    ],
  ])('%s is refused', (_, limit, history, { path, message, remedy }) => {
    expect(refusals(policyOf(limit, history))).toMatchObject([
      {
        path,
        line: 5,
        message: expect.stringContaining(message),
        remedy: expect.stringContaining(remedy),
      },
    ])
  })

  test('the count of a limit, also of a rule in shadow, loads, as does a count of the condition itself', () => {
    const kept = 'window: 3600, counter: payments'
    expect(refusals(policyOf(kept, kept))).toEqual([])
    expect(refusals(policyOf(kept, 'window: 60, tools: pay, counter: other'))).toEqual([])
    expect(refusals(`${policyOf(kept, kept)}\nshadow: true`)).toEqual([])
  })

  test('a limit with a mistake of its own is the one mistake that is said', () => {
    const [problem, ...others] = refusals(
      policyOf('window: -1, counter: payments', 'window: 60, counter: payments'),
    )
    expect(problem).toMatchObject({ path: '/tools/pay/rate_limit/window' })
    expect(others).toEqual([])
  })

  test('a policy that is in force already goes on as it did', () => {
    const text = policyOf('window: 3600, counter: payments', 'window: 3600, counter: paymnts')
    const read = readPolicyInForce('p.yaml', text)
    if (!read.ok) throw new Error('it does not load')
    expect(evaluate(read.value, aJudgedCall('pay')).kind).toBe('require_approval')
  })
})
