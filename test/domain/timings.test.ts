/** What is promised about time follows from the named durations, on a machine of any speed. */
import { expect, test } from 'vitest'
import { ledgerPulse, REFUSED_WITHIN_MS } from '../../src/domain/timings.ts'

/** When the ledger has stopped answering at `stoppedMs` after it was last asked: how long a call asked then waits for its refusal. */
function refusedAfterMs(stoppedMs: number, usualMs: number): number {
  const { askMs, silentMs, patienceMs, lookMs } = ledgerPulse
  const questionMs = askMs
  let turnMs = questionMs
  while (turnMs - questionMs < silentMs + usualMs) turnMs += askMs
  let looksMs = stoppedMs
  while (looksMs < turnMs || looksMs - stoppedMs < patienceMs) looksMs += lookMs
  return looksMs - stoppedMs
}

test('a call that is asked in any moment of a silence of the ledger is refused within a second', () => {
  for (let stoppedMs = 0; stoppedMs <= ledgerPulse.askMs; stoppedMs++) {
    for (const usualMs of [0.2, 1, 20, 100])
      expect(refusedAfterMs(stoppedMs, usualMs)).toBeLessThanOrEqual(REFUSED_WITHIN_MS)
  }
  // Not by looking away: two late answers in a row are no silence yet.
  expect(refusedAfterMs(0, 1)).toBeGreaterThan(ledgerPulse.silentMs)
})
