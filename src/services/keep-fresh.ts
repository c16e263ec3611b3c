/** Keeps what this process remembers of the ledger true: read again at every hint, and often enough without one. */
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'

/** With the reading itself, a lost hint is made up for within a second. */
const REFRESH_MS = 500

/**
 * Until `stopping` aborts; never rejects. A ledger that is away leaves what was last known.
 * @param what in the plural, for the log: "policies in force"
 */
export async function keepFresh(deps: {
  what: string
  refresh(): Promise<void>
  onChange(listener: () => void): () => void
  clock: Clock
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { what, refresh, onChange, clock, stopping, log } = deps
  let look = new AbortController()
  const lookNow = () => look.abort()
  const stopListening = onChange(lookNow)
  stopping.addEventListener('abort', lookNow, { once: true })
  let isAway = false
  while (!stopping.aborted) {
    // Before the reading: what is told meanwhile makes the next one follow at once.
    look = new AbortController()
    if (stopping.aborted) break
    try {
      await refresh()
      if (isAway) log.info({}, `${what} can be read again`)
      isAway = false
    } catch (error) {
      if (!isAway) log.warn({ err: error }, `${what} cannot be read; the last known ones go on`)
      isAway = true
    }
    await clock.sleep(REFRESH_MS, look.signal)
  }
  stopListening()
}
