/** Holdpoint's own spelling: what does not load and why, what is said about what does, and that nothing is lost in writing. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { type Rule, usualTerms } from '../../src/domain/policy/rule.ts'
import { evaluate, type Policy, talliesToRead } from '../../src/domain/policy.ts'
import { policyJsonSchema } from '../../src/files/policy/json-schema.ts'
import { writePolicy } from '../../src/files/policy/write.ts'
import { readPolicyInForce, readPolicyWithNotes } from '../../src/files/policy-file.ts'
import { policyTestsJsonSchema } from '../../src/files/policy-tests.ts'
import { call, policy } from '../policy/arbitraries.ts'
import { aJudgedCall } from '../support/builders.ts'

const read = (text: string) =>
  readPolicyWithNotes('p.yaml', text, {
    people: ['mina'],
    groups: ['ops'],
    agents: [],
    servers: ['s'],
    hasIssuers: true,
    decisionMs: 4 * 3_600_000,
  })
const refusals = (text: string) => {
  const reading = read(text)
  return reading.ok ? [] : reading.error
}
const load = (text: string) => {
  const reading = read(text)
  if (!reading.ok) throw new Error(JSON.stringify(reading.error, null, 1))
  return reading.value
}
const ruleOf = (rule: string) => `rules:\n  - { ${rule} }`
const when = (condition: string) => ruleOf(`tools: t, action: deny, when: { ${condition} }`)

const quorumOf = (approval: string) => `tools: { t: { action: require_approval, approval: ${approval} } }`

describe('a rule that does not load', () => {
  test.each([
    ['no target', ruleOf('action: deny'), 'which tools this rule is about', '`tools: "*"`'],
    ['no effect', ruleOf('tools: t'), 'this rule does nothing', 'an `action`, a limit'],
    ['typo', ruleOf('tools: t, action: deny, wehn: {}'), 'unknown key "wehn"', 'did you mean "when"?'],
    [
      'unknown category',
      ruleOf('category: reading, action: deny'),
      'must be one or several of read, write',
      '',
    ],
    [
      'approval without asking',
      ruleOf('tools: t, action: deny, approval: {}'),
      'only where the action is',
      '',
    ],
    ['two questions', when('path: args.a, time: { zone: UTC }, eq: 1'), '`path` and `time` are two', '`all`'],
    ['no question', when('eq: 1'), 'asks about nothing', 'all, any, not, path, time, history'],
    ['no comparison', when('path: args.a'), 'nothing is asked about this `path`', '`exists`'],
    ['typo in a comparison', when('path: args.a, stars_with: x'), 'unknown key "stars_with"', 'starts_with'],
    ['comparison with null', when('path: args.a, eq: null'), 'text, a number, true or false', '`exists`'],
    ['empty list', when('path: args.a, in: []'), 'the list is empty', ''],
    ['default without a path', when('time: { zone: UTC }, default: 1'), '`default` belongs to a `path`', ''],
    ['unknown zone', when('time: { zone: Asia/Soul }'), '"Asia/Soul" is not known', 'Asia/Seoul'],
    ['offset for a zone', when('time: { zone: "+09:00" }'), 'is not known', 'offsets know no summer time'],
    ['25 o’clock', when('time: { zone: UTC, from: "25:00" }'), 'no time of day', '"09:00"'],
    ['begins at 24:00', when('time: { zone: UTC, from: "24:00" }'), 'no time of day', ''],
    ['no length', when('time: { zone: UTC, from: "09:00", to: "09:00" }'), 'no length', ''],
    ['unknown day', when('time: { zone: UTC, days: [monday] }'), 'cannot be "monday"', 'mon'],
    ['history of nothing', when('history: { window: 60 }, gte: 1'), 'what is counted', '`tools`'],
    ['a negative window', ruleOf('tools: t, rate_limit: { max: 1, window: -1 }'), 'at least one second', ''],
    ['no window', ruleOf('tools: t, rate_limit: { max: 1 }'), '"window" is missing', 'calendar'],
    ['two windows', ruleOf('tools: t, rate_limit: { max: 1, window: 1, calendar: day }'), 'two answers', ''],
    ['a negative limit', ruleOf('tools: t, rate_limit: { max: -1, window: 1 }'), 'not negative', ''],
    [
      'an amount that is none',
      ruleOf('tools: t, spend_limit: { max: 1, window: 1, path: tool }'),
      'only an argument',
      '',
    ],
    [
      'a quorum of more than are named',
      quorumOf('{ people: [mina, jun], quorum: 3 }'),
      '3 different people have to say yes, and 2 are named',
      'fewer yeses',
    ],
    ['a quorum of none', quorumOf('{ quorum: 0 }'), 'at least one', 'write 1'],
    ['a quorum of a crowd', quorumOf('{ quorum: 21 }'), 'a poll', 'at most 20'],
    [
      'a quorum that an owner confirms',
      quorumOf('{ quorum: 2, self_confirm: true }'),
      'none of several yeses',
      'remove it',
    ],
    [
      'stages and a quorum',
      quorumOf('{ quorum: 2, stages: [{ groups: [ops] }] }'),
      'say two things',
      'in its stage',
    ],
    [
      'stages and groups',
      quorumOf('{ groups: [ops], stages: [{ groups: [ops] }] }'),
      'say two things',
      'in its stage',
    ],
    [
      'a stage of nobody',
      quorumOf('{ stages: [{ groups: [ops] }, { quorum: 2 }] }'),
      'nobody is named',
      'in this stage',
    ],
    [
      'a stage of more than are named',
      quorumOf('{ stages: [{ people: [mina], quorum: 2 }] }'),
      '2 different people have to say yes, and 1 is named',
      'fewer yeses',
    ],
    ['no stage', quorumOf('{ stages: [] }'), 'there are 0 stages', '1 to 5'],
    [
      'six stages',
      quorumOf(
        '{ stages: [{ groups: [ops] }, { groups: [ops] }, { groups: [ops] }, { groups: [ops] }, { groups: [ops] }, { groups: [ops] }] }',
      ),
      'too many stages',
      'at most 5',
    ],
    [
      'more yeses than a decision has',
      quorumOf('{ stages: [{ groups: [ops], quorum: 15 }, { groups: [ops], quorum: 6 }] }'),
      'takes 21 yeses',
      'at most 20',
    ],
    ['an unknown group in a stage', quorumOf('{ stages: [{ groups: [opps] }] }'), 'no "opps"', '"ops"'],
    [
      'an unknown group',
      'tools: { t: { action: require_approval, approval: { groups: [opps] } } }',
      'no "opps"',
      '"ops"',
    ],
    [
      'a person as a group',
      'tools: { t: { action: require_approval, approval: { groups: [mina] } } }',
      '',
      '`people`',
    ],
    [
      'a short deadline',
      'tools: { t: { action: require_approval, approval: { timeout: 1s } } }',
      'out of bounds',
      '10s',
    ],
    [
      'a reminder after the deadline',
      'tools: { t: { action: require_approval, approval: { timeout: 10m, reminders: [10m] } } }',
      'not before the `timeout`',
      'counts from when the call was asked',
    ],
    [
      'reminders in another order',
      'tools: { t: { action: require_approval, approval: { reminders: [10m, 10m] } } }',
      'not later than the one before it',
      'in the order of time',
    ],
    [
      'a reminder at once',
      'tools: { t: { action: require_approval, approval: { reminders: [0s] } } }',
      'out of bounds',
      '1s',
    ],
    [
      'too many reminders',
      'tools: { t: { action: require_approval, approval: { reminders: [1m, 2m, 3m, 4m, 5m, 6m, 7m, 8m, 9m, 10m, 11m] } } }',
      'at most 10 reminders',
      'fewer',
    ],
    [
      'an escalation to nobody',
      'tools: { t: { action: require_approval, approval: { escalation: [{ after: 10m }] } } }',
      'nobody is named',
      'from then on',
    ],
    [
      'an escalation to an unknown group',
      'tools: { t: { action: require_approval, approval: { escalation: [{ after: 10m, groups: [opps] }] } } }',
      'no "opps"',
      '"ops"',
    ],
    [
      'an escalation after the deadline',
      'tools: { t: { action: require_approval, approval: { timeout: 10m, escalation: [{ after: 1h, groups: [ops] }] } } }',
      'not before the `timeout`',
      '',
    ],
    [
      'evidence by a pattern',
      'tools: { t: { action: require_approval, approval: { evidence: [{ tool: "get_*" }] } } }',
      'not the name of one tool',
      'as the server lists it',
    ],
    [
      'evidence from elsewhere than the arguments',
      'tools: { t: { action: require_approval, approval: { evidence: [{ tool: g, arguments: { a: { path: owner } } }] } } }',
      'only an argument of the call',
      'args.charge',
    ],
    [
      'evidence from a dangerous place',
      'tools: { t: { action: require_approval, approval: { evidence: [{ tool: g, arguments: { a: { path: args.__proto__ } } }] } } }',
      'not allowed in a path',
      '',
    ],
    [
      'evidence with a list',
      'tools: { t: { action: require_approval, approval: { evidence: [{ tool: g, arguments: { a: [1] } }] } } }',
      'text, a number, true, false or a `path`',
      '{ path: args.',
    ],
    [
      'too much evidence',
      'tools: { t: { action: require_approval, approval: { evidence: [{ tool: a }, { tool: b }, { tool: c }, { tool: d }] } } }',
      'at most 3 evidence calls',
      'that people read',
    ],
  ])('%s', (_, text, message, remedy) => {
    expect(refusals(text)).toContainEqual({
      file: 'p.yaml',
      line: expect.any(Number),
      column: expect.any(Number),
      path: expect.any(String),
      message: expect.stringContaining(message),
      remedy: expect.stringContaining(remedy),
    })
  })

  test.each([
    'args..b',
    'args.a[',
    'args.a[-1]',
    'args.a[999999999]',
    'args.a[1.5]',
    'args.__proto__.x',
    'args["__proto__"]',
    'args.constructor.name',
    'args.prototype',
    'args.가',
    'args.a b',
    'args.',
    'argsx',
    'a.b',
    '',
    `args.${'a.'.repeat(200)}a`,
    `args${'.a'.repeat(40)}`,
  ])('the path %j', (path) => {
    expect(refusals(when(`path: ${JSON.stringify(path)}, exists: true`))).not.toEqual([])
  })

  test.each([
    '(a)\\1',
    '(?=a)',
    '(?<!a)b',
    '[',
    '.{0,100000}',
    '(.{0,500}){0,500}',
    '(?:\\pL{1,30}){1,60}',
    'a|'.repeat(10_000),
    'x'.repeat(513),
  ])('the pattern %j', (pattern) => {
    const [problem] = refusals(when(`path: args.a, matches: ${JSON.stringify(pattern)}`))
    expect(problem).toMatchObject({ line: 2, path: '/rules/0/when/matches' })
  })

  test('a megabyte of pattern is refused before it is compiled', () => {
    const began = performance.now()
    expect(refusals(when(`path: args.a, matches: "${'(a|b)*'.repeat(150_000)}"`))).not.toEqual([])
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

test('patterns take linear time, and long text is not looked at: what nobody looked at is taken in the stricter way', () => {
  const { policy } = load(`default: allow\n${when('path: args.a, matches: "^(a+)+$"')}`)
  const began = performance.now()
  const of = (a: string) => evaluate(policy, aJudgedCall('t', { arguments: { a } })).kind
  expect(of(`${'a'.repeat(30_000)}!`)).toBe('allow')
  expect(of(`${'a'.repeat(300_000)}!`)).toBe('deny')
  expect(performance.now() - began).toBeLessThan(5_000)
})

describe('a pattern for names of one kind, met by an agent of the other', () => {
  const answers = (rule: string, agent: string, owner = 'jun') => {
    const { policy } = load(`default: require_approval\n${ruleOf(`tools: t, ${rule}`)}`)
    return evaluate(policy, aJudgedCall('t', { agent, owner })).kind
  }
  const theirs = 'night-evil#Zm9vYmFyYmF6cXV4'
  test.each([
    ['agents: "night-*"', 'night-agent'],
    ['agents: "*"', theirs],
    ['agents: "night-*#*"', theirs],
    [`agents: "${theirs}"`, theirs],
    ['when: { path: agent, starts_with: night- }', 'night-agent'],
    ['when: { path: agent, matches: "^night-.*#" }', theirs],
    [`when: { path: agent, eq: "${theirs}" }`, theirs],
    ['when: { path: agent, neq: night-agent }', theirs],
  ])('%s is about %s', (rule, agent) => {
    expect(answers(`${rule}, action: allow`, agent)).toBe('allow')
    expect(answers(`${rule}, action: deny`, agent)).toBe('deny')
  })
  test.each([
    'agents: "night-*"',
    'agents: [other, "*night*"]',
    'when: { path: agent, like: "night-*" }',
    'when: { path: agent, starts_with: night- }',
    'when: { path: agent, contains: evil }',
    'when: { path: agent, matches: "^night" }',
    'when: { not: { path: agent, starts_with: night- } }',
  ])('%s opens nothing for an agent that an issuer calls so, and lets it out of nothing', (rule) => {
    expect(answers(`${rule}, action: allow`, theirs)).toBe('require_approval')
    expect(answers(`${rule}, action: require_approval`, theirs)).toBe('require_approval')
    expect(answers(`${rule}, action: deny`, theirs)).toBe('deny')
  })
  test.each(['agents: night-evil', 'agents: "day-*"', 'agents: "*-agent"', 'agents: "day-*#*"'])(
    '%s is not about it',
    (rule) => {
      expect(answers(`${rule}, action: allow`, theirs)).toBe('require_approval')
      expect(answers(`${rule}, action: deny`, theirs)).toBe('require_approval')
    },
  )
  test('an owner whom nobody knows is caught by no pattern for people', () => {
    const nobody = `unknown:${theirs}`
    expect(answers('owners: "*n*", action: allow', theirs, nobody)).toBe('require_approval')
    expect(answers('owners: "*n*", action: deny', theirs, nobody)).toBe('deny')
    expect(answers('owners: "unknown:*", action: deny', theirs, nobody)).toBe('deny')
    expect(answers('owners: "*", action: allow', theirs, nobody)).toBe('allow')
    expect(answers('owners: "j*", action: deny', theirs, nobody)).toBe('require_approval')
  })
})

test('argument walks see own properties only', () => {
  for (const path of ['args.toString', 'args.hasOwnProperty', 'args.b.length', 'args.valueOf.name']) {
    const { policy } = load(`default: allow\n${when(`path: ${JSON.stringify(path)}, exists: true`)}`)
    expect(evaluate(policy, aJudgedCall('t', { arguments: { a: 'text', b: {} } })).kind).toBe('allow')
  }
})

describe('what loads and is probably not meant', () => {
  test.each([
    [
      'a rule under a stricter one',
      'deny: ["t*"]\nrules:\n  - { tools: two, action: allow }',
      '/deny/0 is stricter',
    ],
    ['a hidden tool', 'hide: ["t*"]\nallow: [two]', 'its tools are hidden'],
    ['sessions', ruleOf('tools: t, rate_limit: { max: 1, window: 60, per: session }'), 'opens a new session'],
    [
      'a condition that contradicts itself',
      when('path: args.amount, lt: 5, gt: 10'),
      'can never be true: no value of args.amount meets lt 5 and gt 10',
    ],
    [
      'a contradiction between owners and the condition',
      ruleOf('tools: t, action: deny, owners: "a*", when: { path: owner, starts_with: b }'),
      'can never be true: no value of owner',
    ],
    [
      'a condition that no tool of the rule meets',
      ruleOf('tools: "get_*", action: allow, when: { path: tool, eq: delete_all }'),
      'none meets its condition: no value of tool',
    ],
    [
      'a condition that no level of the rule meets',
      ruleOf('risk: [high, critical], action: deny, when: { path: risk, eq: low }'),
      'none meets its condition: no value of risk',
    ],
    [
      'a contradiction in one of several',
      when('any: [{ path: args.a, eq: 1 }, { path: args.b, in: [x, y], starts_with: z }]'),
      'this part of the condition can never be true: no value of args.b',
    ],
    [
      'a contradiction under a not',
      ruleOf(
        'tools: t, agents: bot, action: deny, when: { all: [{ path: args.c, exists: true }, { not: { path: args.a, eq: 1, gt: 2 } }] }',
      ),
      'the `not` never keeps a call out',
    ],
    [
      'a rule that is there twice',
      `rules:
  - { tools: [pay, refund], action: deny, when: { path: args.a, in: [1, 2] }, name: one }
  - { tools: [refund, pay], action: deny, when: { path: args.a, in: [2, 1] }, name: other }`,
      'this rule says what /rules/0 says already',
    ],
    [
      'a foreign condition that contradicts itself',
      JSON.stringify({
        version: '1',
        default: 'deny',
        tools: {
          pay: {
            deny_if: [
              {
                conditions: [
                  { path: 'args.a', op: 'lt', value: 5 },
                  { path: 'args.a', op: 'gt', value: 10 },
                ],
              },
            ],
          },
        },
      }),
      'can never be true: no value of args.a',
    ],
    [
      'agents by a pattern that lets no agent of an issuer pass',
      ruleOf('tools: t, agents: "night-*", action: allow'),
      'none with a token of another issuer',
    ],
    [
      'agents by a pattern that issuers can meet',
      ruleOf('tools: t, agents: ["night-*", "day-*"], action: deny'),
      'about those of other issuers',
    ],
    [
      'agents that an issuer names',
      ruleOf('tools: t, agents: ["night-*", "night-*#*"], action: allow'),
      'an issuer of `oauth` lets take such a name',
    ],
    [
      'different approvers',
      `rules:
  - { tools: "pay*", action: require_approval, approval: { groups: [ops] } }
  - { tools: pay, action: require_approval, approval: { people: [mina] } }`,
      'name different approvers',
    ],
  ])('%s', (_, text, message) => {
    expect(load(text).notes).toMatchObject([
      { message: expect.stringContaining(message), line: expect.any(Number) },
    ])
  })

  test('exact names and everybody are no patterns, and where there are no issuers no name is theirs', () => {
    const text = (agents: string) => ruleOf(`tools: t, agents: ${agents}, action: allow`)
    for (const agents of ['night-agent', '"*"', '["night-agent#aB3_x", mina]'])
      expect(load(text(agents)).notes).toEqual([])
    for (const known of [
      null,
      { people: [], groups: [], agents: [], servers: [], hasIssuers: false, decisionMs: 1 },
    ]) {
      const reading = readPolicyWithNotes('p.yaml', text('"night-*"'), known)
      expect(reading.ok && reading.value.notes).toEqual([])
    }
  })

  test('each has its line and column', () => {
    const text = `rules:
  - tools: t
    action: deny
    when:
      any:
        - { path: args.a, eq: 1 }
        - { path: args.b, lt: 1, gt: 2 }`
    expect(load(text).notes).toMatchObject([{ line: 7, column: 11, path: '/rules/0/when/any/1' }])
  })

  test('rules that differ in anything are no twins', () => {
    const rules = (a: string, b: string) => `rules:\n  - { tools: t, ${a} }\n  - { tools: t, ${b} }`
    for (const [a, b] of [
      ['action: deny', 'action: deny, reason: No.'],
      ['rate_limit: { max: 1, window: 60 }', 'rate_limit: { max: 2, window: 60 }'],
      ['action: allow, when: { path: args.a, eq: 1 }', 'action: allow, when: { path: args.a, eq: "1" }'],
      ['treat_as: low', 'treat_as: high'],
      ['action: require_approval', 'action: require_approval, approval: { timeout: 1h }'],
      ['action: deny, shadow: true', 'action: deny, shadow: true, when: { path: args.a, eq: 1 }'],
    ] as const)
      expect(load(rules(a, b)).notes.filter(({ message }) => message.includes('says what /'))).toEqual([])
  })

  test('exceptions are conditions, and nothing is said about them', () => {
    const text =
      'default: allow\nrules:\n  - { tools: t, action: allow }\n  - { tools: t, action: deny, when: { path: args.a, eq: 1 } }'
    expect(load(text).notes).toEqual([])
  })
})

/** How people are asked is another test's subject; random terms are no file that would load. */
function askedAsUsual(each: Policy): Policy {
  const usual = (rules: readonly Rule[]) => rules.map((one) => ({ ...one, terms: usualTerms }))
  return { ...each, rules: usual(each.rules), shadow: usual(each.shadow) }
}

test('a policy that is written and read again decides every call as before', { timeout: 240_000 }, () => {
  fc.assert(
    fc.property(policy.map(askedAsUsual), call, fc.nat(4), (before, one, count) => {
      const text = writePolicy(before, null)
      // Random conditions ask about counts that nothing keeps.
      const reading = readPolicyInForce('p.yaml', text)
      if (!reading.ok) throw new Error(JSON.stringify(reading.error, null, 1))
      const after = reading.value
      const wanted = talliesToRead(before, one)
      expect(talliesToRead(after, one)).toEqual(wanted)
      const known = { ...one, tallies: new Map(wanted.map(({ key }) => [key, count])) }
      const essence = (each: typeof before) => {
        const verdict = evaluate(each, known)
        return {
          kind: verdict.kind,
          risk: 'risk' in verdict ? verdict.risk : null,
          counts:
            'reservations' in verdict
              ? verdict.reservations.map(({ key, amount, max }) => JSON.stringify([key, amount, max])).sort()
              : [],
        }
      }
      expect(essence(after)).toEqual(essence(before))
    }),
    { numRuns: 1_000 },
  )
})

test('evidence that no rule can allow is pointed out where it stands', () => {
  const rule = (tool: string) =>
    `rules: [{ tools: t, action: require_approval, approval: { evidence: [{ tool: ${tool} }] } }]`
  expect(load(`${rule('get_state')}\ndefault: deny\nallow: ["get_*"]`).notes).toEqual([])
  for (const policyText of [
    `${rule('get_state')}\ndefault: deny`,
    `${rule('get_state')}\ndefault: allow\nhide: [get_state]`,
  ]) {
    expect(load(policyText).notes).toMatchObject([
      { line: 1, message: 'the evidence of get_state is never read: this policy does not allow that tool' },
    ])
  }
})

test('how people decide is written and read again as it was', () => {
  const text = `tools: { t: { action: require_approval, approval: { groups: [ops], timeout: 1h, on_client_gone: execute,
    evidence: [{ tool: get_state, label: State, arguments: { id: { path: 'args.items[0].id' }, full: true, n: 5 } }],
    reminders: [10m, 30m], escalation: [{ after: 20m, people: [mina] }, { after: 40m, groups: [ops] }],
    grants: { max_uses: 9, max_duration: 90m, may_differ: [args.note, { path: args.amount, gte: 0, lte: 50 },
      { path: 'args["a b"].c', in: [1, x, true], starts_with: x, length: { lte: 3 } }] } } } }`
  const before = load(text).policy
  const [rule] = before.rules
  expect(rule?.terms).toMatchObject({
    remindersMs: [600_000, 1_800_000],
    escalation: [
      { afterMs: 1_200_000, groups: [], people: ['mina'] },
      { afterMs: 2_400_000, groups: ['ops'], people: [] },
    ],
  })
  expect(load(writePolicy(before, null)).policy.rules[0]?.terms).toEqual(rule?.terms)
})

test.each([
  ['{ max_uses: 5 }', 'max_duration'],
  ['{ max_uses: 0, max_duration: 1h }', 'a grant is for one more call at least'],
  ['{ max_uses: 101, max_duration: 1h }', 'that is a rule, not a grant'],
  ['{ max_uses: 5, max_duration: 30s }', 'out of bounds'],
  ['{ max_uses: 5, max_duration: 2d }', 'out of bounds'],
  ['{ max_uses: 5, max_duration: 1h, uses: 3 }', 'uses'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [args] }', 'only single arguments'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [owner] }', 'only single arguments'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [note] }', 'a path begins with "args"'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: ["args.items[0]"] }', 'what stands in a list'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: ["args.items[0].price"] }', 'what stands in a list'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [args.a, args.a] }', 'stands here twice'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [{ path: args.a, lte: 50 }] }', 'on one side only'],
  ['{ max_uses: 5, max_duration: 1h, may_differ: [{ path: args.a, matches: x }] }', 'unknown key "matches"'],
])('the grants %s are refused', (grants, message) => {
  const text = `tools: { t: { action: require_approval, approval: { groups: [ops], grants: ${grants} } } }`
  expect(
    refusals(text)
      .map((one) => one.message)
      .join(),
  ).toContain(message)
})

test('where several rules ask, the one that names the approvers names the escalation, and all reminders come', () => {
  const rules = (first: string, second: string) => `rules:\n  - ${first}\n  - ${second}`
  const high =
    '{ tools: t, action: require_approval, treat_as: critical, approval: { people: [mina], reminders: [20m] } }'
  const low =
    '{ tools: t, action: require_approval, treat_as: low, approval: { groups: [ops], reminders: [10m, 20m], escalation: [{ after: 1h, groups: [ops] }] } }'
  for (const text of [rules(high, low), rules(low, high)]) {
    expect(evaluate(load(text).policy, aJudgedCall('t'))).toMatchObject({
      terms: { approvers: { people: ['mina'] }, remindersMs: [600_000, 1_200_000], escalation: null },
    })
  }
})

test('the JSON Schema beside the policies is the one of these shapes', async () => {
  await expect(policyJsonSchema()).toMatchFileSnapshot('../../policies/policy.schema.json')
})

test('the JSON Schema of their tests, too', async () => {
  await expect(policyTestsJsonSchema()).toMatchFileSnapshot('../../policies/policy.test.schema.json')
})

describe('shadow', () => {
  const text = (top: string, rule: string) =>
    `${top}default: deny\nallow: [get]\nrules:\n  - { tools: pay, action: allow, rate_limit: { max: 1, window: 60 }${rule} }\n`

  test('of a rule leaves its limit enforced and takes its action away, and is said with its place', () => {
    const { policy, notes } = load(text('', ', shadow: true'))
    expect(policy.rules.map(({ pointer, action, limits }) => [pointer, action, limits.length])).toEqual([
      ['/allow/0', 'allow', 0],
      ['/rules/0', null, 1],
    ])
    expect(policy.shadow.map(({ pointer, action, limits }) => [pointer, action, limits.length])).toEqual([
      ['/rules/0', 'allow', 0],
    ])
    expect(notes).toMatchObject([
      { path: '/rules/0/shadow', line: 4, message: expect.stringContaining('this rule is NOT enforced') },
    ])
  })

  test('of a policy tries every rule, and leaves `default`, `hide` and limits', () => {
    const { policy, notes } = load(text('shadow: true\nhide: [secret]\n', ''))
    expect(policy.shadow.map(({ pointer }) => pointer)).toEqual(['/allow/0', '/rules/0'])
    expect(policy.rules.map(({ action }) => action)).toEqual([null])
    expect(notes).toMatchObject([
      { path: '/shadow', message: expect.stringContaining('each of 2 rules is NOT enforced') },
    ])
    const [pay, secret] = ['pay', 'secret'].map((tool) =>
      evaluate(policy, aJudgedCall(tool, { facts: { category: 'write', risk: 'medium' } })),
    )
    expect([pay?.kind, secret?.kind]).toEqual(['deny', 'hide'])
    expect(load(text('shadow: false\n', ', shadow: false')).policy.shadow).toEqual([])
  })

  test('stands under `tools` as well, and not where nothing could be tried or in a foreign spelling', () => {
    expect(load('default: allow\ntools: { pay: { action: deny, shadow: true } }').policy).toMatchObject({
      rules: [],
      shadow: [{ pointer: '/tools/pay/action' }],
    })
    expect(
      refusals('rules: [{ tools: pay, rate_limit: { max: 1, window: 60 }, shadow: true }]'),
    ).toMatchObject([
      { path: '/rules/0/shadow', message: expect.stringContaining('a limit cannot be tried') },
    ])
    expect(
      refusals('{"version":"1","default":"deny","shadow":true,"all_tools":{},"tools":{}}'),
    ).toMatchObject([{ message: expect.stringContaining("`shadow` is Holdpoint's own") }])
    expect(refusals('shadow: yes please\ndefault: deny')).toHaveLength(1)
  })

  test('may try another answer about a tool that has one', () => {
    const { policy } = load('default: deny\nallow: [pay]\ntools: { pay: { action: deny, shadow: true } }')
    expect([policy.rules, policy.shadow].map((rules) => rules.map(({ action }) => action))).toEqual([
      ['allow'],
      ['deny'],
    ])
  })
})

describe('what servers may read in another way than we do', () => {
  const kindOf = (text: string, args: JsonValue) =>
    evaluate(load(text).policy, aJudgedCall('t', { arguments: args })).kind
  const asked = (question: string, action = 'deny') =>
    `default: allow\nrules:\n  - { tools: t, action: ${action}, when: { ${question} } }`

  test.each([
    ['a second spelling', { amount: 1, Amount: 99_999 }],
    ['another spelling alone', { AMOUNT: 99_999 }],
    ['a second spelling that takes the value away', { amount: 1, Amount: null }],
    ['wide letters', { amount: 1, '\uff41mount': 99_999 }],
  ])('%s of an argument: every question about it is unknown, and it is no amount', (_, args) => {
    expect(
      kindOf(
        'default: deny\nrules:\n  - { tools: t, action: allow, when: { path: args.amount, lte: 100 } }',
        args,
      ),
    ).toBe('deny')
    expect(kindOf(asked('path: args.amount, gt: 100'), args)).toBe('deny')
    expect(kindOf(asked('path: args.amount, default: 0, gt: 100'), args)).toBe('deny')
    expect(kindOf(asked('path: args.amount, exists: true'), args)).toBe('deny')
    expect(kindOf(asked('path: args.amount, exists: false'), args)).toBe('deny')
    const limit = 'tools: { t: { action: allow, spend_limit: { path: args.amount, max: 1000, window: 60 } } }'
    expect(kindOf(limit, args)).toBe('deny')
  })

  test('letters that only Unicode takes for others', () => {
    for (const args of [{ 'ta\u017fk': 'x' }, { task: 'y', 'tas\u212a': 'x' }]) {
      expect(kindOf(asked('path: args.task, default: y, eq: x'), args)).toBe('deny')
    }
  })

  test('a spelling without a value is nothing, as the argument itself would be', () => {
    expect(kindOf(asked('path: args.amount, exists: true'), { Amount: null })).toBe('allow')
    expect(kindOf(asked('path: args.amount, default: 0, gt: 100'), { amount: null, Amount: null })).toBe(
      'allow',
    )
  })

  test.each([
    ['JSON as text', { charge: '{"amount":99999}' }],
    ['a number', { charge: 5 }],
    ['a list', { charge: [{ amount: 99_999 }] }],
    ['no object at all', '{"charge":{"amount":99999}}'],
  ])('%s where a path goes on: not missing, but unknown', (_, args) => {
    expect(kindOf(asked('path: args.charge.amount, default: 0, gt: 100'), args)).toBe('deny')
    expect(kindOf(asked('path: args.charge.amount, exists: true'), args)).toBe('deny')
    expect(kindOf(asked('path: args.charge.amount, exists: false'), args)).toBe('deny')
    const entries = asked('path: args.all, some: { path: charge.amount, exists: true }')
    expect(kindOf(entries, { all: [args] })).toBe('deny')
  })

  test('a part that is missing or null is still missing', () => {
    for (const args of [{}, { charge: null }, { charge: {} }, { charge: { amount: null } }]) {
      expect(kindOf(asked('path: args.charge.amount, default: 0, gt: 100'), args)).toBe('allow')
    }
  })
})
