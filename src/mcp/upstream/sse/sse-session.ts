/**
 * One session with an HTTP+SSE server (MCP 2024-11-05): messages go out by POST, and what comes back comes on one stream. That
 * a POST was accepted is no answer. Every request is answered once: by the server, or, when its stream ends first, by an error
 * that says so. A requester who leaves ends neither the session nor the server's work.
 */
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { rawMember } from '../../raw-json.ts'
import { type WorkSignal, workSignal } from '../../work-signal.ts'
import { createEventStream } from '../event-stream.ts'
import type { HttpUpstream } from '../http.ts'
import { messagesOf } from '../messages.ts'
import { accepted, type OwnSession } from '../own-sessions.ts'
import { type Id, idKey, type Peek, peek } from '../peek.ts'
import { errorMessage, internalError } from '../refusal.ts'
import { createRouting } from '../routing.ts'
import { anyTime, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import type { EventSource } from './event-source.ts'

/** A server that is alive shakes hands at once. */
const INITIALIZE_MS = 20_000
/** A server takes a message in no time; one that never says so may still answer it on its stream. */
const POST_MS = 30_000

interface SseSessionOptions {
  readonly http: HttpUpstream
  readonly source: EventSource
  readonly messageBytesMax: number
  readonly clock: Clock
  readonly log: Log
  /** The session ended; called once. */
  readonly onEnd: () => void
}

export interface SseSession extends OwnSession {
  /** Resolves with the raw answer to `initialize`. @throws UpstreamFault */
  initialize(message: string, id: Id, wire: WireRequest): Promise<string>
}

type Posted = Pick<WireRequest, 'headers' | 'principal' | 'freshConnection' | 'mayStart'>

export function createSseSession(options: SseSessionOptions): SseSession {
  const { http, source, messageBytesMax, clock, log, onEnd } = options
  const { server } = http
  const routing = createRouting({ server, log })
  const ending = new AbortController()
  let lastTrafficMs = clock.monotonicMs()
  let onFirstAnswer: ((message: string) => boolean) | null = null
  let onEarlyEnd: ((reason: string) => void) | null = null

  function onMessage(message: string) {
    lastTrafficMs = clock.monotonicMs()
    if (onFirstAnswer?.(message) !== true) routing.route(message)
  }

  function ended(reason: string) {
    if (ending.signal.aborted) return
    ending.abort()
    log.info({ server, reason }, 'a session with an HTTP+SSE server ended')
    source.close()
    onEarlyEnd?.(reason)
    routing.end(reason)
    onEnd()
  }

  /** @param work to be released when the response was read. @throws UpstreamFault */
  async function post(
    message: string,
    { headers, principal, freshConnection, mayStart }: Posted,
    work: WorkSignal,
  ): Promise<WireResponse> {
    lastTrafficMs = clock.monotonicMs()
    const { 'mcp-session-id': _ours, 'last-event-id': _none, ...others } = headers
    try {
      if (ending.signal.aborted) throw new UpstreamFault(`the session with ${server} has ended`, false)
      return await http.exchangeAt(source.path, {
        method: 'POST',
        headers: {
          ...others,
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
        },
        body: message,
        principal,
        signal: work.signal,
        freshConnection,
        mayStart,
      })
    } catch (error) {
      work.release()
      throw error
    }
  }

  const posting = () => workSignal([ending.signal], POST_MS)

  /** Some servers answer where they only should accept: that is an answer as well, if it is one to this very request. */
  async function readOn(response: WireResponse, id: Id): Promise<void> {
    const type = (response.headers['content-type'] ?? '').toLowerCase()
    if (!type.startsWith('application/json')) return void response.body?.cancel()
    for await (const message of messagesOf(response, messageBytesMax)) {
      const said = peek(message)
      if (said.kind === 'response' && said.id !== null && idKey(said.id) === idKey(id)) onMessage(message)
    }
  }

  function readQuietly(response: WireResponse, id: Id, work: WorkSignal) {
    readOn(response, id)
      .catch((error: unknown) => log.debug({ server, err: error }, 'the answer to a POST broke off'))
      .finally(work.release)
  }

  async function initialize(message: string, id: Id, wire: WireRequest): Promise<string> {
    const work = workSignal([wire.signal], INITIALIZE_MS)
    try {
      return await new Promise<string>((resolve, reject) => {
        const fail = (why: string) => reject(new UpstreamFault(why, false))
        onFirstAnswer = (said) => {
          const answer = peek(said)
          if (answer.kind !== 'response' || answer.id === null || idKey(answer.id) !== idKey(id)) return false
          resolve(said)
          return true
        }
        onEarlyEnd = (reason) => fail(`${server} ${reason} before it answered "initialize"`)
        const leave = () =>
          fail(work.isLate() ? `${server} did not answer "initialize" in time` : 'the requester left')
        if (work.signal.aborted) return leave()
        work.signal.addEventListener('abort', leave, { once: true })
        void source.hear(onMessage).then(ended)
        const opening = posting()
        post(message, wire, opening).then((response) => {
          if (response.status < 300) return readQuietly(response, id, opening)
          void response.body?.cancel()
          opening.release()
          fail(`${server} answered "initialize" with HTTP ${response.status}`)
        }, reject)
      })
    } finally {
      work.release()
      onFirstAnswer = null
      onEarlyEnd = null
    }
  }

  async function request(
    message: string,
    { id, progressToken }: Extract<Peek, { kind: 'request' }>,
    wire: WireRequest,
  ): Promise<WireResponse> {
    const { signal, freshConnection } = wire
    const rawId = rawMember(message, 'id')
    const stream = createEventStream({
      signal,
      unreadBytesMax: 2 * messageBytesMax,
      onLeave: () => routing.abandon(id),
    })
    const unanswered = (why: string) => {
      // Whoever wants proof must be able to tell the server's own error from ours.
      if (freshConnection) return stream.fail(new UpstreamFault(why, true))
      stream.send(errorMessage(internalError(`${why}. It may or may not have had an effect.`, rawId)))
      stream.end()
    }
    let isHeard = false
    const heard = new Promise<WireResponse>((resolve) => {
      const hearing = () => {
        isHeard = true
        resolve(stream.response)
      }
      routing.open({
        id,
        progressToken,
        stream: {
          ...stream,
          send(said) {
            stream.send(said)
            hearing()
          },
        },
        giveUp(reason) {
          unanswered(`${server} ${reason} while this request was running`)
          hearing()
        },
      })
    })

    async function posted(): Promise<WireResponse> {
      const work = posting()
      try {
        const mayStart = () => !signal.aborted && wire.mayStart()
        const response = await post(message, { ...wire, mayStart }, work)
        if (response.status < 300) {
          readQuietly(response, id, work)
          return stream.response
        }
        if (isHeard) {
          await response.body?.cancel()
          work.release()
          return stream.response
        }
        // Refused in words of its own, which pass on as they are.
        routing.withdraw(id)
        if (response.status === 404) ended('does not know the session any more')
        return response
      } catch (error) {
        const isUnderWay = work.isLate() && error instanceof UpstreamFault && error.isSent
        if (isHeard || isUnderWay) return stream.response
        routing.withdraw(id)
        throw error
      }
    }

    // An answer on the stream may come before the POST is answered, and some servers never answer that one.
    return Promise.race([heard, posted()])
  }

  async function tell(message: string, peeked: Peek, wire: WireRequest): Promise<WireResponse> {
    // "The receiver … SHOULD NOT send a response for the cancelled request" (MCP, Cancellation).
    if (peeked.kind === 'notification' && peeked.cancels !== null) routing.abandon(peeked.cancels)
    const work = posting()
    const response = await post(message, { ...wire, mayStart: anyTime }, work)
    if (response.status >= 300) return response
    await response.body?.cancel()
    work.release()
    return accepted
  }

  function listen(signal: AbortSignal): WireResponse {
    lastTrafficMs = clock.monotonicMs()
    const stream = createEventStream({
      signal,
      unreadBytesMax: 2 * messageBytesMax,
      onLeave: () => routing.listen(null),
    })
    routing.listen(stream)
    return stream.response
  }

  return {
    initialize,
    request,
    tell,
    listen,
    async end() {
      ended('was left by the gateway')
    },
    isTaken: routing.isTaken,
    isListening: routing.isListening,
    idleMs: () =>
      ending.signal.aborted || onFirstAnswer !== null || routing.openStreams() > 0
        ? null
        : clock.monotonicMs() - lastTrafficMs,
  }
}
