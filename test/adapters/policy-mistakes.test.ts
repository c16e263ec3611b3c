/** What loads by its form and cannot have been meant: it is refused with its place and a remedy, and what is in force goes on. */
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../src/domain/policy.ts'
import { readPolicy, readPolicyInForce, readPolicyWithNotes } from '../../src/files/policy-file.ts'
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

describe('a question that no call can answer with yes', () => {
  const policyOf = (condition: string) =>
    `default: allow\nrules:\n  - { tools: pay, action: deny, when: { ${condition} } }`

  test.each([
    ['path: risk, eq: critcal', '/eq', '"critcal" is no risk', 'did you mean "critical"?'],
    ['path: risk, neq: hihg', '/neq', '"hihg" is no risk', 'did you mean "high"?'],
    ['path: category, in: [reed, write]', '/in', '"reed" is no category', 'did you mean "read"?'],
    ['path: category, not_in: [purchase]', '/not_in', '"purchase" is no category', 'write one of: read'],
    ['path: risk, eq_text: HIGH', '/eq_text', '"HIGH" is no risk', 'did you mean "high"?'],
    ['path: risk, like: [low, "hihg*"]', '/like', '"hihg*" is no risk', ''],
    ['path: category, matches: "^reads$"', '/matches', 'no category is like this', 'financial'],
    ['path: risk, starts_with: crti', '/starts_with', 'no risk is like this', 'low, medium'],
    ['path: category, default: reads, eq: read', '/default', '"reads" is no category', '"read"'],
    ['path: agent, gt: 5', '/gt', '`agent` is text', '`like`'],
    ['path: risk, gte: 3', '/gte', '`risk` is text', 'low, medium, high, critical'],
    ['path: owner, some: { eq: mina }', '/some', '`owner` is no list', '`in`'],
    ['path: agent, eq: 42', '/eq', '`agent` is text, and 42 is none', 'quotes'],
    ['path: tool, contains: 42', '/contains', '`tool` is text, and 42 is none', 'quotes'],
  ])('%s', (condition, below, message, remedy) => {
    expect(refusals(policyOf(condition))).toMatchObject([
      {
        path: `/rules/0/when${below}`,
        line: 3,
        message: expect.stringContaining(message),
        remedy: expect.stringContaining(remedy),
      },
    ])
    expect(readPolicyInForce('p.yaml', policyOf(condition)).ok).toBe(true)
  })

  test.each([
    'path: risk, in: [high, critical]',
    'path: category, default: write, neq: read',
    'path: risk, matches: "^(high|critical)$"',
    'path: category, like: ["re*", "*"]',
    'path: category, exists: false',
    'path: tool, length: { gt: 60 }',
    'path: agent, eq_text: 42',
    'path: args.risk, gt: 5',
    'path: args.category, eq: reed',
  ])('%s loads', (condition) => {
    expect(refusals(policyOf(condition))).toEqual([])
  })

  test('in a foreign spelling the value is named', () => {
    const text =
      'version: "1"\ndefault: deny\ntools: { t: { deny_if: [{ path: risk, op: eq, value: hihg }] } }'
    expect(refusals(text)).toMatchObject([
      { path: '/tools/t/deny_if/0/value', remedy: 'did you mean "high"?' },
    ])
  })
})

test.each(['rate_limit', 'spend_limit'])(
  'a %s of nothing is refused, and goes on where it is in force',
  (key) => {
    const text = `tools: { pay: { action: allow, ${key}: [] } }`
    expect(refusals(text)).toMatchObject([
      { path: `/tools/pay/${key}`, message: expect.stringContaining('nothing') },
    ])
    expect(readPolicyInForce('p.yaml', text).ok).toBe(true)
  },
)

describe('names that nobody has by the configuration', () => {
  const known = {
    people: ['mina', 'jun'],
    groups: ['ops'],
    agents: ['night-agent'],
    servers: ['github', 'shop'],
    hasIssuers: true,
    decisionMs: 4 * 3_600_000,
  }
  const notesOf = (rule: string) => {
    const read = readPolicyWithNotes(
      'p.yaml',
      `default: allow\nrules: [{ tools: t, action: deny, ${rule} }]`,
      known,
    )
    if (!read.ok) throw new Error(JSON.stringify(read.error))
    return read.value.notes
  }

  test.each([
    ['owners: jnu', '/owners', 'nobody among the people of holdpoint.yaml is called "jnu"', '"jun"'],
    ['owners: [mina, somebody]', '/owners', '"somebody"', '`people`'],
    ['when: { path: owner, in: [jun, minna] }', '/when/in', '"minna"', '"mina"'],
    ['servers: gihub', '/servers', 'no server of holdpoint.yaml is called "gihub"', '"github"'],
    ['when: { path: server, neq: wiki }', '/when/neq', '"wiki"', 'the servers are github, shop'],
    ['agents: nigth-agent', '/agents', 'no agent of holdpoint.yaml is called "nigth-agent"', '"night-agent"'],
    ['when: { path: agent, eq: nigth-agent }', '/when/eq', '"nigth-agent"', '"night-agent"'],
  ])('%s', (rule, below, message, remedy) => {
    expect(notesOf(rule)).toMatchObject([
      {
        path: `/rules/0${below}`,
        line: 2,
        message: expect.stringContaining(message),
        remedy: expect.stringContaining(remedy),
      },
    ])
  })

  test.each([
    'owners: [mina, jun]',
    'owners: "unknown:night-agent"',
    'owners: "j*"',
    'servers: [shop, "git*"]',
    // It may have been added without the file, or be one of an issuer.
    'agents: added-later',
    'agents: "night-agend#aB3_x"',
  ])('nothing is said about %s', (rule) => {
    expect(notesOf(rule).filter(({ message }) => message.includes('holdpoint.yaml'))).toEqual([])
  })
})

describe('a rule that can never decide, beside one about the same kind of tools', () => {
  const notesOf = (first: string, second: string) => {
    const read = readPolicyWithNotes('p.yaml', `default: allow\nrules:\n  - { ${first} }\n  - { ${second} }`)
    if (!read.ok) throw new Error(JSON.stringify(read.error))
    return read.value.notes.filter(({ message }) => message.includes('never decides'))
  }

  test.each([
    ['category: destructive, action: deny', 'category: destructive, risk: high, action: require_approval'],
    ['category: [write, destructive], action: deny', 'tools: "get_*", category: write, action: allow'],
    ['risk: [high, critical], action: deny', 'tools: pay, risk: critical, action: require_approval'],
    ['tools: pay, risk: [high, critical], action: deny', 'tools: pay, risk: high, action: allow'],
  ])('%s over %s', (first, second) => {
    expect(notesOf(first, second)).toMatchObject([{ path: '/rules/1', line: 4 }])
  })

  test.each([
    ['category: destructive, action: deny', 'category: [write, destructive], action: require_approval'],
    ['category: destructive, action: deny', 'risk: high, action: require_approval'],
    ['category: destructive, action: deny', 'tools: pay, action: require_approval'],
    // `treat_as` lifts what this one is about out of the other's reach, or raises the level of what is asked.
    ['risk: high, action: deny', 'risk: high, action: require_approval, treat_as: critical'],
    ['tools: "*", action: require_approval', 'tools: pay, action: allow, treat_as: critical'],
  ])('%s not over %s', (first, second) => {
    expect(notesOf(first, second)).toEqual([])
  })
})

describe('reminders and escalations that never come', () => {
  const known = { people: ['mina'], groups: ['ops'], agents: [], servers: [], hasIssuers: false }
  const notesOf = (rules: string, decisionMs = 4 * 3_600_000) => {
    const read = readPolicyWithNotes('p.yaml', `default: allow\nrules:\n${rules}`, { ...known, decisionMs })
    if (!read.ok) throw new Error(JSON.stringify(read.error))
    return read.value.notes.filter(({ message }) => message.includes('never comes'))
  }
  const asks = (about: string, approval: string) =>
    `  - { ${about}, action: require_approval, approval: { ${approval} } }`

  test('after the usual time for a decision, where the rule has no timeout', () => {
    const later = [
      asks('tools: a', 'reminders: [1h, 5h]'),
      asks('tools: b', 'escalation: [{ after: 6h, groups: [ops] }]'),
      asks('tools: c', 'timeout: 8h, reminders: [5h]'),
      asks('tools: d', 'reminders: [3h]'),
    ].join('\n')
    expect(notesOf(later)).toMatchObject([
      { path: '/rules/0', line: 3, message: expect.stringContaining('`timings.decision`') },
      { path: '/rules/1', line: 4, remedy: expect.stringContaining('`timeout`') },
    ])
    expect(notesOf(later, 24 * 3_600_000)).toEqual([])
  })

  test.each(['reminders: [1h]', 'escalation: [{ after: 1h, groups: [ops] }]'])(
    'after the timeout of another rule about the same call: %s',
    (moments) => {
      const short = asks('tools: pay, category: financial', 'timeout: 30m')
      expect(notesOf(`${short}\n${asks('tools: "*"', moments)}`)).toMatchObject([
        { path: '/rules/1', line: 4, message: expect.stringContaining('/rules/0 asks about too') },
      ])
      for (const about of ['tools: pay, category: read', 'tools: "get_*"'])
        expect(notesOf(`${short}\n${asks(about, moments)}`)).toEqual([])
    },
  )
})
