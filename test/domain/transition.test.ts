/** The table of the lifecycle: every event in every status, with what comes of it. */
import { describe, expect, test } from 'vitest'
import type { Approval, ReplyRef, Status } from '../../src/domain/approval.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

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
  invalidate: { kind: 'invalidate', change: 'tool' },
  claim: { kind: 'claim', node: 'gateway-1' },
  answer: { kind: 'answer', reply },
  fail_unsent: { kind: 'fail_unsent', reason: 'refused' },
  lose_track: { kind: 'lose_track', reason: 'reset' },
  annotate: { kind: 'annotate', annotation: { finding: 'happened', by: 'mina', note: null } },
}

/** Late enough for what needs time, early enough for what has a deadline. */
const whenMs: Record<string, number> = { expire: 100, lapse: 10 + timings.startByMs }

const arrows: Record<string, Record<string, string>> = {
  pending: {
    approve: 'approved',
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
  indeterminate: { annotate: 'indeterminate' },
  answered: {},
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
