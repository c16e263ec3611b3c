/** The table of the lifecycle: every event in every status, with what comes of it. */
import { describe, expect, test } from 'vitest'
import {
  type Approval,
  askedParams,
  isEdited,
  type ReplyRef,
  recomputedDigest,
  type Status,
} from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { EDITS_MAX } from '../../src/domain/limits.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import { anApproval, approveEvent, aTicket } from '../support/builders.ts'

const reply: ReplyRef = { kind: 'result', isError: false, digest: 'r', bytes: 2 }
const { approval: pending } = anApproval({ nowMs: 0, decisionMs: 100 })

function must(approval: Approval, event: ApprovalEvent, nowMs: number): Approval {
  const step = transition(approval, event, nowMs, timings)
  if (!step.ok) throw new Error(JSON.stringify(step.error))
  return step.value.next
}

const reject: ApprovalEvent = {
  kind: 'decide',
  decision: { kind: 'reject', by: 'mina', reason: 'no', digest: pending.proposed.digest, via: 'cli' },
}
const approved = must(pending, approveEvent(pending), 10)
const executing = must(approved, { kind: 'claim', node: 'gateway-1' }, 20)
const lost = must(executing, { kind: 'lose_track', reason: 'reset' }, 30)
const answered = must(executing, { kind: 'answer', reply }, 30)
const states: Record<string, Approval> = { pending, approved, executing, indeterminate: lost, answered }

const events: Record<string, ApprovalEvent> = {
  approve: approveEvent(pending),
  reject,
  expire: { kind: 'expire' },
  lapse: { kind: 'lapse' },
  cancel: { kind: 'cancel', by: 'jun', reason: null },
  invalidate: { kind: 'invalidate', change: 'tool', successor: null, forbidden: false },
  claim: { kind: 'claim', node: 'gateway-1' },
  answer: { kind: 'answer', reply },
  fail_unsent: { kind: 'fail_unsent', reason: 'refused' },
  lose_track: { kind: 'lose_track', reason: 'reset' },
  annotate: { kind: 'annotate', annotation: { finding: 'happened', by: 'mina', note: null } },
  ask_again: { kind: 'ask_again', by: 'mina', via: 'cli', reason: null, successor: aTicket() },
  look_after: { kind: 'look_after', looked: { isReachable: true, said: 'it answers' } },
  late_reply: { kind: 'late_reply', reply },
  prove_unsent: { kind: 'prove_unsent', reason: 'it stood still' },
  edit: anEdit(pending),
  extend: { kind: 'extend', expiresAtMs: 100 + 60_000, by: 'mina', via: 'cli', reason: null },
}

/** Late enough for what needs time, early enough for what has a deadline. */
const whenMs: Record<string, number> = { expire: 100, lapse: 10 + timings.startByMs }

const arrows: Record<string, Record<string, string>> = {
  pending: {
    approve: 'approved',
    edit: 'pending',
    extend: 'pending',
    reject: 'rejected',
    expire: 'expired',
    cancel: 'cancelled',
    invalidate: 'invalidated',
  },
  approved: {
    lapse: 'lapsed',
    cancel: 'cancelled',
    invalidate: 'invalidated',
    claim: 'executing',
    fail_unsent: 'not_sent',
  },
  executing: { answer: 'answered', fail_unsent: 'not_sent', lose_track: 'indeterminate' },
  indeterminate: {
    ask_again: 'indeterminate',
    annotate: 'indeterminate',
    look_after: 'indeterminate',
    late_reply: 'indeterminate',
    prove_unsent: 'indeterminate',
  },
  answered: {},
}

function anEdit(approval: Approval, args: JsonObject = { name: 'acme/other' }) {
  return {
    kind: 'edit' as const,
    canonicalParams: canonicalParams('delete_repository', args, {}),
    digest: approval.proposed.digest,
    nonce: `nonce for ${JSON.stringify(args)} after ${approval.version}`,
    by: 'mina',
    via: 'cli' as const,
    reason: 'the other one',
  }
}

const nameOf = (approval: Approval): string =>
  approval.status === 'settled' ? approval.outcome.kind : approval.status

describe('every event in every status', () => {
  const rows = Object.keys(states).flatMap((state) =>
    Object.keys(events).map((event) => [state, event] as const),
  )
  test.each(rows)('%s + %s', (stateName, eventName) => {
    const state = states[stateName]
    const event = events[eventName]
    if (state === undefined || event === undefined) throw new Error('not in the table')
    const step = transition(state, event, whenMs[eventName] ?? 50, timings)
    const expected = arrows[stateName]?.[eventName]
    if (expected === undefined) {
      const status: Status = state.status
      expect(step).toEqual({ ok: false, error: { reason: 'wrong_status', status } })
    } else {
      if (!step.ok) throw new Error(JSON.stringify(step.error))
      expect(nameOf(step.value.next)).toBe(expected)
      expect(step.value.next.version).toBe(state.version + 1)
    }
  })
})

describe('deadlines', () => {
  test('a yes in the last millisecond counts, one millisecond later it does not', () => {
    expect(transition(pending, approveEvent(pending), 99, timings).ok).toBe(true)
    expect(transition(pending, approveEvent(pending), 100, timings)).toEqual({
      ok: false,
      error: { reason: 'too_late', deadlineMs: 100 },
    })
  })

  test('an alarm that comes early changes nothing', () => {
    expect(transition(pending, { kind: 'expire' }, 99, timings)).toEqual({
      ok: false,
      error: { reason: 'too_early', dueMs: 100 },
    })
  })

  test('an old yes does not start a call', () => {
    const late = 10 + timings.startByMs
    expect(transition(approved, { kind: 'claim', node: 'n' }, late, timings)).toMatchObject({
      error: { reason: 'too_late' },
    })
  })

  test('the statement is told to check the deadline again', () => {
    const step = transition(pending, approveEvent(pending), 10, timings)
    expect(step).toMatchObject({ value: { deadline: { kind: 'before', atMs: 100 } } })
    const expiry = transition(pending, { kind: 'expire' }, 100, timings)
    expect(expiry).toMatchObject({ value: { deadline: { kind: 'from', atMs: 100 } } })
  })
})

test('a decision on another digest is refused', () => {
  const event: ApprovalEvent = {
    kind: 'decide',
    decision: { ...approveEvent(pending).decision, digest: 'other' },
  }
  expect(transition(pending, event, 10, timings)).toMatchObject({ error: { reason: 'digest_differs' } })
})

describe('an edit', () => {
  const next = must(pending, anEdit(pending), 10)

  test('replaces what would be sent, under a digest of its own', () => {
    expect(next.proposed.canonicalParams).toBe(anEdit(pending).canonicalParams)
    expect(next.proposed.digest).toBe(recomputedDigest(next))
    expect(next.proposed.digest).not.toBe(pending.proposed.digest)
  })

  test('leaves what was asked as it is, readable, with who changed it and when', () => {
    expect(next.asked).toEqual(pending.asked)
    expect(askedParams(next)).toBe(pending.proposed.canonicalParams)
    const { canonicalParams: before, digest } = pending.proposed
    expect(next.edits).toEqual([
      {
        by: 'mina',
        via: 'cli',
        reason: 'the other one',
        atMs: 10,
        replaced: { canonicalParams: before, digest },
      },
    ])
    expect(next.expiresAtMs).toBe(pending.expiresAtMs)
  })

  test('voids what was shown before: a yes to the earlier digest is refused', () => {
    expect(transition(next, approveEvent(pending), 20, timings)).toMatchObject({
      error: { reason: 'digest_differs', current: next.proposed.digest },
    })
    expect(must(next, approveEvent(next), 20)).toMatchObject({ status: 'approved', edits: next.edits })
  })

  test('that takes another one back does not make its digest right again', () => {
    const back = must(next, anEdit(next, { name: 'acme/shop' }), 20)
    expect(back.proposed.canonicalParams).toBe(pending.proposed.canonicalParams)
    expect(back.proposed.digest).not.toBe(pending.proposed.digest)
    expect(isEdited(back)).toBe(false)
    expect(isEdited(next)).toBe(true)
  })

  test.each([
    ['of what is not on the screen any more', anEdit(next), pending, 20, 'digest_differs'],
    ['that changes nothing', anEdit(pending, { name: 'acme/shop' }), pending, 20, 'same_params'],
    ['after the deadline', anEdit(pending), pending, 100, 'too_late'],
  ] as const)('%s is refused', (_what, event, approval, nowMs, reason) => {
    expect(transition(approval, event, nowMs, timings)).toMatchObject({ error: { reason } })
  })

  test('is the last one after five', () => {
    let approval: Approval = pending
    for (let n = 0; n < EDITS_MAX; n++) approval = must(approval, anEdit(approval, { n }), 20)
    expect(transition(approval, anEdit(approval, { n: -1 }), 20, timings)).toMatchObject({
      error: { reason: 'too_many_edits', max: EDITS_MAX },
    })
  })

  test('is checked against the deadline by the statement', () => {
    expect(transition(pending, anEdit(pending), 10, timings)).toMatchObject({
      value: { deadline: { kind: 'before', atMs: 100 } },
    })
  })
})

describe('an extension', () => {
  const until = (expiresAtMs: number): ApprovalEvent => ({
    kind: 'extend',
    expiresAtMs,
    by: 'jun',
    via: 'console',
    reason: null,
  })

  test('moves the deadline and nothing else: the digest stays right', () => {
    const next = must(pending, until(100_000), 10)
    expect(next).toEqual({ ...pending, version: 2, expiresAtMs: 100_000 })
    expect(must(next, approveEvent(pending), 99_999)).toMatchObject({ status: 'approved' })
    expect(transition(next, { kind: 'expire' }, 100, timings)).toMatchObject({
      error: { reason: 'too_early' },
    })
  })

  test.each([
    ['to an earlier time', until(99), 'not_later'],
    ['by less than a minute', until(60_099), 'not_later'],
    ['beyond a week after the question', until(timings.decisionMaxMs + 1), 'beyond_maximum'],
  ] as const)('%s is refused', (_what, event, reason) => {
    expect(transition(pending, event, 10, timings)).toMatchObject({ error: { reason } })
  })

  test('comes too late once the time is over, and the statement is told so', () => {
    expect(transition(pending, until(200_000), 100, timings)).toMatchObject({ error: { reason: 'too_late' } })
    expect(transition(pending, until(200_000), 10, timings)).toMatchObject({
      value: { deadline: { kind: 'before', atMs: 100 } },
    })
  })
})
