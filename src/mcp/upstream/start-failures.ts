/** Slows down whoever starts a program again and again that does not come up: each try costs a process, and often a download. */

/** A slip, and the try that shows that it was none. */
const FREE_FAILURES = 2
const PAUSE_MS = 2_000
const PAUSE_MS_MAX = 60_000
/** Those who have not tried for this long start afresh. */
const FORGOTTEN_MS = 10 * 60_000

export interface StartFailures {
  /** How long this one has to wait before the next try; 0: not at all. */
  pauseMs(key: string): number
  failed(key: string): void
  started(key: string): void
}

export function createStartFailures(monotonicMs: () => number): StartFailures {
  const failures = new Map<string, { count: number; atMs: number }>()

  function forget() {
    for (const [key, { atMs }] of failures) if (monotonicMs() - atMs > FORGOTTEN_MS) failures.delete(key)
  }

  return {
    pauseMs(key) {
      forget()
      const found = failures.get(key)
      if (found === undefined || found.count < FREE_FAILURES) return 0
      const pauseMs = Math.min(PAUSE_MS * 2 ** (found.count - FREE_FAILURES), PAUSE_MS_MAX)
      return Math.max(0, found.atMs + pauseMs - monotonicMs())
    },
    failed(key) {
      failures.set(key, { count: (failures.get(key)?.count ?? 0) + 1, atMs: monotonicMs() })
    },
    started(key) {
      failures.delete(key)
    },
  }
}

export const tooOften = (server: string, pauseMs: number): string =>
  `The program of ${server} failed to start several times in a row, so it is left alone for ${Math.ceil(pauseMs / 1000)} s. ` +
  "What it wrote to stderr is in the gateway's log."
