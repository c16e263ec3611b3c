/**
 * Passes a message to its upstream and the answer back, unbuffered and unchanged: only session ids are sealed, hidden
 * tools taken out, and the upstream's own credentials trouble kept from looking like the client's.
 */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Log } from '../../ports/log.ts'
import { headersUp } from '../upstream/headers.ts'
import {
  anyTime,
  type Upstream,
  UpstreamFault,
  type WireRequest,
  type WireResponse,
} from '../upstream/wire.ts'
import { type Accepts, readAccepts } from './accepts.ts'
import { answeredOnce } from './answered-once.ts'
import type { Rewrite } from './hidden-tools.ts'
import { rewriteEvents, rewriteJson, Unreadable } from './rewrite-body.ts'
import { answerMessage, errorAnswer, type Id, INTERNAL_ERROR, refusal, refusalResponse } from './rpc.ts'
import type { Session, SessionSeal } from './sealed-session.ts'
import type { Spoken } from './spoken.ts'

export interface ForwardRequest {
  readonly upstream: Upstream
  readonly principal: Principal
  readonly method: WireRequest['method']
  readonly headers: Headers
  readonly body: string | null
  readonly spoken: Spoken
  /** The session of a legacy request. */
  readonly session: Session | null
  /** Name and version of the client, sealed into the session that this exchange may open. */
  readonly client: string | null
  /** Of a request; errors of ours name it. */
  readonly id: Id | null
  /** Its stream ends with an answer. That of a subscription may just end. */
  readonly isAnswered: boolean
  readonly rewrite: Rewrite | null
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal
  /** Told when certainly nothing left. */
  readonly onUnsent: (() => Promise<void>) | null
}

/** Headers of clients that an operator lets through to this server, in lower case. */
export type PassHeaders = (server: string) => readonly string[]

export type Forward = (request: ForwardRequest) => Promise<Response>

export function createForward(deps: {
  seal: SessionSeal
  passHeaders: PassHeaders
  limits: Pick<Limits, 'replyBytesMax'>
  log: Log
}): Forward {
  const { seal, passHeaders, limits, log } = deps

  return async function forward(request) {
    const { upstream, principal, method, body, signal } = request
    const exchange = new AbortController()
    const leave = () => exchange.abort()
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    try {
      const response = await upstream.exchange({
        method,
        headers: requestHeaders(request, passHeaders(upstream.server)),
        body,
        principal,
        signal: exchange.signal,
        freshConnection: false,
        mayStart: anyTime,
      })
      return await passBack(response, request)
    } catch (error) {
      // What is not passed back is not left open either.
      leave()
      if (error instanceof UpstreamFault && !error.isSent) await request.onUnsent?.()
      if (error instanceof UpstreamFault || error instanceof Unreadable) return unavailable(request, error)
      throw error
    } finally {
      // From here on a client that leaves cancels the body, which ends the exchange without an error in its stream.
      signal.removeEventListener('abort', leave)
    }
  }

  async function passBack(response: WireResponse, request: ForwardRequest): Promise<Response> {
    const { status, body } = response
    if (status === 401 || (status >= 300 && status < 400)) {
      await body?.cancel()
      // As it stands it would send the client to ask for a token that is not ours to take, or past this gateway.
      throw new UpstreamFault(`it answered HTTP ${status} to the gateway's own credentials or address`, true)
    }
    if (request.isAnswered && (status === 202 || status === 204)) {
      await body?.cancel()
      throw new UpstreamFault(`it took the request and did not answer it (HTTP ${status})`, true)
    }
    const headers = responseHeaders(response, request)
    if (status === 202 && response.headers['content-type'] === undefined) {
      // "202 Accepted with no body" (MCP, Transports): passed on as an empty one, it would be given a type on the way.
      await body?.cancel()
      return responseOf(null, status, headers)
    }
    const { rewrite } = request
    const [media] = (response.headers['content-type'] ?? '').toLowerCase().split(';')
    const isStream = media?.trim() === 'text/event-stream'
    const change = status < 300 ? rewrite : null
    if (body === null || !(isStream || change !== null)) return responseOf(body, status, headers)
    if (isStream) {
      const changed = change === null ? body : rewriteEvents(body, change, limits.replyBytesMax)
      // nginx would hold events back until a buffer is full.
      return responseOf(withAnswer(changed, request), status, { 'x-accel-buffering': 'no', ...headers })
    }
    if (media?.trim() === 'application/json' && change !== null)
      return responseOf(await rewriteJson(body, change, limits.replyBytesMax), status, headers)
    await body.cancel()
    throw new Unreadable('its answer is neither JSON nor an event stream')
  }

  /** Each request gets one answer, also where its stream breaks off. */
  function withAnswer(
    body: ReadableStream<Uint8Array>,
    { id, isAnswered, upstream, spoken }: ForwardRequest,
  ) {
    if (!isAnswered || id === null) return body
    return answeredOnce(body, {
      isResumable: spoken.era === 'legacy',
      missing(reason) {
        log.warn({ server: upstream.server, reason }, 'an upstream left a request without an answer')
        const text = `The server "${upstream.server}" behind this gateway did not finish its answer. It may have acted on this request.`
        return answerMessage(id, errorAnswer(INTERNAL_ERROR, text))
      },
    })
  }

  function responseHeaders(response: WireResponse, request: ForwardRequest): Record<string, string> {
    const { principal, upstream, session, client, spoken } = request
    const { 'mcp-session-id': sessionId, ...headers } = Object.fromEntries(
      Object.entries(response.headers).filter(([name]) => !neverDown.has(name)),
    )
    // 2026-07-28 has no sessions.
    if (sessionId === undefined || spoken.era === 'modern') return headers
    // Sealed anew, the same session would look like another one.
    const own = session?.id === sessionId ? request.headers.get('mcp-session-id') : null
    const sealed = own ?? seal.seal({ principal, server: upstream.server }, { id: sessionId, client })
    return { ...headers, 'mcp-session-id': sealed }
  }

  function unavailable({ upstream, id, signal }: ForwardRequest, fault: Error): Response {
    if (!signal.aborted)
      log.warn({ server: upstream.server, reason: fault.message }, 'upstream not available')
    if (fault instanceof UpstreamFault && fault.told !== null)
      return refusalResponse(refusal(403, INTERNAL_ERROR, `${fault.told} Nothing was sent.`, id))
    const executed =
      fault instanceof UpstreamFault && !fault.isSent
        ? 'Nothing was sent to it; try again later.'
        : 'It may have received this request.'
    const message =
      `The server "${upstream.server}" behind this gateway did not give a usable answer. ${executed} ` +
      'If it stays so, an operator finds the cause in the log of the gateway.'
    return refusalResponse(refusal(502, INTERNAL_ERROR, message, id))
  }
}

/** @throws UpstreamFault for what HTTP can carry here but no response of ours can, such as a status beyond 599 */
function responseOf(
  body: ReadableStream<Uint8Array> | string | null,
  status: number,
  headers: Record<string, string>,
): Response {
  try {
    return new Response(body, { status, headers })
  } catch (error) {
    throw new UpstreamFault(`its answer (HTTP ${status}) cannot be passed on: ${String(error)}`, true, {
      cause: error,
    })
  }
}

/** Framing is this hop's own; the others would speak to the client about our origin in the upstream's name. */
const neverDown = new Set([
  'content-length',
  'content-security-policy',
  'location',
  'refresh',
  'set-cookie',
  'www-authenticate',
])

/**
 * What MCP, HTTP and tracing need. Any other header may be a credential of the client or of a proxy before us (`X-Api-Key`,
 * `Cf-Access-Jwt-Assertion`), or one that the upstream believes about who calls (`X-User-Id`); those are for the operator to let through.
 */
const passed =
  /^(accept|accept-encoding|accept-language|content-type|last-event-id|user-agent|x-request-id|traceparent|tracestate|baggage|mcp-.*)$/

function requestHeaders(
  { headers, method, session, spoken }: ForwardRequest,
  more: readonly string[],
): Record<string, string> {
  const kept = Object.entries(headersUp(Object.fromEntries(headers), {})).filter(
    ([name]) =>
      (passed.test(name) || more.includes(name)) &&
      name !== 'mcp-session-id' &&
      !(spoken.era === 'modern' ? ofLegacy : ofModern).test(name),
  )
  return {
    ...Object.fromEntries(kept),
    accept: acceptFor(method, headers.get('accept')),
    ...(session === null ? {} : { 'mcp-session-id': session.id }),
  }
}

/** Headers of the other era mean nothing to an upstream, or something that nobody has checked. */
const ofLegacy = /^last-event-id$/
const ofModern = /^mcp-(method|name|param-.*)$/

/** Upstreams insist on what the standard asks of clients, who often say less. */
function acceptFor(method: WireRequest['method'], stated: string | null): string {
  const accepts: Accepts | null = readAccepts(stated)
  if (stated !== null && accepts?.isOpen !== true) return stated
  return method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'
}
