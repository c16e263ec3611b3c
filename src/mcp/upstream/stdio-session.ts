/**
 * One legacy session on one child process. Every request is answered once: by the server, or, when its process ends
 * first, by an error that says so. A requester who leaves ends neither the session nor the server's work.
 */
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { rawMember } from '../raw-json.ts'
import { workSignal } from '../work-signal.ts'
import { type Child, type Command, startChild } from './child.ts'
import { createEventStream } from './event-stream.ts'
import { accepted, type OwnSession } from './own-sessions.ts'
import { type Id, idKey, type Peek, peek } from './peek.ts'
import { errorMessage, internalError } from './refusal.ts'
import { createRouting } from './routing.ts'
import { STOOD_STILL, UpstreamFault, type WireRequest, type WireResponse } from './wire.ts'

/** `npx` may have to install a server first; one that needs longer than this will not come. */
const INITIALIZE_MS = 5 * 60_000

interface StdioSessionOptions {
  readonly command: Command
  readonly lineBytesMax: number
  readonly clock: Clock
  readonly log: Log
  /** The process ended, or is about to; called once. */
  readonly onEnd: () => void
}

export interface StdioSession extends OwnSession {
  /** Starts the process and resolves with the raw answer to `initialize`. @throws UpstreamFault */
  initialize(message: string, id: Id, signal: AbortSignal): Promise<string>
}

export function createStdioSession({
  command,
  lineBytesMax,
  clock,
  log,
  onEnd,
}: StdioSessionOptions): StdioSession {
  const { server } = command
  const routing = createRouting({ server, log })
  let starting: Promise<Child> | null = null
  let child: Child | null = null
  let isEnded = false
  let lastTrafficMs = clock.monotonicMs()
  let onFirstAnswer: ((line: string) => boolean) | null = null
  let onEarlyEnd: ((reason: string) => void) | null = null

  function onLine(line: string) {
    lastTrafficMs = clock.monotonicMs()
    if (onFirstAnswer?.(line) !== true) routing.route(line)
  }

  function ended(reason: string) {
    if (isEnded) return
    isEnded = true
    log.info({ server, reason }, 'upstream process ended')
    onEarlyEnd?.(reason)
    routing.end(reason)
    onEnd()
  }

  function write(message: string) {
    lastTrafficMs = clock.monotonicMs()
    if (child === null || isEnded) throw new UpstreamFault(`the session with ${server} has ended`, false)
    child.write(message)
  }

  async function initialize(message: string, id: Id, signal: AbortSignal): Promise<string> {
    starting = startChild({ ...command, lineBytesMax, log, onLine, onEnd: ended })
    child = await starting
    const work = workSignal([signal], INITIALIZE_MS)
    try {
      return await new Promise<string>((resolve, reject) => {
        const fail = (why: string) => reject(new UpstreamFault(why, true))
        onFirstAnswer = (line) => {
          const answer = peek(line)
          if (answer.kind !== 'response' || answer.id === null || idKey(answer.id) !== idKey(id)) return false
          resolve(line)
          return true
        }
        onEarlyEnd = (reason) =>
          fail(
            `The process of ${server} ${reason} before it answered "initialize". ` +
              `What it wrote to stderr is in the gateway's log; run ${command.command} by hand to see it start.`,
          )
        const leave = () =>
          fail(work.isLate() ? `${server} did not answer "initialize" in time` : 'the requester left')
        if (work.signal.aborted) return leave()
        work.signal.addEventListener('abort', leave, { once: true })
        write(message)
      })
    } finally {
      work.release()
      onFirstAnswer = null
      onEarlyEnd = null
    }
  }

  function request(
    message: string,
    { id, progressToken }: Extract<Peek, { kind: 'request' }>,
    { signal, freshConnection, mayStart }: WireRequest,
  ): WireResponse {
    const stream = createEventStream({
      signal,
      unreadBytesMax: 2 * lineBytesMax,
      onLeave: () => routing.abandon(id),
    })
    const rawId = rawMember(message, 'id')
    routing.open({
      id,
      progressToken,
      stream,
      giveUp(reason) {
        const why = `The process of ${server} ${reason} while this request was running. It may or may not have had an effect.`
        // Whoever wants proof must be able to tell the server's own error from ours.
        if (freshConnection) return stream.fail(new UpstreamFault(why, true))
        stream.send(errorMessage(internalError(why, rawId)))
        stream.end()
      },
    })
    try {
      if (!mayStart()) throw new UpstreamFault(STOOD_STILL, false)
      write(message)
    } catch (error) {
      routing.withdraw(id)
      throw error
    }
    return stream.response
  }

  function tell(message: string, peeked: Peek): WireResponse {
    write(message)
    // "The receiver … SHOULD NOT send a response for the cancelled request" (MCP, Cancellation).
    if (peeked.kind === 'notification' && peeked.cancels !== null) routing.abandon(peeked.cancels)
    return accepted
  }

  function listen(signal: AbortSignal): WireResponse {
    lastTrafficMs = clock.monotonicMs()
    const stream = createEventStream({
      signal,
      unreadBytesMax: 2 * lineBytesMax,
      onLeave: () => routing.listen(null),
    })
    routing.listen(stream)
    return stream.response
  }

  async function end() {
    ended('was ended by the gateway')
    const started = await starting?.catch(() => null)
    await started?.kill()
  }

  return {
    initialize,
    request,
    tell,
    listen,
    end,
    isTaken: routing.isTaken,
    isListening: routing.isListening,
    idleMs: () =>
      isEnded || child === null || onFirstAnswer !== null || routing.openStreams() > 0
        ? null
        : clock.monotonicMs() - lastTrafficMs,
  }
}
