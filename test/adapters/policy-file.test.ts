import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate, type Policy } from '../../src/domain/policy.ts'
import { readPolicy, readPolicyInForce } from '../../src/files/policy-file.ts'
import { aJudgedCall } from '../support/builders.ts'

const repository = new URL('../../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, repository), 'utf8')

function load(text: string, file = 'policy.yaml'): Policy {
  const read = readPolicy(file, text)
  if (!read.ok) throw new Error(JSON.stringify(read.error, null, 1))
  return read.value
}

function refusals(text: string) {
  const read = readPolicy('policy.yaml', text)
  return read.ok ? [] : read.error
}

/** What the unconditional rules say, by tool. */
const actions = ({ rules }: Policy) =>
  Object.fromEntries(
    rules.map(({ tools: [tool], action, pointer, reason }) => [
      tool?.source ?? '',
      { action, pointer, reason },
    ]),
  )

const kinds = (policy: Policy, tools: readonly string[]) =>
  tools.map((tool) => evaluate(policy, aJudgedCall(tool)).kind)

describe('the hosted spelling', () => {
  test('the recommended policy for nworks_logout hides that tool and denies the rest', () => {
    const policy = load('{"version":"1","default":"deny","hide":["nworks_logout"]}')
    expect(kinds(policy, ['nworks_logout', 'nworks_whoami'])).toEqual(['hide', 'deny'])
    expect(policy).toEqual({
      source: 'policy.yaml',
      spelling: 'hosted',
      fallback: { action: 'deny', pointer: '/default', reason: null },
      rules: [],
      shadow: [],
      hidden: new Set(['nworks_logout']),
    })
  })

  test('listing a tool allows it, whatever the default', () => {
    for (const fallback of ['allow', 'deny']) {
      const policy = load(
        `{"version":"1","default":"${fallback}","all_tools":{"limits":[]},
          "tools":{"a":{},"b":{"require":[],"deny_if":[],"limits":[]}}}`,
      )
      expect(kinds(policy, ['a', 'b', 'c'])).toEqual(['allow', 'allow', fallback])
      expect(actions(policy).b).toEqual({ action: 'allow', pointer: '/tools/b', reason: null })
    }
  })

  test('a listed tool that is hidden stays hidden', () => {
    const policy = load('{"version":"1","default":"allow","hide":["a"],"tools":{"a":{}}}')
    expect(kinds(policy, ['a', 'b'])).toEqual(['hide', 'allow'])
  })

  test('a star hides everything', () => {
    expect(kinds(load('{"version":"1","default":"allow","hide":["*"]}'), ['a'])).toEqual(['hide'])
  })
})

describe('the per-tool spelling', () => {
  test('actions, reasons and pointers', () => {
    const policy = load(
      [
        'default: allow',
        'tools:',
        '  read: { action: allow }',
        '  drop: { action: deny, reason: Never. }',
        '  pay: { action: require_approval, reason: Moves money. }',
        '  ask: { action: require_approval }',
      ].join('\n'),
    )
    expect(actions(policy)).toEqual({
      read: { action: 'allow', pointer: '/tools/read/action', reason: null },
      drop: { action: 'deny', pointer: '/tools/drop/action', reason: 'Never.' },
      pay: { action: 'require_approval', pointer: '/tools/pay/action', reason: 'Moves money.' },
      ask: { action: 'require_approval', pointer: '/tools/ask/action', reason: null },
    })
  })
})

describe('the lists', () => {
  test('allow, deny with and without reasons, require_approval', () => {
    const policy = load(
      'hide: [x]\nallow: [a]\ndeny: { b: Not here., c: }\nrequire_approval: [d]\ndefault: deny',
    )
    expect(policy.hidden).toEqual(new Set(['x']))
    expect(actions(policy)).toEqual({
      a: { action: 'allow', pointer: '/allow/0', reason: null },
      b: { action: 'deny', pointer: '/deny/b', reason: 'Not here.' },
      c: { action: 'deny', pointer: '/deny/c', reason: null },
      d: { action: 'require_approval', pointer: '/require_approval/0', reason: null },
    })
  })

  test('a tool with two rules is refused, in lists and across spellings', () => {
    expect(refusals('allow: [a]\ndeny: [a]')).toMatchObject([
      { line: 2, column: 8, message: 'the tool "a" has a rule already, at /allow/0' },
    ])
    expect(refusals('default: deny\ntools: { a: {} }\nrequire_approval: [a]')).toMatchObject([{ line: 3 }])
  })
})

describe('what is silent asks', () => {
  test('without a default a person decides about tools that no rule names', () => {
    expect(evaluate(load('allow: [a]'), aJudgedCall('b'))).toMatchObject({
      kind: 'require_approval',
      risk: 'critical',
    })
  })

  test.each([
    'tools: { a: {} }',
    'default: require_approval\ntools: { a: {} }',
    'default: deny\ntools: { a: }',
  ])('an entry that says nothing does not allow: %j', (text) => {
    expect(refusals(text)).toHaveLength(1)
  })
})

describe('a document that does not load', () => {
  test.each([
    ['unknown key', 'defualt: deny', 1, 1, 'unknown key "defualt"', 'did you mean "default"?'],
    ['typo in a tool', 'tools:\n  a: { acton: deny }', 2, 8, 'unknown key "acton"', 'did you mean "action"?'],
    [
      'typo in an action',
      'tools:\n  a: { action: dney }',
      2,
      16,
      '"action" cannot be "dney"',
      'did you mean "deny"?',
    ],
    ['wrong type', 'hide: nworks_logout', 1, 7, '"hide" must be a list, not text', 'write a list'],
    ['number for a name', 'allow: [1]', 1, 9, 'this entry must be text, not a number', 'put it in quotes'],
    ['short form', 'tools: { a: allow }', 1, 13, '"a" must be a map of keys and values, not text', ''],
    ['other version', 'version: "2"', 1, 10, '"version" cannot be "2"', 'did you mean "1"?'],
    ['no name', 'allow: [read it]', 1, 9, 'a tool name has', '`default` is the action'],
    [
      'no name as a key',
      'tools: { "ʀead": { action: deny } }',
      1,
      10,
      'a tool name has',
      'as the server lists',
    ],
    [
      'reason without action',
      'default: deny\ntools: { a: { reason: x } }',
      2,
      13,
      '"action" is missing',
      'allow, deny',
    ],
    [
      'two spellings in one entry',
      'tools: { a: { action: deny, rules: [] } }',
      1,
      15,
      'unknown key "action"',
      'rules',
    ],
    [
      'duplicate key',
      'default: deny\ndefault: allow',
      2,
      1,
      'the key "default" is written twice',
      'keep one',
    ],
    ['duplicate key in JSON', '{"default":"deny",\n "default":"allow"}', 2, 2, 'written twice', 'keep one'],
    ['duplicate tool', 'tools:\n  a: { action: deny }\n  a: { action: allow }', 3, 3, 'written twice', ''],
    ['tab', 'tools:\n\ta: {}', 2, 1, 'tab', 'indent with spaces'],
    ['anchor and alias', 'allow: &a [x]\nhide: *a', 2, 7, 'aliases', 'write the value out'],
    ['merge key', 'tools:\n  <<: { a: {} }', 2, 3, 'merge keys', 'write the keys out'],
    ['tag', 'default: !!js/function "x"', 1, 24, 'tags', 'remove the tag'],
    ['two documents', 'default: deny\n---\ndefault: allow', 2, 1, 'more than one document', 'keep one'],
    ['other YAML', '%YAML 1.1\n---\ndefault: deny', 1, 1, 'only YAML 1.2', 'remove'],
    [
      'prototype',
      'tools:\n  __proto__: { action: allow }',
      2,
      3,
      '"__proto__" is not allowed',
      'another name',
    ],
    ['constructor', 'allow: []\nconstructor: {}', 2, 1, '"constructor" is not allowed', 'another name'],
    ['not a number', 'default: .nan', 1, 10, 'no JSON form', ''],
    ['empty', '', 1, 1, 'the file says nothing', 'require_approval'],
    ['a list', '- a', 1, 1, 'the file must be a map', ''],
    ['broken JSON', '{"default": "deny"', 1, 19, 'not valid YAML or JSON', ''],
    ['too large', `#${'x'.repeat(1024 * 1024)}`, 1, 1, 'larger than 1 MiB', 'split it'],
    ['deep brackets', '['.repeat(100_000), 1, 33, 'nested too deeply', ''],
    ['deep dashes', '- '.repeat(100_000), 1, 65, 'nested too deeply', ''],
    ['many parts', `[${'{},'.repeat(100_000)}]`, 1, 200_000, 'too many parts', ''],
    [
      'deep conditions',
      `default: deny # 가\nrules:\n  - tools: t\n    action: deny\n    when: ${'{not: '.repeat(40)}{path: a}${'}'.repeat(40)}`,
      5,
      11 + 32 * 6,
      'nested too deeply',
      '32 levels',
    ],
    [
      'deep brackets after text of several lines',
      `description: |\n  - - [ "\n  {{{\nhide:\n  ${'['.repeat(40)}`,
      5,
      35,
      'nested too deeply',
      '',
    ],
    ['deep indentation', `hide:\n${' '.repeat(300)}- a`, 2, 1, 'nested too deeply', ''],
  ])('%s', (_, text, line, column, message, remedy) => {
    expect(refusals(text)).toContainEqual({
      file: 'policy.yaml',
      line,
      column,
      path: expect.any(String),
      message: expect.stringContaining(message),
      remedy: expect.stringContaining(remedy),
    })
  })

  test.each([
    ['9007199254740993', '9007199254740992'],
    ['-9007199254740993', '-9007199254740992'],
    ['123456789012345678901', '123456789012345683968'],
    ['0x20000000000001', '9007199254740992'],
    ['9007199254740993.0', '9007199254740992'],
  ])('the number %s, which would be rounded, is refused', (written, rounded) => {
    expect(
      refusals(`rules:\n  - { tools: t, action: deny, when: { path: args.id, in: [1, ${written}] } }`),
    ).toMatchObject([
      {
        line: 2,
        column: 62,
        path: '/rules/0/when/in/1',
        message: expect.stringContaining(`it would be read as ${rounded}`),
        remedy: expect.stringContaining('in quotes'),
      },
    ])
  })

  test.each(['9007199254740991', '1e15', '1e18', '0x1F', '+5', '0.1', '"9007199254740993"'])(
    'the number %s is as it was written',
    (written) => {
      expect(
        refusals(`rules:\n  - { tools: t, action: deny, when: { path: args.id, eq: ${written} } }`),
      ).toEqual([])
    },
  )

  test('an id that no number holds is found as the text it comes as, and a policy that is in force goes on', () => {
    const rule = (value: string) =>
      `default: allow\nrules: [{ tools: t, action: deny, when: { path: args.id, ${value} } }]`
    for (const value of ['eq: "9007199254740993"', 'eq_text: "9007199254740993"']) {
      const read = readPolicy('p.yaml', rule(value))
      if (!read.ok) throw new Error('it does not load')
      const said = (id: string) => evaluate(read.value, aJudgedCall('t', { arguments: { id } })).kind
      expect([said('9007199254740993'), said('9007199254740992')]).toEqual(['deny', 'allow'])
    }
    expect(readPolicyInForce('p.yaml', rule('eq: 9007199254740993')).ok).toBe(true)
  })

  test('every problem is in one report', () => {
    const text =
      'defualt: deny\nhide: 1\ntools:\n  a: { acton: allow }\n  b: { action: deny, rate_limit: 1 }\nallow: [c, c]'
    expect(refusals(text).map(({ line }) => line)).toEqual([1, 2, 4, 5, 6])
  })

  test('no text makes the reader throw, and what loads names only tools that the text names', () => {
    const bits = fc.constantFrom(
      ...'{}[]:,-?&*!|>%#"\'\n\t ',
      'default',
      'deny',
      'tools',
      'a',
      '<<',
      '{}',
      'hide',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(bits).map((parts) => parts.join('')),
        ),
        (text) => {
          const read = readPolicy('policy.yaml', text)
          if (read.ok)
            for (const { tools } of read.value.rules)
              for (const { source } of tools) expect(text).toContain(source)
          else for (const problem of read.error) expect(problem.line).toBeGreaterThan(0)
        },
      ),
    )
  })
})

describe('policies/', () => {
  const reads = /_(whoami|doctor|list|read|posts|members)$/

  test('nworks.json lets reading pass and asks about the rest', () => {
    const policy = load(textOf('policies/nworks.json'), 'policies/nworks.json')
    const named = policy.rules.flatMap((rule) => rule.tools.map(({ source }) => source))
    const tools = new Set(named.filter((name) => !name.includes('*')))
    expect(tools.size).toBe(26)
    for (const tool of tools) {
      const verdict = evaluate(policy, aJudgedCall(tool))
      expect([tool, verdict.kind]).toEqual([tool, reads.test(tool) ? 'allow' : 'require_approval'])
      if (verdict.kind === 'require_approval') expect(verdict.reason).toMatch(/\w\.$/)
    }
    expect(evaluate(policy, aJudgedCall('nworks_logout')).kind).toBe('require_approval')
    expect(evaluate(policy, aJudgedCall('nworks_new_in_the_next_release')).kind).toBe('require_approval')
  })
})
