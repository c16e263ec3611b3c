/** What the same call gets when it comes again after an earlier one has settled. */
import type { InstantMs, Settled } from './approval.ts'
import type { Timings } from './timings.ts'

export type Repeat =
  /** The outcome has not certainly been read: hand it over once more. */
  | { readonly kind: 'outcome' }
  /** People said no, or nobody knows what happened: asking again changes nothing yet. */
  | {
      readonly kind: 'refused'
      readonly because: 'cool_down' | 'unresolved'
      readonly untilMs: InstantMs | null
    }
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
  if (outcome.kind === 'indeterminate') {
    const finding = outcome.annotations.at(-1)?.finding
    if (finding === undefined) return { kind: 'refused', because: 'unresolved', untilMs: null }
    // A person looked and nothing had happened: whoever asks again means a new call.
    if (finding === 'did_not_happen') return { kind: 'fresh' }
  }
  if (outcome.kind === 'rejected' && nowMs < settledAtMs + timings.coolDownMs) {
    return { kind: 'refused', because: 'cool_down', untilMs: settledAtMs + timings.coolDownMs }
  }
  const isKept = nowMs < settledAtMs + timings.keepOutcomeMs
  const isUnread = deliveredAtMs === null || nowMs < deliveredAtMs + timings.replayMs
  return isKept && isUnread ? { kind: 'outcome' } : { kind: 'fresh' }
}
