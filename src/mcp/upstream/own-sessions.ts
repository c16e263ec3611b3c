/**
 * Sessions that live in this process, presented as a legacy Streamable HTTP server (2024-11-05 to 2025-11-25). Each belongs
 * to the principal that opened it.
 */
import { randomUUID } from 'node:crypto'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Clock } from '../../ports/clock.ts'
import { rawMember } from '../raw-json.ts'
import { eraOf, eraOfRevision, REVISIONS } from '../revisions.ts'
import { type Id, type Peek, parseJson, peek } from './peek.ts'
import { reapEveryMs } from './reap.ts'
import {
  badRequest,
  invalidRequest,
  jsonResponse,
  parseError,
  type Refusal,
  refusalResponse,
  sessionNotFound,
  streamTaken,
} from './refusal.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from './wire.ts'

export interface OwnSession {
  isTaken(id: Id): boolean
  /** A stream that ends with the answer. @throws UpstreamFault */
  request(
    message: string,
    peeked: Extract<Peek, { kind: 'request' }>,
    wire: WireRequest,
  ): WireResponse | Promise<WireResponse>
  /** A notification or an answer. @throws UpstreamFault */
  tell(message: string, peeked: Peek, wire: WireRequest): WireResponse | Promise<WireResponse>
  isListening(): boolean
  listen(signal: AbortSignal): WireResponse
  /** How long without traffic and open streams; `null` while in use or ending. */
  idleMs(): number | null
  end(): Promise<void>
}

export type Opening =
  /** `reply`: the raw answer to `initialize`. */
  | { readonly kind: 'opened'; readonly session: OwnSession; readonly reply: string }
  /** What is behind us refused the handshake, in words of its own. */
  | { readonly kind: 'answered'; readonly response: WireResponse }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

interface OwnSessionsOptions {
  /** Begins every session id, so that whose session it is can be told from it. */
  readonly idPrefix: string
  readonly sessionIdleMs: number
  readonly clock: Clock
  /** @param onEnd to be called when nobody can use the session any more */
  open(request: WireRequest, body: string, id: Id, onEnd: () => void): Promise<Opening>
}

/** Its `close` lets go of the sessions without ending them. */
export function createOwnSessions({
  idPrefix,
  sessionIdleMs,
  clock,
  open,
}: OwnSessionsOptions): Omit<Upstream, 'server' | 'close'> & { close(): void } {
  const sessions = new Map<string, { readonly principal: Principal; readonly session: OwnSession }>()
  const closing = new AbortController()

  async function exchange(request: WireRequest): Promise<WireResponse> {
    const answered = await answer(request)
    if (answered.ok) return answered.value
    if (request.freshConnection) throw new UpstreamFault(answered.error.message, false)
    return refusalResponse(answered.error)
  }

  async function answer(request: WireRequest): Promise<Result<WireResponse, Refusal>> {
    const body = request.body ?? ''
    const rawId = rawIdOf(body)
    const version = request.headers['mcp-protocol-version']
    // Neither 2026-07-28 nor an unknown revision: dual-era clients take this answer as "use initialize".
    if (eraOf(version) !== 'legacy')
      return err(badRequest(`Unsupported protocol version (supported versions: ${legacy.join(', ')})`, rawId))
    const sessionId = request.headers['mcp-session-id']
    if (sessionId === undefined) return withoutSession(request, body, rawId)
    const owned = sessions.get(sessionId)
    // Somebody else's session is not distinguishable from none.
    if (owned === undefined || !isSame(owned.principal, request.principal)) return err(sessionNotFound(rawId))
    switch (request.method) {
      case 'POST':
        return post(owned.session, request, body, rawId)
      case 'GET':
        return owned.session.isListening() ? err(streamTaken()) : ok(owned.session.listen(request.signal))
      case 'DELETE':
        sessions.delete(sessionId)
        void owned.session.end()
        return ok({ status: 200, headers: {}, body: null })
    }
  }

  async function withoutSession(
    request: WireRequest,
    body: string,
    rawId: string | null,
  ): Promise<Result<WireResponse, Refusal>> {
    const message = peek(body)
    if (request.method !== 'POST' || message.kind !== 'request' || message.method !== 'initialize')
      return err(badRequest('Mcp-Session-Id header is required', rawId))
    const sessionId = `${idPrefix}${randomUUID()}`
    let isEnded = false
    const opening = await open(request, body, message.id, () => {
      isEnded = true
      sessions.delete(sessionId)
    })
    if (opening.kind === 'answered') return ok(opening.response)
    if (opening.kind === 'refused') return err(opening.refusal)
    const { session, reply } = opening
    const isAccepted = rawMember(reply, 'error') === null
    if (!isAccepted) void session.end()
    else if (!isEnded) sessions.set(sessionId, { principal: request.principal, session })
    return ok(jsonResponse(200, reply, isAccepted ? { 'mcp-session-id': sessionId } : {}))
  }

  async function post(
    session: OwnSession,
    request: WireRequest,
    body: string,
    rawId: string | null,
  ): Promise<Result<WireResponse, Refusal>> {
    const message = peek(body)
    switch (message.kind) {
      case 'invalid':
        return err(
          parseJson(body) === undefined ? parseError() : invalidRequest('not a JSON-RPC message', rawId),
        )
      case 'batch':
        return err(invalidRequest('batches are not accepted', null))
      case 'request':
        if (message.method === 'initialize') return err(invalidRequest('Server already initialized', rawId))
        if (session.isTaken(message.id)) return err(invalidRequest('this id is already in use', rawId))
        return ok(await session.request(body, message, request))
      case 'notification':
      case 'response':
        return ok(await session.tell(body, message, request))
    }
  }

  async function reapForever() {
    while (!closing.signal.aborted) {
      await clock.sleep(reapEveryMs(sessionIdleMs), closing.signal)
      for (const { session } of sessions.values()) {
        if ((session.idleMs() ?? 0) >= sessionIdleMs) void session.end()
      }
    }
  }

  void reapForever()
  return { exchange, close: () => closing.abort() }
}

/** Taken by the server; its answer, if there is one, comes another way. */
export const accepted: WireResponse = { status: 202, headers: {}, body: null }

/** An agent's name that moved to another owner is another agent, and does not inherit what the first one left open. */
const isSame = (a: Principal, b: Principal) => a.name === b.name && a.owner === b.owner

const legacy = REVISIONS.filter((revision) => eraOfRevision(revision) === 'legacy')

function rawIdOf(body: string): string | null {
  const message = peek(body)
  return message.kind === 'request' ? rawMember(body, 'id') : null
}
