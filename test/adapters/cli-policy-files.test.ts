/** `holdpoint test`, `policy convert`, `policy schema`, and what `validate` says about spellings. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { holdpoint } from './cli-runner.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'holdpoint-policy-'))
})
afterEach(() => rmSync(cwd, { recursive: true }))
const write = (files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
}

const shop =
  'default: deny\nallow: [read]\ntools: { pay: { action: require_approval, when: { path: args.n, lt: 5 } } }\n'

describe('test', () => {
  test('passes, and says which rules no test reached', async () => {
    write({
      'shop.yaml': shop,
      'shop.test.yaml':
        'tests:\n  - { call: pay, arguments: { n: 1 }, expect: require_approval, rule: /tools/pay/action }\n  - { call: x, expect: deny }\n',
    })
    const { code, out } = await holdpoint(['test', 'shop.yaml'], { cwd })
    expect(out).toBe('shop.yaml: 2 of 2 tests passed; 2 of 3 rules decided one.\n  never: /allow/0')
    expect(code).toBe(0)
  })

  test('fails with the line, what was expected and what came', async () => {
    write({
      'shop.yaml': shop,
      'shop.test.yaml': 'tests:\n  - { call: read, expect: allow }\n  - { call: pay, expect: allow }\n',
    })
    const { code, out } = await holdpoint(['test', 'shop.yaml'], { cwd })
    expect(out).toMatch(/3 +pay +allow +deny by \/default/)
    expect(code).toBe(1)
  })

  test('with tests alone runs nothing, and does not look as if all had passed', async () => {
    write({ 'shop.yaml': shop, 'shop.test.yaml': 'tests:\n  - { call: read, expect: deny }\n' })
    const { code, out, err } = await holdpoint(['test', 'shop.test.yaml'], { cwd })
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain('nothing was run')
    expect(err).toContain('name the policy that it stands beside: npx holdpoint test shop.yaml')
  })

  describe('of grants', () => {
    const policy = `default: deny
tools:
  pay:
    action: require_approval
    approval:
      grants: { max_uses: 3, max_duration: 90m, may_differ: [args.note, { path: args.n, gte: 0, lte: 50 }] }
  drop: { action: require_approval }
rules:
  - { tools: pay, action: deny, when: { path: args.note, eq: gift } }
`
    const run = async (grants: string, call = 'pay') => {
      write({
        'shop.yaml': policy,
        'shop.test.yaml': `tests:\n  - { call: ${call}, arguments: { to: a, n: 20, note: '첫' }, expect: require_approval, grants: ${grants} }\n`,
      })
      const { code, out, err } = await holdpoint(['test', '--json', 'shop.yaml'], { cwd })
      const [one] = out === '' ? [] : (JSON.parse(out).policies[0]?.tests ?? [])
      return {
        code,
        expected: one?.expected,
        got: one?.got,
        problems: out === '' ? err : JSON.parse(out).problems,
      }
    }

    test.each([
      ['{ max_uses: 3, max_duration: 90m }', 'pay'],
      ['{}', 'pay'],
      ['none', 'drop'],
      ['{ covers: [{ to: a, n: 0, note: 다른 }, { to: a, n: 50, note: "" }] }', 'pay'],
      [
        '{ asks: [{ to: b, n: 20, note: x }, { to: a, n: 51, note: x }, { to: a, n: -1, note: x }, { to: a, n: "20", note: x }, { to: a, note: x }, { to: a, n: 20, note: x, more: 1 }, { to: a, n: 20, note: gift }] }',
        'pay',
      ],
    ])('%s holds for %s', async (grants, call) => {
      expect(await run(grants, call)).toMatchObject({ code: 0 })
    })

    test.each([
      ['none', 'pay', 'grants none', 'grants 3 for 90m'],
      ['{ max_uses: 4 }', 'pay', 'grants 4', 'grants 3 for 90m'],
      ['{ max_duration: 1h }', 'pay', 'grants some for 1h', 'grants 3 for 90m'],
      ['{}', 'drop', 'grants some', 'grants none'],
      [
        '{ covers: [{ to: b, n: 1, note: x }] }',
        'pay',
        'covers {"to":"b","n":1,"note":"x"}',
        'it differs where the rule does not let it',
      ],
      ['{ covers: [{ to: a, n: 51, note: x }] }', 'pay', 'covers', 'it is out of the bounds of the rule'],
      ['{ covers: [{ to: a, n: 1, note: gift }] }', 'pay', 'covers', 'its own verdict is deny'],
      ['{ asks: [{ to: a, n: 1, note: x }] }', 'pay', 'asks about', 'it is covered'],
    ])('%s of %s fails, and says why', async (grants, call, expected, got) => {
      const ran = await run(grants, call)
      expect(ran.code).toBe(1)
      expect(ran.expected).toContain(expected)
      expect(ran.got).toContain(got)
    })

    test('that say nothing sensible are refused with their place', async () => {
      for (const grants of ['some', '{ max_use: 3 }', '{ covers: [] }', '{ asks: [3] }']) {
        const ran = await run(grants)
        expect([grants, ran.code]).toEqual([grants, 2])
        expect(JSON.stringify(ran.problems)).toContain('/tests/0/grants')
      }
    })
  })

  test('is readable for programs', async () => {
    write({ 'shop.yaml': shop, 'shop.test.yaml': 'tests:\n  - { call: read, expect: deny }\n' })
    const { code, out } = await holdpoint(['test', '--json', 'shop.yaml'], { cwd })
    expect(JSON.parse(out)).toMatchObject({
      passed: false,
      policies: [
        { file: 'shop.yaml', tests: [{ line: 2, got: 'allow by /allow/0', passed: false }], deciding: 3 },
      ],
    })
    expect(code).toBe(1)
  })

  test('without a test file, with a broken one and with a broken policy there is nothing to run', async () => {
    write({
      'shop.yaml': shop,
      'bad.yaml': 'defualt: deny',
      'other.yaml': shop,
      'other.test.yaml': 'tests: [{ cal: x }]',
    })
    const { code, err } = await holdpoint(['test', 'shop.yaml', 'bad.yaml', 'other.yaml'], { cwd })
    expect(code).toBe(2)
    for (const word of [
      'shop.test.yaml',
      'there is no such file',
      'did you mean "default"',
      'unknown key "cal"',
    ]) {
      expect(err).toContain(word)
    }
  })

  const ready = readdirSync('policies').filter((name) => /(?<!\.schema|\.test)\.(json|yaml)$/.test(name))
  test.each(ready)('the ready policy %s passes its own', async (name) => {
    const { code, out } = await holdpoint(['test', '--json', `policies/${name}`], { cwd: process.cwd() })
    expect(JSON.parse(out)).toMatchObject({ passed: true })
    expect(code).toBe(0)
  })
})

describe('policy', () => {
  test('convert rewrites into our own spelling and says what is stricter', async () => {
    write({
      'i.yaml':
        'version: "1"\ndescription: a shop\ntools:\n  pay: { rules: [{ conditions: [{ path: state.pay.s, op: lte, value: 9 }], state: { counter: s, window: day, increment_from: args.n } }] }\n  drop: { rules: [{ action: deny }] }\n',
    })
    const { code, out, err } = await holdpoint(['policy', 'convert', 'i.yaml'], { cwd })
    expect(code).toBe(0)
    expect(out).toContain('description: a shop\ndefault: allow\n')
    expect(out).toContain('spend_limit')
    expect(out).toContain('calendar: day')
    expect(err).toContain('amounts that are negative')
    write({
      'own.yaml': out,
      'holdpoint.yaml': 'servers: { s: { url: "https://s.example/mcp", policy: own.yaml } }',
    })
    const validated = await holdpoint(['validate'], { cwd })
    expect(validated.out).toContain("Holdpoint's own")
  })

  test('schema is JSON Schema', async () => {
    const { out } = await holdpoint(['policy', 'schema'])
    expect(JSON.parse(out)).toMatchObject({ title: 'Holdpoint policy', type: 'object' })
  })
})

describe('validate', () => {
  const validated = async (files: Record<string, string>) => {
    write({ 'holdpoint.yaml': 'servers: { s: { url: "https://s.example/mcp", policy: p.yaml } }', ...files })
    const { code, out, err } = await holdpoint(['validate'], { cwd })
    expect([code, err]).toEqual([0, ''])
    return out.split('Worth a look:\n')[1] ?? ''
  }

  test('says which names are of no tool, where the tests beside the policy list the tools', async () => {
    const policy = 'default: deny\nallow: [list_orders, get_*]\ndeny:\n  delete_order: Never.\n'
    const rules = 'rules:\n  - { tools: [refnd, "purge_*"], action: require_approval }\nhide: [old]\n'
    const tests = (tools: string) => `${tools}calls:\n  - list_orders → allow\n`
    const listed = 'tools: [list_orders, get_order, delete_order, refund]\n'
    const said = await validated({ 'p.yaml': policy + rules, 'p.test.yaml': tests(listed) })
    expect(said).toContain('p.yaml:6:15  the server has no tool "refnd"')
    expect(said).toContain('did you mean "refund"?')
    expect(said).toContain('p.yaml:6:22  no tool of the server is called like "purge_*"')
    expect(said).toContain('p.yaml:7:8  the server has no tool "old"')
    expect(said).not.toContain('delete_order')
    expect(await validated({ 'p.test.yaml': tests('') })).toBe('')
  })

  const team = `people: { mina: {}, jun: {}, ari: {}, hana: {} }
groups: { finance: [mina], ops: [jun, ari, hana] }
agents: { bot: { owner: hana } }
servers: { s: { url: "https://s.example/mcp", policy: p.yaml } }
`
  const asks = (tools: string, approval: string, more = '') =>
    `  - { tools: ${tools}, action: require_approval, approval: { ${approval} }${more} }\n`

  test('says which rules people can satisfy each, and not both', async () => {
    const grave = asks('"pay*"', 'groups: [finance]', ', treat_as: critical')
    const policyText = `rules:\n${grave}${asks('pay', 'groups: [ops], quorum: 2')}`
    const said = await validated({ 'holdpoint.yaml': team, 'p.yaml': policyText })
    expect(said).toContain('p.yaml:3:5  this rule and /rules/0 can each be satisfied, and not both at once')
    expect(said).toContain('2 of finance must say yes')
  })

  test.each([
    [
      'the one that names the people wants more of them',
      asks('pay', 'groups: [ops], quorum: 2, timeout: 1h', ', treat_as: critical') +
        asks('pay', 'groups: [ops]'),
    ],
    [
      'they are never of one call',
      asks('pay', 'groups: [finance]', ', treat_as: critical, when: { path: args.a, lt: 5 }') +
        asks('pay', 'groups: [ops], quorum: 2', ', when: { path: args.a, gte: 5 }'),
    ],
    [
      'they are about different tools',
      asks('pay', 'groups: [finance]', ', treat_as: critical') + asks('refund', 'groups: [ops], quorum: 2'),
    ],
    [
      'it names enough people',
      asks('pay', 'groups: [finance, ops]', ', treat_as: critical') + asks('pay', 'groups: [ops], quorum: 2'),
    ],
  ])('says nothing of the kind where %s', async (_, rules) => {
    const said = await validated({ 'holdpoint.yaml': team, 'p.yaml': `rules:\n${rules}` })
    expect(said).not.toContain('not both at once')
  })
})

test('validate names the spelling and what deserves a look', async () => {
  write({
    'i.yaml': 'tools: { a: { rules: [{ rate_limit: 5/hour }] } }',
    'holdpoint.yaml': 'servers: { s: { url: "https://s.example/mcp", policy: i.yaml } }',
  })
  const { code, out } = await holdpoint(['validate'], { cwd })
  expect(code).toBe(0)
  expect(out).toContain('PolicyLayer Intercept')
  expect(out).toMatch(/Worth a look:\ni\.yaml:1:1 {2}tools without a rule pass/)
})
