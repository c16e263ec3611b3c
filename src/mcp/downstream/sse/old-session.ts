/**
 * One client of the HTTP+SSE transport (MCP 2024-11-05). Each of its messages is answered inside as if it had come by Streamable
 * HTTP, and what comes of that goes out on its one stream: one answer to each request. When the stream dies, its requests have
 * left, as any client's would; calls that people decide about stay.
 */
import { z } from 'zod'
import type { Principal } from '../../../domain/principal.ts'
import type { Admission } from '../../../ports/admission.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { withMember } from '../../raw-json.ts'
import { messageEvent } from '../../sse.ts'
import { parseJson } from '../../upstream/peek.ts'
import type { Upstream } from '../../upstream/wire.ts'
import type { From, OnPost } from '../on-post.ts'
import {
  answerMessage,
  errorAnswer,
  httpCode,
  type Id,
  INTERNAL_ERROR,
  refusal,
  refusalResponse,
} from '../rpc.ts'
import { standingOf } from '../still-in.ts'
import { type ClientStream, createClientStream } from './client-stream.ts'
import { messagesOf } from './messages-of.ts'
import type { UnreadBudget } from './unread.ts'

/** Each is a request of our own inside, and most clients send one at a time. */
const REQUESTS_MAX = 100
/** A client that takes nothing of its stream for this long is gone, or waits for our memory to fill. */
const STALLED_MS = 60_000
/** The stream of what the server says by itself is opened again after this time when it ends. */
const LISTEN_AGAIN_MS = 2_000

/** What a client that lost its stream has to have again: the server's session, sealed, and the revision that was agreed on. */
export interface Agreed {
  readonly sessionId: string | null
  readonly revision: string | null
}

export interface OldSession {
  readonly id: string
  readonly principal: Principal
  readonly server: string
  readonly response: Response
  /**
   * Takes one message.
   * @param admit whether this request would be let in later
   * @returns the answer to the POST, which is not the answer to the message
   */
  post(request: Request, admit: () => Promise<Admission>): Promise<Response>
  agreed(): Agreed
  /** How long without messages; `null` while something is answered. */
  idleMs(): number | null
  /** Once everything is answered, no more is taken. */
  finish(): void
  end(): void
  /** Ends it without what waits to be taken. */
  cut(because: string): void
}

interface OldSessionOptions {
  readonly id: string
  readonly principal: Principal
  /** Whether the request that opened it would be let in now. */
  admit(): Promise<Admission>
  readonly upstream: Upstream
  /** Where this client sends its messages. */
  readonly endpoint: string
  readonly url: string
  /** From an earlier stream. */
  readonly agreed: Agreed
  /** An id under which a later stream goes on. */
  sealed(agreed: Agreed): string
  readonly onPost: OnPost
  /** A GET of the server's own messages. */
  onGet(from: From): Promise<Response>
  readonly messageBytesMax: number
  readonly unreadBudget: UnreadBudget
  readonly commentMs: number
  readonly onEnd: () => void
  readonly clock: Clock
  readonly log: Log
}

const initializedSchema = z.object({ result: z.object({ protocolVersion: z.string() }) })

export function createOldSession(options: OldSessionOptions): OldSession {
  const { id, principal, upstream, onPost, onGet, messageBytesMax, onEnd, clock, log } = options
  const { server } = upstream
  const ending = new AbortController()
  const stream: ClientStream = createClientStream({ stalledMs: STALLED_MS, onLeave: end })
  const unread = options.unreadBudget.stream(principal, () => {
    if (!ending.signal.aborted)
      log.warn({ agent: principal.name, server }, 'an HTTP+SSE client left too much unread and was cut')
    cut('the client left too much unread and was cut')
  })
  let agreed = options.agreed
  /** Of the latest request: a client renews its token while the stream is open. */
  let { admit } = options
  let isListening = false
  let isFinishing = false
  let inFlight = 0
  let lastMs = clock.monotonicMs()

  function end() {
    if (ending.signal.aborted) return
    ending.abort()
    stream.end()
    onEnd()
  }

  function cut(because: string) {
    stream.cut(because)
    end()
  }

  /** What comes of a response, with nothing of it beyond the budget. */
  function saidBy(response: Response) {
    return messagesOf(response, {
      bytesMax: messageBytesMax,
      signal: ending.signal,
      unread: unread.message(),
    })
  }

  function endIfDone() {
    if (isFinishing && inFlight === 0) end()
  }

  async function post(request: Request, admitLater: () => Promise<Admission>): Promise<Response> {
    admit = admitLater
    if (isFinishing || ending.signal.aborted) return gone()
    if (inFlight >= REQUESTS_MAX) {
      const most = `${REQUESTS_MAX} requests of this stream are being answered already`
      return refusalResponse(
        refusal(429, httpCode(429), `${most}. This one was not taken; wait for an answer.`),
      )
    }
    inFlight++
    lastMs = clock.monotonicMs()
    const asked = askedOf(request)
    const first = await Promise.race([asked.known, asked.response.then(() => null)])
    if (first === null) {
      try {
        return await takenOrRefused(await asked.response)
      } finally {
        over()
      }
    }
    void answer(first.id, first.method, asked).finally(over)
    return accepted()
  }

  function over() {
    inFlight--
    lastMs = clock.monotonicMs()
    endIfDone()
  }

  /** The message as it would have come by Streamable HTTP. */
  function askedOf(request: Request) {
    let know: (asked: { id: Id; method: string }) => void = () => {}
    const known = new Promise<{ id: Id; method: string }>((resolve) => {
      know = resolve
    })
    let tellReached: (isTaken: boolean) => void = () => {}
    const reached = new Promise<boolean>((resolve) => {
      tellReached = resolve
    })
    const from: From = {
      request: new Request(options.url, {
        method: 'POST',
        headers: headersInside(request.headers),
        body: request.body,
        duplex: 'half',
        signal: ending.signal,
      }),
      principal,
      upstream,
      admit: () => admit(),
      delivery: { isResumable: false, reached: () => reached },
    }
    const response = onPost(from, (id, method) => know({ id, method })).catch((error: unknown) => {
      log.error({ err: error, server }, 'a message of an HTTP+SSE client could not be answered')
      return refusalResponse(refusal(500, INTERNAL_ERROR, 'Something went wrong inside the gateway.'))
    })
    return { known, response, tellReached }
  }

  function headersInside(own: Headers): Headers {
    const headers = new Headers(own)
    for (const name of ['content-length', 'mcp-session-id', 'last-event-id']) headers.delete(name)
    headers.set('accept', 'application/json, text/event-stream')
    if (agreed.sessionId !== null) headers.set('mcp-session-id', agreed.sessionId)
    if (agreed.revision !== null && !headers.has('mcp-protocol-version'))
      headers.set('mcp-protocol-version', agreed.revision)
    return headers
  }

  /** Of a notification or an answer, or of what is no message at all: nothing comes on the stream. */
  async function takenOrRefused(response: Response): Promise<Response> {
    if (response.status >= 300) return response
    await response.body?.cancel()
    if (agreed.revision !== null) listen()
    return accepted()
  }

  async function answer(id: Id, method: string, asked: ReturnType<typeof askedOf>): Promise<void> {
    let isAnswered = false
    try {
      const response = await asked.response
      if (method === 'initialize') agreed = { ...agreed, sessionId: response.headers.get('mcp-session-id') }
      for await (const { text, message: said } of saidBy(response)) {
        const isAnswer = said.kind === 'response' && (said.id === id || said.id === null)
        if (said.kind === 'response' && (!isAnswer || isAnswered)) continue
        isAnswered ||= isAnswer
        // An error that names no request is about the only one of this response.
        const named = isAnswer ? withMember(text, 'id', JSON.stringify(id)) : text
        const isTaken = await stream.send(isAnswer ? answerEvent(named, method) : messageEvent(named))
        if (isAnswer) asked.tellReached(isTaken)
      }
    } catch (error) {
      if (!ending.signal.aborted)
        log.info({ err: error, server }, 'an answer to an HTTP+SSE client broke off')
    }
    // Nobody waits for it any more, whoever asks.
    asked.tellReached(false)
    if (isAnswered || ending.signal.aborted) return
    await stream.send(messageEvent(answerMessage(id, errorAnswer(INTERNAL_ERROR, brokenOff(server)))))
  }

  function answerEvent(message: string, method: string): string {
    if (method !== 'initialize') return messageEvent(message)
    const initialized = initializedSchema.safeParse(parseJson(message))
    if (!initialized.success) return messageEvent(message)
    agreed = { ...agreed, revision: initialized.data.result.protocolVersion }
    // Clients that open their stream again by themselves say this id, and go on with the session that they have.
    return messageEvent(message, options.sealed(agreed))
  }

  /** Passes on what the server says by itself, as long as there is such a stream. */
  function listen() {
    if (isListening) return
    isListening = true
    void (async () => {
      while (!ending.signal.aborted) {
        if (!(await listenOnce())) return
        await clock.sleep(LISTEN_AGAIN_MS, ending.signal)
      }
    })()
  }

  /** Each of these is a request of our own, which passes no door. An agent that is none any more loses its stream. */
  async function isStillIn(): Promise<boolean> {
    const standing = await standingOf(principal, admit)
    if (standing === 'out' && !ending.signal.aborted) {
      log.info({ agent: principal.name, server }, 'an HTTP+SSE client is not let in any more and was cut')
      cut('the agent is not admitted any more')
    }
    return standing === 'in'
  }

  /** @returns whether there may be such a stream again */
  async function listenOnce(): Promise<boolean> {
    if (!(await isStillIn()) || ending.signal.aborted) return true
    const headers = headersInside(new Headers())
    headers.set('accept', 'text/event-stream')
    const request = new Request(options.url, { headers, signal: ending.signal })
    try {
      const response = await onGet({ request, principal, upstream, delivery: inside, admit: () => admit() })
      if (response.status !== 200) {
        await response.body?.cancel()
        // Another stream of this session is about to end.
        return response.status === 409
      }
      for await (const { text, message } of saidBy(response)) {
        if (message.kind !== 'response') await stream.send(messageEvent(text))
      }
    } catch (error) {
      if (!ending.signal.aborted) log.debug({ err: error, server }, 'a server is not heard any more')
    }
    return true
  }

  async function keepAlive() {
    for (;;) {
      await clock.sleep(options.commentMs, ending.signal)
      if (ending.signal.aborted) return
      stream.comment('still here')
      // A server that never ends its stream is never asked for another.
      await isStillIn()
    }
  }

  void stream.send(`event: endpoint\ndata: ${options.endpoint}\n\n`)
  void keepAlive()
  if (agreed.revision !== null) listen()
  return {
    ...{ id, principal, server, post, end, cut },
    response: stream.response,
    agreed: () => agreed,
    idleMs: () => (inFlight > 0 ? null : clock.monotonicMs() - lastMs),
    finish() {
      isFinishing = true
      endIfDone()
    },
  }
}

const inside = { isResumable: false, reached: async () => true }

/** "Accepted" is what servers of this transport say; it is no answer. */
const accepted = () => new Response('Accepted', { status: 202, headers: { 'content-type': 'text/plain' } })

/** The same words for what was never there, what is somebody else's and what has ended. */
export const gone = () =>
  refusalResponse(refusal(404, httpCode(404), 'There is no such stream. Open one with GET first.'))

const brokenOff = (server: string) =>
  `The answer of "${server}" broke off, so that nothing is known about this request: it may or may not have had an effect. ` +
  'If it was a call that waits for people, the same call again attaches to it and does not run twice.'
