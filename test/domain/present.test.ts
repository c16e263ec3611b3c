import { describe, expect, test } from 'vitest'
import type { Approval, Decision, Outcome } from '../../src/domain/approval.ts'
import { noEvidence } from '../../src/domain/evidence.ts'
import {
  approversText,
  type Beholder,
  outcomeText,
  present,
  spanText,
  yesOf,
} from '../../src/domain/present.ts'
import { anApproval, minutes, people, START_MS } from '../adapters/api-world.ts'

const beholder: Beholder = {
  nowMs: START_MS + 5 * minutes,
  isRequesterWaiting: true,
  startWithinMs: 60 * minutes,
  when: (atMs) => new Date(atMs).toISOString().slice(11, 16),
}
const fieldsOf = (approval: Approval, as: Beholder = beholder) =>
  Object.fromEntries(present(approval, as).fields.map(({ label, text }) => [label, text]))

describe('present', () => {
  test('names everything a person needs, in order', () => {
    const shown = present(anApproval({ toolTitle: '로그아웃', args: { profile: 'default' } }), beholder)
    expect(shown).toMatchObject({
      ticket: 'HP-7K2M9Q4T0X',
      risk: { level: 'critical', word: 'Critical' },
      title: '로그아웃 (nworks_logout)',
      state: 'Waiting for a decision',
    })
    expect(shown.fields).toEqual([
      { label: 'Server', text: 'nworks' },
      { label: 'Tool', text: 'nworks_logout' },
      { label: 'Asked by', text: 'bot, for whom owner answers' },
      { label: 'Client', text: 'claude-code 2.1.0 (as it says itself)' },
      { label: 'Why it asks', text: 'logs everybody out (rule nworks.json#/tools/nworks_logout)' },
      { label: 'Who may decide', text: 'anyone in ops, lee; never the owner of the agent' },
      { label: 'Decide by', text: '13:00, in 3 h 55 min; without a decision it expires and nothing is sent' },
      { label: 'A yes now', text: 'it runs at once, exactly as shown' },
    ])
    expect(shown.digest.full.startsWith(shown.digest.short.replaceAll(' ', ''))).toBe(true)
  })

  test('shows arguments and everything else that would be sent, in canonical order and in full', () => {
    const args = { to: 'a@x.example', body: `first\n${'x'.repeat(100_000)}`, '9': 1, '10': 2 }
    const { sections } = present(anApproval({ args, meta: { 'com.example/mode': 'fast' } }), beholder)
    expect(sections.map(({ label }) => label)).toEqual(['_meta', 'Arguments'])
    expect(sections[0]?.lines).toEqual(['{', '  "com.example/mode": "fast"', '}'])
    expect(sections[1]?.lines).toEqual([
      '{',
      '  "10": 2,',
      '  "9": 1,',
      `  "body": "first\\n${'x'.repeat(100_000)}",`,
      '  "to": "a@x.example"',
      '}',
    ])
  })

  test('hostile text from agent, client and tool is shown harmlessly', () => {
    const approval = anApproval({
      client: 'nice\u001b[2J\u202Eclient',
      toolTitle: 'Read\nonly',
      args: { text: `\u202Egnp.exe\u001b]0;x\u0007${'\n'.repeat(500)}` },
    })
    const everything = JSON.stringify(present(approval, beholder))
    expect(everything).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(fieldsOf(approval).Client).toBe('nice\\u{1B}[2J\\u{202E}client (as it says itself)')
    const [section] = present(approval, beholder).sections
    expect(section?.lines).toHaveLength(3)
    expect(section?.lines[1]).toContain('"\\u{202E}gnp.exe\\u001b]0;x\\u0007\\n\\n')
  })

  test('says what a yes would do when nobody is there to receive the result', () => {
    const text = fieldsOf(anApproval(), { ...beholder, isRequesterWaiting: false })['A yes now']
    expect(text).toBe('it runs when the agent returns, until 10:05, exactly as shown')
  })

  test('after the decision it says what happens, and no more when to decide', () => {
    const { status: _pending, ...header } = anApproval()
    const approved: Approval = {
      ...header,
      status: 'approved',
      decision: decision(),
      startByMs: START_MS + 65 * minutes,
    }
    const shown = present(approved, { ...beholder, isRequesterWaiting: false })
    expect(shown.state).toBe('Approved by kim, not run yet; it runs when the agent returns, until 10:05')
    expect(shown.fields.map(({ label }) => label)).not.toContain('Decide by')
  })
})

describe('yesOf', () => {
  const self = { groups: [], people: [], selfConfirm: true }
  test.each([
    ['an approver may approve', {}, 'kim', { kind: 'offered', word: 'Approve' }],
    [
      'the owner confirms where the rule says so',
      { approvers: self },
      'owner',
      { kind: 'offered', word: 'Confirm' },
    ],
    ['the owner of the agent may not', {}, 'owner', { kind: 'withheld' }],
    ['a stranger may not', {}, 'guest', { kind: 'withheld' }],
  ])('%s', (_name, wish, who, expected) => {
    const person = people[who]
    if (person === undefined) throw new Error(who)
    expect(yesOf(anApproval(wish), person, beholder.nowMs)).toMatchObject(expected)
    expect(yesOf(anApproval(wish), person, START_MS + 240 * minutes)).toMatchObject({ kind: 'withheld' })
  })
})

function decision(kind: Decision['kind'] = 'approve', reason: string | null = null): Decision {
  return {
    kind,
    by: 'kim',
    reason,
    digest: 'd',
    via: 'cli',
    atMs: START_MS,
    with: [],
    gives: null,
    under: null,
  }
}

const reply = { kind: 'result', isError: false, digest: 'd', bytes: 12 } as const
const outcomes: [Outcome, string][] = [
  [
    { kind: 'answered', decision: decision(), reply },
    'Approved by kim. It ran once; the server answered (12 bytes).',
  ],
  [
    { kind: 'answered', decision: decision('confirm'), reply: { ...reply, isError: true } },
    'Confirmed by the owner, kim. It ran once; the tool says that it failed (12 bytes).',
  ],
  [
    { kind: 'answered', decision: decision(), reply: { ...reply, kind: 'error' } },
    'Approved by kim. It was sent once; the server answered with an error (12 bytes).',
  ],
  [
    { kind: 'rejected', decision: decision('reject', 'not today\u202E') },
    'Denied by kim: “not today\\u{202E}”. Nothing was sent.',
  ],
  [{ kind: 'expired' }, 'Nobody decided in time. Nothing was sent.'],
  [
    { kind: 'lapsed', decision: decision() },
    'Approved by kim, but the agent was not there in time to receive the result. Nothing was sent.',
  ],
  [{ kind: 'cancelled', by: 'lee', reason: null }, 'Withdrawn by lee. Nothing was sent.'],
  [
    { kind: 'invalidated', change: 'the policy forbids this tool now', successor: null, forbidden: false },
    'No longer valid: the policy forbids this tool now. Nothing was sent.',
  ],
  [
    { kind: 'not_sent', decision: decision(), reason: 'connection refused' },
    'Approved by kim, but it could not be sent: connection refused. Certainly nothing was sent.',
  ],
  [
    {
      kind: 'answered',
      decision: decision(),
      reply: { kind: 'result', isError: false, isTask: true, digest: 'd', bytes: 90 },
    },
    'Approved by kim. It was sent once; the server accepted it as a task of its own, and the agent collects there how it ends.',
  ],
  [
    {
      kind: 'indeterminate',
      decision: decision(),
      reason: 'the connection broke',
      annotations: [],
      evidence: noEvidence,
      successor: null,
    },
    'Approved by kim and perhaps sent; nobody can know whether it happened: the connection broke. It will not be sent again. A person has to look.',
  ],
  [
    {
      kind: 'indeterminate',
      decision: decision(),
      reason: 'the connection broke',
      annotations: [{ finding: 'did_not_happen', by: 'lee', note: 'checked', atMs: START_MS }],
      evidence: noEvidence,
      successor: null,
    },
    'Approved by kim and perhaps sent; nobody can know whether it happened: the connection broke. It will not be sent again. lee looked: it did not happen: “checked”.',
  ],
]
test.each(outcomes)('the outcome %j in plain words', (outcome, text) => {
  expect(outcomeText(outcome)).toBe(text)
})

test.each([
  [
    { groups: ['ops'], people: ['lee', 'owner'], selfConfirm: false },
    'anyone in ops, lee; never the owner of the agent',
  ],
  [{ groups: ['ops'], people: [], selfConfirm: true }, 'anyone in ops; owner may confirm as the owner'],
  [{ groups: [], people: ['lee'], selfConfirm: false }, 'lee'],
  [{ groups: [], people: [], selfConfirm: true }, 'owner may confirm as the owner'],
  [{ groups: [], people: ['lee'], selfConfirm: true }, 'lee; owner may confirm as the owner'],
  [{ groups: [], people: ['owner'], selfConfirm: false }, 'nobody: no approver is configured'],
])('who may decide, for %j', (approvers, text) => {
  expect(approversText(approvers, 'owner')).toBe(text)
})

test.each([
  [-5, '0 s'],
  [59_400, '59 s'],
  [90_000, '1 min 30 s'],
  [40 * minutes, '40 min'],
  [235 * minutes, '3 h 55 min'],
  [50 * 60 * minutes, '2 d 2 h'],
])('%i ms is said as %s', (ms, text) => {
  expect(spanText(ms)).toBe(text)
})
