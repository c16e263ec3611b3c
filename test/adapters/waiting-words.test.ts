/** What an agent's user reads while a call waits: whom it waits for, who was called again, and that it fits where it is shown. */
import { expect, test } from 'vitest'
import type { Nudge } from '../../src/domain/nudges.ts'
import { waitingProgress } from '../../src/mcp/downstream/waiting-progress.ts'
import { waitingInWords } from '../../src/mcp/downstream/waiting-words.ts'
import { anApproval } from '../support/builders.ts'

const startMs = Date.parse('2026-11-22T14:00:00Z')
const minutes = (count: number) => count * 60_000
const nudge = (kind: Nudge['kind'], after: number): Nudge => ({
  kind,
  afterMs: minutes(after),
  atMs: startMs + minutes(after),
})
function waiting(nudges: readonly Nudge[]) {
  const { approval } = anApproval({ nowMs: startMs, decisionMs: minutes(240) })
  const asking = {
    ...approval.asking,
    remindersMs: [minutes(15), minutes(45)],
    escalation: [
      { afterMs: minutes(30), groups: ['leads'], people: [] },
      { afterMs: minutes(60), groups: [], people: ['hana'] },
    ],
  }
  return { ...approval, asking, nudges }
}

test('who was called again, and when, follows whom it asks', () => {
  const text = waitingInWords(
    waiting([nudge('reminder', 15), nudge('escalation', 30), nudge('reminder', 45)]),
    minutes(50),
  )
  expect(text).toMatch(
    /^Waiting for approval HP-\w+ \(50 min so far, can be decided until 2026-11-22T18:00Z\)\. Asked: group ops; since 14:30Z also group leads; reminded 14:15Z, 14:45Z$/,
  )
})

test('who follows later is not named before their time', () => {
  expect(waitingInWords(waiting([]), minutes(50))).toMatch(/Asked: group ops$/)
  expect(waitingInWords(waiting([nudge('escalation', 60)]), minutes(61))).toMatch(
    /; since 15:00Z also group leads, hana$/,
  )
})

test('a progress message stays within what clients show', () => {
  const text = waitingProgress(1, 1, waiting([nudge('reminder', 15), nudge('escalation', 30)]), minutes(50))
  expect(JSON.parse(text).params.message.length).toBeLessThanOrEqual(200)
})
