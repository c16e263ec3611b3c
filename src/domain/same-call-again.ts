/** What the same call gets when it comes again after an earlier one has settled. */
import type { InstantMs, Settled } from './approval.ts'
import type { Timings } from './timings.ts'

/** People said no, or nobody knows what happened: asking again changes nothing yet. */
export type Refused =
  | { readonly kind: 'refused'; readonly because: 'cool_down'; readonly untilMs: InstantMs }
  /** Until a person has looked. */
  | { readonly kind: 'refused'; readonly because: 'unresolved' }

export type Repeat =
  /** The outcome has not certainly been read: hand it over once more. */
  | { readonly kind: 'outcome' }
  | Refused
  /** A call of its own. */
  | { readonly kind: 'fresh' }

/**
 * @param deliveredAtMs when a stream that carried the outcome was closed for the first time, `null` if none was
 */
export function sameCallAgain(
  settled: Settled,
  deliveredAtMs: InstantMs | null,
  nowMs: InstantMs,
  timings: Timings,
): Repeat {
  const { outcome, settledAtMs } = settled
  const refused = refusedAfter(settled, nowMs, timings.coolDownMs)
  if (refused !== null) return refused
  // A person looked and nothing had happened: whoever asks again means a new call.
  if (outcome.kind === 'indeterminate' && outcome.annotations.at(-1)?.finding === 'did_not_happen') {
    return { kind: 'fresh' }
  }
  const isKept = nowMs < settledAtMs + timings.keepOutcomeMs
  const isUnread = deliveredAtMs === null || nowMs < deliveredAtMs + timings.replayMs
  return isKept && isUnread ? { kind: 'outcome' } : { kind: 'fresh' }
}

/** Holds for the same call under any idempotency key and in any era, whatever else of it has ended since. */
export function refusedAfter(
  { outcome, settledAtMs }: Settled,
  nowMs: InstantMs,
  coolDownMs: number,
): Refused | null {
  if (outcome.kind === 'indeterminate' && outcome.annotations.length === 0) {
    return { kind: 'refused', because: 'unresolved' }
  }
  const untilMs = settledAtMs + coolDownMs
  return outcome.kind === 'rejected' && nowMs < untilMs
    ? { kind: 'refused', because: 'cool_down', untilMs }
    : null
}
