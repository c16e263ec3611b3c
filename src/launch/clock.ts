/** This process's clock, and how far it may be from the ledger's. */
import { uptime } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../ports/clock.ts'

export const clock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal })
    } catch {
      // Aborted: waking early is what the signal is for.
    }
  },
}

/** What `uptime` rounds away, and what two readings are apart, is no sleep. */
const SLEPT_MS_MIN = 200

/**
 * As `clock`, but the time in which the machine was suspended counts as well: a lease goes on ending meanwhile. CLOCK_MONOTONIC of
 * Linux, which everything else goes by, stands still then; the time since boot does not.
 */
export function createSleepCountingClock(
  awakeMs: () => number = clock.monotonicMs,
  sinceBootMs: () => number = () => uptime() * 1_000,
): Clock {
  const offsetMs = sinceBootMs() - awakeMs()
  let sleptMs = 0
  return {
    ...clock,
    monotonicMs() {
      const slept = sinceBootMs() - awakeMs() - offsetMs
      if (slept > sleptMs + SLEPT_MS_MIN) sleptMs = slept
      return awakeMs() + sleptMs
    },
  }
}

/** Slack's signatures are refused from five minutes on, tokens of other issuers earlier; a machine with NTP is off by milliseconds. */
const GAP_MS_MAX = 60_000

/** What depends on this machine's clock after all, in words; `null` while it is right enough. @param aheadMs of the ledger's */
export function clockGap(aheadMs: number): string | null {
  if (Math.abs(aheadMs) <= GAP_MS_MAX) return null
  const where = aheadMs > 0 ? 'ahead of' : 'behind'
  return (
    `the clock of this machine is ${Math.round(Math.abs(aheadMs) / 1_000)} s ${where} the ledger's. Deadlines go by the ledger's; ` +
    "but Slack's signatures over HTTP and tokens of other issuers may be refused. Set it right (NTP)"
  )
}
