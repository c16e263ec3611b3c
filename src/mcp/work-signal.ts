/**
 * A signal for one piece of work, of which nothing is kept when the work has ended. What Node has for this is kept for longer:
 * `AbortSignal.timeout` until its time is up, once something listens to it, and of each `AbortSignal.any` an entry in every
 * source (Node 20), also in those that live as long as the gateway.
 */
import { setMaxListeners } from 'node:events'

export interface WorkSignal {
  /** Aborted with the first of its sources, or when its time is up. */
  readonly signal: AbortSignal
  /** Whether its time was up before the work had ended. */
  isLate(): boolean
  /** The work has ended. Calling it again does nothing. */
  release(): void
}

/** @param limitMs `null`: it may take as long as it takes */
export function workSignal(sources: readonly AbortSignal[], limitMs: number | null): WorkSignal {
  const own = new AbortController()
  const leave = () => {
    release()
    own.abort()
  }
  let isLate = false
  const timer =
    limitMs === null
      ? null
      : setTimeout(() => {
          isLate = true
          leave()
        }, limitMs)
  // Work that nobody ends any more is no reason for a process to stay.
  timer?.unref()

  function release() {
    if (timer !== null) clearTimeout(timer)
    for (const source of sources) source.removeEventListener('abort', leave)
  }

  // As much work as there is may end with the gateway: no leak that Node would have to warn of. Not 0, which `fetch` cannot read
  // back, and never for no signal, which would mean every one that is made from now on.
  for (const source of sources) setMaxListeners(Number.POSITIVE_INFINITY, source)
  if (sources.some(({ aborted }) => aborted)) leave()
  else for (const source of sources) source.addEventListener('abort', leave, { once: true })
  return { signal: own.signal, isLate: () => isLate, release }
}
