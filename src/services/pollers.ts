/**
 * Tasks that somebody polls. Whoever polled a short while ago can receive the outcome, so an approved call runs for them;
 * whoever has stopped polling is gone, and it waits for them as for anybody who left.
 */
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { UpstreamSession } from '../ports/upstream-session.ts'
import type { AwaitOutcome } from './await-outcome.ts'

export interface Pollers {
  /** @param session the poller's way to the upstream, on which the call would run */
  polled(id: ApprovalId, session: UpstreamSession): void
}

/** A poll may be late, and one may get lost. */
const MISSED_POLLS_MAX = 3

export function createPollers(deps: {
  awaitOutcome: AwaitOutcome
  clock: Clock
  timings: Pick<Timings, 'pollMs'>
  log: Log
}): Pollers {
  const { awaitOutcome, clock, timings, log } = deps
  const gone = new Map<ApprovalId, { atMs: number }>()
  const never = new AbortController().signal

  return {
    polled(id, session) {
      const atMs = clock.monotonicMs() + MISSED_POLLS_MAX * timings.pollMs
      const present = gone.get(id)
      if (present !== undefined) {
        present.atMs = atMs
        return
      }
      const poller = { atMs }
      gone.set(id, poller)
      // One for each task here, and nobody is turned away: the approvals themselves are limited.
      awaitOutcome({
        id,
        session,
        holdMs: () => poller.atMs - clock.monotonicMs(),
        signal: never,
        onLook: () => {},
      })
        .catch((error: unknown) =>
          log.warn({ err: error, approval: id }, 'a polled task could not be followed'),
        )
        .finally(() => gone.delete(id))
    },
  }
}
