/**
 * The clients that use the HTTP+SSE transport (MCP 2024-11-05): their streams are counted, found again by whoever opened them, and
 * ended when nobody uses them.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Limits } from '../../../domain/limits.ts'
import type { Principal } from '../../../domain/principal.ts'
import type { Timings } from '../../../domain/timings.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { workSignal } from '../../work-signal.ts'
import { asResponse } from '../delivery.ts'
import type { From, OnPost } from '../on-post.ts'
import { httpCode, refusal, refusalResponse } from '../rpc.ts'
import { createSeal } from '../seal.ts'
import { boundTo } from '../sealed-session.ts'
import { type Agreed, createOldSession, gone, type OldSession } from './old-session.ts'
import { createUnreadBudget } from './unread.ts'

/** Each is a socket of this gateway. */
const STREAMS_MAX = 2_000
/** So that one agent cannot take them all: a conversation has one. */
const STREAMS_PER_PRINCIPAL_MAX = 50
/**
 * Of what one stream has not taken, in answers of the largest size: one on its way and one behind it, as streams to servers have
 * it. Without this a hundred requests at a time could hold a hundred of them for a client that reads a little each minute.
 */
const UNREAD_REPLIES_MAX = 2
/** Of all streams of one agent together: two that are read slowly. Fifty of them would be the gateway's whole memory. */
const UNREAD_REPLIES_PER_PRINCIPAL_MAX = 4
/** Of all streams of this gateway, with the usual limits 256 MiB: four agents that read slowly. A crowd of them would be its whole memory. */
const UNREAD_REPLIES_PER_GATEWAY_MAX = 16
/** A client that says nothing for this long is forgotten; one that opens its stream again goes on. */
const IDLE_MS = 30 * 60_000
const REAP_MS = 60_000
/** A client that lost its stream opens it again within seconds; after this time, or when it has been idle for too long, the server's session is ended. */
const COME_BACK_MS_MAX = 60_000

const PREFIX = 'hps1'

export interface OldSessions {
  /**
   * Opens a stream.
   * @param path of the server at this gateway, as its clients see it
   */
  open(from: Omit<From, 'delivery'>, path: string): Response
  /** One message to a stream of this principal. */
  post(from: Omit<From, 'delivery'>, sessionId: string): Promise<Response>
}

/** Whether a GET is the beginning of HTTP+SSE. Clients of Streamable HTTP name a session, a revision or both. */
export function opensOldSession(headers: Headers): boolean {
  const named = ['mcp-session-id', 'mcp-protocol-version'].some((name) => headers.has(name))
  const lastEventId = headers.get('last-event-id')
  if (named || (lastEventId !== null && !lastEventId.startsWith(`${PREFIX}.`))) return false
  return (headers.get('accept') ?? '').toLowerCase().includes('text/event-stream')
}

export function createOldSessions(deps: {
  onPost: OnPost
  onBodiless(from: From, method: 'GET' | 'DELETE'): Promise<Response>
  sealKey: Uint8Array
  limits: Pick<Limits, 'replyBytesMax'>
  timings: Pick<Timings, 'commentMs' | 'sessionIdleMs'>
  stopping: AbortSignal
  clock: Clock
  log: Log
}): OldSessions {
  const { onPost, onBodiless, sealKey, limits, timings, stopping, clock, log } = deps
  const sessions = new Map<string, OldSession>()
  /** Of the server's sessions whose client has lost its stream, how each is kept from being ended. */
  const leaving = new Map<string, AbortController>()
  const unreadBudget = createUnreadBudget({
    perStreamMax: UNREAD_REPLIES_MAX * limits.replyBytesMax,
    perPrincipalMax: UNREAD_REPLIES_PER_PRINCIPAL_MAX * limits.replyBytesMax,
    perGatewayMax: UNREAD_REPLIES_PER_GATEWAY_MAX * limits.replyBytesMax,
  })
  const seal = createSeal({ sealKey, purpose: 'mcp-sse-session', prefix: PREFIX, schema: agreedSchema })
  /** Names each stream and the gateway that has it, so that every gateway can say what became of it. */
  const streamSeal = createSeal({ sealKey, purpose: 'mcp-sse-stream', prefix: 'hpe1', schema: streamSchema })
  const here = randomUUID()

  function open(from: Omit<From, 'delivery'>, path: string): Response {
    const { request, principal, upstream, admit } = from
    const scope = boundTo({ principal, server: upstream.server })
    const again = seal.open(scope, request.headers.get('last-event-id') ?? '')
    const [sessionId = null, revision = null] = again ?? []
    // The client has left it, also where its socket does not know that yet.
    for (const older of sessionId === null || stopping.aborted ? [] : having(sessionId))
      older.cut('the client opened its stream again')
    const full = fullFor(principal)
    if (full !== null) return refusalResponse(refusal(429, httpCode(429), full))
    if (sessionId !== null) leaving.get(sessionId)?.abort()
    const id = streamSeal.seal(scope, [here, randomUUID()])
    const session = createOldSession({
      id,
      principal,
      admit,
      upstream,
      endpoint: `${path}/messages?sessionId=${id}`,
      url: request.url,
      agreed: { sessionId, revision },
      sealed: (agreed) => seal.seal(scope, [agreed.sessionId, agreed.revision]),
      onPost,
      onGet: (inner) => onBodiless(inner, 'GET'),
      messageBytesMax: limits.replyBytesMax,
      unreadBudget,
      commentMs: timings.commentMs,
      onEnd() {
        sessions.delete(id)
        void endLater({ ...from, delivery: asResponse }, session.agreed())
      },
      clock,
      log,
    })
    sessions.set(id, session)
    if (request.signal.aborted) session.end()
    request.signal.addEventListener('abort', session.end, { once: true })
    return session.response
  }

  async function post(from: Omit<From, 'delivery'>, sessionId: string): Promise<Response> {
    const { request, principal, upstream, admit } = from
    const session = sessions.get(sessionId)
    const isTheirs =
      session?.principal.name === principal.name &&
      session.principal.owner === principal.owner &&
      session.server === upstream.server
    if (session !== undefined && isTheirs) return session.post(request, admit)
    const opened = streamSeal.open(boundTo({ principal, server: upstream.server }), sessionId)
    if (opened === null || opened[0] === here) return gone()
    log.info(
      { agent: principal.name, server: upstream.server },
      'a message of an HTTP+SSE client came here, and its stream is at another gateway',
    )
    return elsewhere()
  }

  function fullFor({ name, owner }: Principal): string | null {
    if (stopping.aborted) return 'This gateway is stopping. Open the stream again in a moment.'
    const own = [...sessions.values()].filter(
      ({ principal }) => principal.name === name && principal.owner === owner,
    )
    if (own.length >= STREAMS_PER_PRINCIPAL_MAX)
      return `This agent has ${own.length} event streams here already, the most it may have. Close one that is not needed.`
    return sessions.size >= STREAMS_MAX
      ? 'Too many event streams are open at this gateway. Try again later.'
      : null
  }

  /** The streams of this session of a server. */
  function having(sessionId: string): OldSession[] {
    return [...sessions.values()].filter((session) => session.agreed().sessionId === sessionId)
  }

  /** The server's session outlives the stream for a while: a client that only lost its connection comes back to it. */
  async function endLater(from: From, { sessionId, revision }: Agreed): Promise<void> {
    if (sessionId === null || stopping.aborted || having(sessionId).length > 0) return
    leaving.get(sessionId)?.abort()
    const kept = new AbortController()
    leaving.set(sessionId, kept)
    const work = workSignal([kept.signal, stopping], null)
    await clock.sleep(Math.min(COME_BACK_MS_MAX, timings.sessionIdleMs), work.signal)
    work.release()
    if (leaving.get(sessionId) === kept) leaving.delete(sessionId)
    if (kept.signal.aborted || stopping.aborted || having(sessionId).length > 0) return
    const headers = new Headers({ 'mcp-session-id': sessionId })
    if (revision !== null) headers.set('mcp-protocol-version', revision)
    const request = new Request(from.request.url, { method: 'DELETE', headers })
    try {
      const response = await onBodiless({ ...from, request }, 'DELETE')
      await response.body?.cancel()
    } catch (error) {
      log.debug({ err: error }, 'a session that nobody uses could not be ended')
    }
  }

  async function reapForever() {
    while (!stopping.aborted) {
      await clock.sleep(REAP_MS, stopping)
      for (const session of sessions.values()) if ((session.idleMs() ?? 0) >= IDLE_MS) session.end()
    }
    for (const session of sessions.values()) session.finish()
  }

  void reapForever()
  return { open, post }
}

/** Nothing was taken, so that a client that sends it again where its stream is does nothing twice. */
const elsewhere = () =>
  refusalResponse(
    refusal(
      404,
      httpCode(404),
      'The event stream of this client is not at this gateway, so the message was not taken: it ended with the gateway that had it, ' +
        'or another gateway has it. Open a stream again with GET; a call that waits for people goes on waiting, and the same call again ' +
        'attaches to it. In front of several gateways, the proxy has to keep a client of HTTP+SSE at one (docs/team.md), or the client ' +
        'should use Streamable HTTP at the same URL, which needs none of this.',
    ),
  )

const streamSchema = z.tuple([z.string(), z.string()])
const agreedSchema = z.tuple([z.string().nullable(), z.string().nullable()])
