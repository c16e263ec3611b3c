/** `suggest`: rules from consistent decisions, with evidence, tried on everything that was decided; nothing broad for what is grave. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Decision, Settled } from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { evaluate } from '../../src/domain/policy.ts'
import type { ToolFacts } from '../../src/domain/risk.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { amended } from '../../src/files/policy/amend.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { type AmendPolicy, createSuggest } from '../../src/services/suggest.ts'
import { aJudgedCall, anApproval, aRevision } from '../support/builders.ts'
import { createMemoryLedger } from '../support/memory-ledger.ts'
import { createWorld } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

const START_MS = Date.UTC(2026, 10, 1, 9)
const source = 'policies/shop.yaml'
const policyText = `# What our shop allows.
default: deny
allow: [list_orders] # harmless
require_approval:
  add_label: Labels are seen by customers.
  merge: This deploys.
  "delete_*": Cannot be undone.
tools:
  refund: { action: require_approval, reason: Moves money. }
  drop_table: { action: require_approval }
  whoami_2: { action: require_approval }
`
const facts: Record<string, ToolFacts> = {
  add_label: { category: 'write', risk: 'medium' },
  merge: { category: 'write', risk: 'medium' },
  refund: { category: 'financial', risk: 'critical' },
  delete_label: { category: 'destructive', risk: 'high' },
  drop_table: { category: 'destructive', risk: 'critical' },
}

let settled: Settled[]
let door: Awaited<ReturnType<typeof listenOn>>
let ledger: ReturnType<typeof createMemoryLedger>
let amend: AmendPolicy
beforeEach(async () => {
  settled = []
  amend = amended
  ledger = createMemoryLedger(START_MS)
  await ledger.revisions.putInForce(aRevision(policyText, { server: 'shop', source }), null)
  const suggest = createSuggest({
    ledger: {
      nowMs: ledger.nowMs,
      list: async ({ after, limit }) => {
        const newest = settled.toReversed()
        return newest
          .slice(after === null ? 0 : newest.findIndex(({ id }) => id === after) + 1)
          .slice(0, limit)
      },
    },
    ...{ revisions: ledger.revisions, readPolicy: readPolicyText, servers: ['shop'] },
    amend: (...how) => amend(...how),
    rules: { facts: (_server, tool) => facts[tool] ?? { category: null, risk: 'critical' } },
  })
  door = await listenOn(createWorld({ suggest }))
})
afterEach(() => door.close())

const run = (person: string, ...args: string[]) =>
  holdpoint(['suggest', '--server', 'shop', ...args], {
    env: { HOLDPOINT_URL: door.url, HOLDPOINT_TOKEN: `hpp_${person}` },
  })
const asJson = async (...args: string[]) => JSON.parse((await run('kim', '--json', ...args)).out)

interface Wish {
  readonly by?: string
  readonly answer?: Decision['kind']
  readonly agent?: string
  readonly owner?: string
  readonly meta?: JsonObject
  /** `inputResponses` and `requestState`. */
  readonly answers?: JsonObject
}

/** Calls that were decided, by two people in turn. */
function decided(
  tool: string,
  calls: readonly JsonObject[],
  { by, answer = 'approve', agent = 'bot', owner = 'jun', meta = {}, answers = {} }: Wish = {},
) {
  calls.forEach((args, index) => {
    const { approval } = anApproval({ nowMs: START_MS - 1_000_000 + settled.length * 1_000 })
    const person = by ?? (index % 2 === 0 ? 'mina' : 'lee')
    const decision = {
      kind: answer,
      by: person,
      reason: null,
      digest: 'd',
      via: 'slack',
      atMs: approval.createdAtMs,
      with: [],
      gives: null,
      under: null,
    } as const
    const { status: _status, ...header } = approval
    settled.push({
      ...header,
      status: 'settled',
      asked: { ...approval.asked, server: 'shop', tool, requester: { name: agent, owner } },
      proposed: { ...approval.proposed, canonicalParams: canonicalParams(tool, args, meta, answers) },
      settledAtMs: approval.createdAtMs,
      outcome:
        answer === 'reject'
          ? { kind: 'rejected', decision }
          : { kind: 'not_sent', decision, reason: 'the server was away' },
    })
  })
}
const labels = (label: string, count: number) =>
  Array.from({ length: count }, (_, issue) => ({ issue, label }))

describe('always approved', () => {
  test('becomes allowed for that agent with those arguments, as a diff that applies, and nothing is changed', async () => {
    decided('add_label', [...labels('bug', 4), ...labels('docs', 3)])
    const { out, err, code } = await run('kim')
    expect(code).toBe(0)
    expect(err).toContain('approved 7 of 7 times by mina (4), lee (3)')
    expect(err).toContain('Nothing was changed.')
    const directory = mkdtempSync(join(tmpdir(), 'suggest-'))
    mkdirSync(join(directory, 'policies'))
    writeFileSync(join(directory, source), policyText)
    execFileSync('git', ['apply', '-'], { cwd: directory, input: `${out}\n` })
    const text = readFileSync(join(directory, source), 'utf8')
    expect(text).toContain('# What our shop allows.')
    expect(text).toContain('# harmless')
    const policy = readPolicyText(source, text)
    if (!policy.ok) throw new Error(policy.error)
    const answer = (args: JsonObject, agent = 'bot', tool = 'add_label', owner = 'jun') =>
      evaluate(policy.value, aJudgedCall(tool, { arguments: args, agent, owner })).kind
    expect(answer({ issue: 2, label: 'bug' })).toBe('allow')
    expect(answer({ issue: 900, label: 'bug' })).toBe('require_approval')
    expect(answer({ issue: 2, label: 'paid' })).toBe('require_approval')
    expect(answer({ issue: 2, label: 'bug', force: true })).toBe('require_approval')
    expect(answer({ issue: 2, label: 'bug' }, 'other')).toBe('require_approval')
    expect(answer({ issue: 2, label: 'bug' }, 'bot', 'add_label', 'sora')).toBe('require_approval')
    expect(answer({ issue: 2 })).toBe('require_approval')
    expect(answer({}, 'bot', 'merge')).toBe('require_approval')
    expect(await ledger.revisions.inForce()).toEqual(new Map([['shop', 1]]))
  })

  test('not by one person, not too seldom, not with one no, not by the owner, not where it was edited', async () => {
    decided('add_label', labels('bug', 9), { by: 'mina' })
    decided('merge', [{ pr: 1 }, { pr: 2 }, { pr: 3 }, { pr: 4 }])
    decided(
      'refund',
      Array.from({ length: 8 }, () => ({ order: 'a' })),
      { answer: 'confirm' },
    )
    expect((await asJson()).suggestions).toEqual([])
    expect((await run('kim')).err).toMatch(
      /Nothing to suggest: .*at least \d+ calls of one tool .* by at least \d+ people/,
    )
    decided('merge', [{ pr: 1 }], { answer: 'reject' })
    decided('merge', [{ pr: 2 }, { pr: 2 }])
    expect((await asJson()).suggestions).toEqual([])
    expect((await asJson('--min-decisions', '3')).suggestions).toMatchObject([
      { action: 'allow', tool: 'merge' },
    ])
  })

  test('what pays or destroys only for exactly the values that were seen, and never without any', async () => {
    decided(
      'refund',
      [...Array(3)].flatMap(() => [
        { amount: 5, order: 'a' },
        { amount: 10, order: 'b' },
      ]),
    )
    decided(
      'delete_label',
      [...Array(6)].map((_, issue) => ({ issue })),
    )
    decided(
      'drop_table',
      [...Array(9)].map(() => ({})),
    )
    decided(
      'whoami_2',
      [...Array(9)].map(() => ({})),
    )
    const { suggestions, left } = await asJson()
    expect(left).toEqual([])
    expect(suggestions).toMatchObject([
      {
        tool: 'refund',
        when: {
          all: [
            { in: ['bot'] },
            { path: 'owner', eq: 'jun' },
            { length: { eq: 2 } },
            { path: 'args.amount', in: [10, 5] },
            { path: 'args.order', in: ['a', 'b'] },
          ],
        },
        open: [],
      },
    ])
  })

  test('free text is named as not limited, and what looks like a secret never gets into the policy', async () => {
    decided(
      'add_label',
      [...Array(6)].map((_, n) => ({ label: `text ${n}`, api_key: 'sk-123' })),
    )
    const { suggestions, diff } = await asJson()
    expect(suggestions[0].open).toEqual(['api_key', 'label'])
    expect(diff).not.toContain('sk-123')
    expect((await run('kim')).err).toContain('NOT limited, because always different: api_key, label')
  })

  test('gets its exception out of a rule for a pattern without touching what else the pattern asks about', async () => {
    facts.delete_label = { category: 'write', risk: 'low' }
    decided(
      'delete_label',
      [...Array(6)].map(() => ({ label: 'old' })),
    )
    const { diff, suggestions } = await asJson()
    expect(suggestions).toHaveLength(1)
    expect(diff).toContain('-  "delete_*": Cannot be undone.')
    expect(diff).toContain('path: tool')
    facts.delete_label = { category: 'destructive', risk: 'high' }
  })
})

describe('limits of the rule that asks', () => {
  const limited = `default: deny
tools:
  refund:
    action: require_approval
    reason: Moves money.
    # As agreed with finance.
    spend_limit: { path: args.amount, max: 100, calendar: day } # KRW
    rate_limit: [{ max: 3, window: 3600 }, { max: 9, calendar: day, per: owner, counter: money }]
rules:
  - tools: ["refund*", merge]
    owners: j*
    action: require_approval
    approval: { timeout: 5m }
    when: { path: args.amount, gt: 0 }
    spend_limit: { path: args.amount, max: 70, window: 60 }
`
  const paid = () =>
    decided(
      'refund',
      [...Array(3)].flatMap(() => [{ amount: 5 }, { amount: 10 }]),
    )
  const put = (text: string) => ledger.revisions.putInForce(aRevision(text, { server: 'shop', source }), 1)
  const judged = (text: string, tool: string, args: JsonObject) => {
    const policy = readPolicyText(source, text)
    if (!policy.ok) throw new Error(policy.error)
    const verdict = evaluate(policy.value, aJudgedCall(tool, { arguments: args, agent: 'bot', owner: 'jun' }))
    const reservations = 'reservations' in verdict ? verdict.reservations : []
    const counted = reservations
      .map(({ key, max, amount }) => ({ key, max, amount }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    return { kind: verdict.kind, counted }
  }

  test.each([
    ['YAML', limited],
    ['JSON', JSON.stringify(parse(limited))],
  ])(
    'go on counting, under the same counts, for what is allowed now and for what is not (%s)',
    async (_, text) => {
      paid()
      await put(text)
      let amendedText = text
      amend = (...how) => {
        const next = amended(...how)
        if (next.ok) amendedText = next.value
        return next
      }
      const { suggestions, left } = await asJson()
      expect(left).toEqual([])
      expect(suggestions).toHaveLength(1)
      const before = judged(text, 'refund', { amount: 5 })
      expect(before).toMatchObject({ kind: 'require_approval', counted: { length: 4 } })
      expect(judged(amendedText, 'refund', { amount: 5 })).toEqual({ ...before, kind: 'allow' })
      for (const [tool, args] of [
        ['refund', { amount: 7 }],
        ['refund', { amount: 0 }],
        ['refund', {}],
        ['merge', { amount: 5 }],
      ] as const)
        expect(judged(amendedText, tool, args)).toEqual(judged(text, tool, args))
      if (_ === 'YAML') {
        expect(amendedText).toContain('# As agreed with finance.')
        expect(amendedText).toContain('# KRW')
      }
    },
  )

  test('nothing is suggested that would take a call out of a limit, or raise one, and it says why', async () => {
    paid()
    await put(limited)
    for (const lost of [
      limited.replace(/ +spend_limit.*KRW\n/, ''),
      limited.replace('max: 100', 'max: 101'),
      limited.replace('counter: money', 'counter: other'),
    ]) {
      amend = (...[from, , suggestion, asking]) => amended(from, lost, suggestion, asking)
      const { suggestions, left } = await asJson()
      expect(suggestions).toEqual([])
      expect(left).toMatchObject([{ tool: 'refund', why: expect.stringMatching(/limit .* would no longer/) }])
    }
    expect((await run('kim')).err).toContain('would no longer')
  })
})

describe('what a policy cannot see', () => {
  const plain = (count: number, wish?: Wish) =>
    decided(
      'merge',
      [...Array(count)].map(() => ({ base: 'main' })),
      wish,
    )
  const meta = { 'example.com/scope': 'prod' }
  const answers = { inputResponses: { sure: { action: 'accept' } }, requestState: 's' }

  test('calls with `_meta` or answers that people saw are no evidence, and a rule that would let them pass is not told', async () => {
    plain(4)
    plain(8, { meta })
    plain(8, { answers })
    expect((await asJson()).suggestions).toEqual([])
    plain(1)
    const { suggestions, left } = await asJson()
    expect(suggestions).toEqual([])
    expect(left).toMatchObject([
      { evidence: { decisions: 5 }, why: expect.stringContaining('does not stand on') },
    ])
  })

  test('a no to such a call is a no, and never a reason to forbid; what only carries a call is no part of it', async () => {
    plain(6)
    plain(1, { answer: 'reject', meta })
    decided(
      'drop_table',
      [...Array(9)].map(() => ({})),
      { answer: 'reject', answers },
    )
    expect(await asJson()).toMatchObject({ suggestions: [], left: [] })
    settled = []
    plain(6, { meta: { progressToken: 1, traceparent: 'x' } })
    expect((await asJson()).suggestions).toHaveLength(1)
  })

  test('an agent is allowed with the owner that it had, not with that of another one', async () => {
    plain(3)
    plain(3, { agent: 'bat', owner: 'sora' })
    let amendedText = ''
    amend = (...how) => {
      const next = amended(...how)
      if (next.ok) amendedText = next.value
      return next
    }
    expect((await asJson()).suggestions).toHaveLength(1)
    const policy = readPolicyText(source, amendedText)
    if (!policy.ok) throw new Error(policy.error)
    const answer = (agent: string, owner: string) =>
      evaluate(policy.value, aJudgedCall('merge', { arguments: { base: 'main' }, agent, owner })).kind
    expect(answer('bot', 'jun')).toBe('allow')
    expect(answer('bat', 'sora')).toBe('allow')
    expect(answer('bot', 'sora')).toBe('require_approval')
    expect(answer('bat', 'jun')).toBe('require_approval')
  })
})

describe('always rejected', () => {
  test('becomes forbidden; where one argument tells yes and no apart, each is told', async () => {
    decided('drop_table', [{ table: 'a' }, { table: 'b' }, { name: 'c' }, {}, { table: 'd' }], {
      answer: 'reject',
    })
    decided(
      'merge',
      [...Array(5)].map((_, pr) => ({ base: 'main', pr })),
      { answer: 'reject' },
    )
    decided(
      'merge',
      [...Array(6)].map((_, pr) => ({ base: 'develop', pr })),
    )
    const { suggestions } = await asJson()
    expect(suggestions).toMatchObject([
      { action: 'deny', tool: 'drop_table', when: null },
      {
        action: 'allow',
        tool: 'merge',
        when: {
          all: [{}, {}, {}, { path: 'args.base', eq: 'develop' }, { path: 'args.pr', gte: 0, lte: 5 }],
        },
      },
      { action: 'deny', tool: 'merge', when: { path: 'args.base', eq: 'main' } },
    ])
  })

  test('is not told where it would forbid what people approve otherwise', async () => {
    decided(
      'merge',
      [...Array(5)].map((_, pr) => ({ base: 'main', pr })),
      { answer: 'reject' },
    )
    decided('merge', [{ base: 'develop', pr: 1 }])
    decided('merge', [{ base: 'main', pr: 1, hotfix: true }])
    const { suggestions, left } = await asJson()
    expect(suggestions).toEqual([])
    expect(left).toMatchObject([
      { action: 'deny', tool: 'merge', why: expect.stringContaining('which was approved') },
    ])
  })
})

test('the same every time; bounded; for those who may see what others decided', async () => {
  for (let tool = 0; tool < 30; tool++)
    decided(
      `tool_${tool}`,
      [...Array(5)].map(() => ({ x: 1 })),
      { answer: 'reject' },
    )
  const first = await asJson()
  expect(first.suggestions).toHaveLength(20)
  expect(await asJson()).toEqual(first)
  expect((await run('guest')).err).toContain('Only operators and approvers see what others decided')
  expect((await run('kim', '--min-people', '1')).code).toBe(1)
  expect((await run('kim', '--since', '1m')).err).toContain('0 decisions')
})

test('a policy in a foreign spelling is not rewritten, and a JSON one stays JSON', async () => {
  decided(
    'merge',
    [...Array(6)].map(() => ({ base: 'main' })),
  )
  const hosted = '{"version":"1","default":"deny","all_tools":{},"tools":{"merge":{}}}'
  await ledger.revisions.putInForce(aRevision(hosted, { server: 'shop', source: 'shop.json' }), 1)
  expect((await asJson()).left).toMatchObject([{ why: expect.stringContaining('policy convert') }])
  const own = '{"default": "require_approval"}'
  await ledger.revisions.putInForce(aRevision(own, { server: 'shop', source: 'shop.json' }), 2)
  const { suggestions, diff } = await asJson()
  expect(suggestions).toHaveLength(1)
  expect(diff).toContain('+  "rules": [')
})
