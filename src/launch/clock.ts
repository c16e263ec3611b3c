/** This process's clock. */
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
