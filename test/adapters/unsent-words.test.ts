/** What an agent reads of a call that was not sent, and of one that nobody knows of: no more than is known, and why. */
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/approval.ts'
import { unsent } from '../../src/domain/unsent.ts'
import { toldOutcome, waitingAnswer } from '../../src/mcp/downstream/replies.ts'
import { anApproval } from '../support/builders.ts'
import { ended, outcomes } from './downstream-harness.ts'

const { approval } = anApproval()
const told = (outcome: Outcome) => toldOutcome(ended(approval, outcome), 600_000)
const notSent = (reason: string): Outcome => ({ ...outcomes.not_sent, reason })

describe('a call that was not sent', () => {
  test.each([
    [
      'a limit',
      unsent.limited('10 in one hour are used up'),
      /a limit holds it back: 10 in one hour are used up/,
    ],
    ['a policy nobody can read', unsent.unreadablePolicy, /cannot read the policy in force/],
    ['counters that are away', unsent.uncountedLimits, /its limits could not be counted/],
    [
      'the server',
      'connect ECONNREFUSED 10.0.0.7:443',
      /the server behind this gateway could not be reached/,
    ],
  ])('names %s as the reason, and nothing from inside', (_what, reason, words) => {
    const { text, details } = told(notSent(reason))
    expect(text).toMatch(/^NOT EXECUTED, certainly/)
    expect(text).toMatch(words)
    expect(text).not.toContain('10.0.0.7')
    expect(details).toMatchObject({ reason: expect.stringMatching(words) })
  })

  test('is asked anew later, and a repeat before that gets the same answer', () => {
    expect(told(notSent('x')).text).toMatch(
      /call it again later.*a repeat soon after this answer gets it once more/,
    )
  })
})

describe('a call that nobody knows of', () => {
  const { indeterminate } = outcomes
  const lateReply = { kind: 'result', isError: false, digest: 'd', bytes: 1, atMs: 1 } as const
  const late = { ...indeterminate, evidence: { ...indeterminate.evidence, lateReplies: [lateReply] } }
  const found = (finding: 'happened' | 'did_not_happen', outcome = indeterminate): Outcome => ({
    ...outcome,
    annotations: [{ finding, by: 'mina', note: null, atMs: 1 }],
  })

  test.each([
    ['nobody has looked', indeterminate],
    ['it happened', found('happened')],
    ['it did not happen', found('did_not_happen')],
  ])('is not said to have been sent: %s', (_what, outcome) => {
    const { text } = told(outcome)
    expect(text).toMatch(/it may have been sent, and no answer was noted/)
    expect(text).not.toMatch(/it was sent/)
  })

  test('is not said to have had no answer where one came later', () => {
    expect(told(late).text).toMatch(
      /MAY OR MAY NOT.*it was sent, and its answer came too late to be its outcome/,
    )
    expect(told(found('happened', late)).text).not.toMatch(/no answer/)
  })

  test('and asked again about, may have been sent before', () => {
    const predecessor = {
      id: approval.id,
      difference: 'nobody knows whether that one happened',
      why: 'unknown_end',
    } as const
    if (approval.status !== 'pending') throw new Error('it waits')
    expect(waitingAnswer({ ...approval, predecessor }, false, 'legacy', null).text).toContain(
      'It may have been sent before, as',
    )
  })
})
