/** When sessions and processes that nobody uses any more are looked for. */

const EVERY_MS = 60_000

/** Often enough that none stays for twice as long as it may. */
export const reapEveryMs = (sessionIdleMs: number): number => Math.min(EVERY_MS, sessionIdleMs)
