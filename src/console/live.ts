/**
 * Tells open pages to look again. A stream carries hints only, never content: what a page then shows it asks for itself,
 * with its own session. A lost hint costs the seconds until the page's next look.
 */
import type { Context } from 'hono'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Sessions } from '../ports/sessions.ts'
import type { WakeUps } from '../ports/wake-ups.ts'
import type { ConsoleEnv } from './guard.ts'

/** Each costs a socket; beyond it pages still look every few seconds. */
const STREAMS_MAX = 500
/** Browsers open six connections to a server without HTTP/2. Many tabs must not use them all up for waiting. */
const STREAMS_PER_SESSION_MAX = 4
/** Proxies cut what is silent for 30 to 60 s. At each beat the session is checked as well. */
const BEAT_MS = 15_000
/** Several transitions in one moment are one hint. */
const GATHER_MS = 150
/** A browser that has not read this many hints is gone. */
const UNREAD_MAX = 64

const hint = new TextEncoder().encode('event: changed\ndata: look\n\n')
const beat = new TextEncoder().encode(': beat\n\n')

export function createLive(deps: { wakeUps: WakeUps; sessions: Sessions; stopping: AbortSignal }) {
  const { wakeUps, sessions, stopping } = deps
  /** How to end each stream, and whose it is. */
  const streams = new Map<() => void, string>()
  stopping.addEventListener('abort', () => {
    for (const end of [...streams.keys()]) end()
  })

  /** @param only the approval this page is about; `null`: all of them */
  return function live(c: Context<ConsoleEnv>, only: ApprovalId | null): Response {
    const token = c.get('token')
    const theirs = [...streams.values()].filter((owner) => owner === token).length
    // No fault: the page looks every few seconds then.
    if (stopping.aborted || streams.size >= STREAMS_MAX || theirs >= STREAMS_PER_SESSION_MAX) {
      return c.body(null, 204)
    }
    let end = () => {}
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          let gathering: NodeJS.Timeout | undefined
          const send = (bytes: Uint8Array) => {
            if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytes)
            else end()
          }
          const stopListening = wakeUps.onWakeUp((id) => {
            if (only !== null && id !== 'all' && id !== only) return
            gathering ??= setTimeout(() => {
              gathering = undefined
              send(hint)
            }, GATHER_MS)
          })
          const beating = setInterval(() => {
            sessions.personOf(token).then(
              (person) => (person === null ? end() : send(beat)),
              // The ledger does not answer now; the page says so when it looks by itself.
              () => send(beat),
            )
          }, BEAT_MS)
          end = () => {
            if (!streams.delete(end)) return
            stopListening()
            clearInterval(beating)
            clearTimeout(gathering)
            try {
              controller.close()
            } catch {
              // The browser was faster.
            }
          }
          streams.set(end, token)
          // Listening has begun: whatever happened since the page was made is seen by looking now.
          send(hint)
        },
        cancel: () => end(),
      },
      { highWaterMark: UNREAD_MAX },
    )
    return c.body(body, 200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
  }
}
