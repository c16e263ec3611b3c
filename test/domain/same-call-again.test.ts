/** The same call after an earlier one has settled: what it gets, and for how long. */

import { expect, test } from 'vitest'
import type { Outcome, Settled } from '../../src/domain/approval.ts'
import { noEvidence } from '../../src/domain/evidence.ts'
import { sameCallAgain } from '../../src/domain/same-call-again.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

const { approval } = anApproval({ nowMs: 0 })
const decision = { ...approveEvent(approval).decision, atMs: 0, with: [], gives: null, under: null }
const reply = { kind: 'result', isError: false, digest: 'd', bytes: 1 } as const
const annotation = { by: 'mina', note: null, atMs: 0 }

const answered: Outcome = { kind: 'answered', decision, reply }
const rejected: Outcome = { kind: 'rejected', decision: { ...decision, kind: 'reject' } }
const lost: Outcome = {
  kind: 'indeterminate',
  decision,
  reason: 'reset',
  annotations: [],
  evidence: noEvidence,
  successor: null,
}
const happened: Outcome = { ...lost, annotations: [{ ...annotation, finding: 'happened' }] }
const didNotHappen: Outcome = { ...lost, annotations: [{ ...annotation, finding: 'did_not_happen' }] }

const settled = (outcome: Outcome): Settled => ({ ...approval, status: 'settled', outcome, settledAtMs: 0 })
const { replayMs, keepOutcomeMs, coolDownMs } = timings

test.each<[string, Outcome, number | null, number, string]>([
  ['an answer nobody has read waits for a day', answered, null, keepOutcomeMs - 1, 'outcome'],
  ['and not longer', answered, null, keepOutcomeMs, 'fresh'],
  ['an answer that was carried is there for a minute more', answered, 1_000, 1_000 + replayMs - 1, 'outcome'],
  ['after that the same call is a new one', answered, 1_000, 1_000 + replayMs, 'fresh'],
  ['an expiry is told once and then asked anew', { kind: 'expired' }, 0, replayMs, 'fresh'],
  ['a rejection is refused for the cool-down, read or not', rejected, 0, coolDownMs - 1, 'refused'],
  ['an unread rejection is still told after it', rejected, null, coolDownMs, 'outcome'],
  ['a read one is then asked anew', rejected, 0, coolDownMs, 'fresh'],
  ['what nobody knows is refused for as long as nobody has looked', lost, 0, keepOutcomeMs * 100, 'refused'],
  ['what had happened is told', happened, null, 1, 'outcome'],
  ['what had not happened may be asked again at once', didNotHappen, null, 1, 'fresh'],
])('%s', (_name, outcome, deliveredAtMs, nowMs, expected) => {
  expect(sameCallAgain(settled(outcome), deliveredAtMs, nowMs, timings).kind).toBe(expected)
})
