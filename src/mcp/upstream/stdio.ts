/**
 * A command that speaks MCP over stdio, presented as a legacy Streamable HTTP server (2024-11-05 to 2025-11-25). Each
 * session has a process of its own and belongs to the principal that opened it.
 */
import { randomUUID } from 'node:crypto'
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { rawMember } from '../raw-json.ts'
import { eraOf, eraOfRevision, REVISIONS } from '../revisions.ts'
import type { Command } from './child.ts'
import { commandFor, type HomeOf } from './home.ts'
import { type Id, parseJson, peek } from './peek.ts'
import {
  badRequest,
  internalError,
  invalidRequest,
  jsonResponse,
  parseError,
  type Refusal,
  refusalResponse,
  sessionNotFound,
  streamTaken,
} from './refusal.ts'
import type { SlotHolder, Slots } from './slots.ts'
import { createStartFailures, tooOften } from './start-failures.ts'
import { createStdioSession, type StdioSession } from './stdio-session.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from './wire.ts'

/** A session without traffic and without an open stream for this long was forgotten by its client. */
export const SESSION_IDLE_MS = 30 * 60_000
/** How often forgotten sessions are looked for. */
const REAP_MS = 60_000

interface StdioUpstreamOptions extends Command {
  readonly limits: Pick<Limits, 'lineBytesMax'>
  /** Shared by all stdio upstreams of a gateway. */
  readonly slots: Slots
  /** The directory that its program has as its home, for each person one; `null`: the gateway's own. */
  readonly homeOf: HomeOf | null
  readonly sessionIdleMs: number
  readonly clock: Clock
  readonly log: Log
}

interface Owned {
  readonly principal: Principal
  readonly session: StdioSession
}

export function createStdioUpstream(options: StdioUpstreamOptions): Upstream {
  const { server, limits, slots, homeOf, sessionIdleMs, clock, log } = options
  const failures = createStartFailures(clock.monotonicMs)
  const sessions = new Map<string, Owned>()
  /** Every child that may still run, also those whose session nobody can use any more. */
  const living = new Set<SlotHolder>()
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

  async function withoutSession(request: WireRequest, body: string, rawId: string | null) {
    const message = peek(body)
    if (request.method === 'POST' && message.kind === 'request' && message.method === 'initialize')
      return open(request, body, message.id, rawId)
    return err(badRequest('Mcp-Session-Id header is required', rawId))
  }

  function post(session: StdioSession, request: WireRequest, body: string, rawId: string | null) {
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
        return ok(session.request(body, message, request))
      case 'notification':
      case 'response':
        session.tell(body, message)
        return ok({ status: 202, headers: {}, body: null })
    }
  }

  async function open(request: WireRequest, body: string, id: Id, rawId: string | null) {
    const sessionId = randomUUID()
    const { principal } = request
    const key = JSON.stringify([principal.name, principal.owner])
    const pauseMs = failures.pauseMs(key)
    if (pauseMs > 0) return err(internalError(tooOften(server, pauseMs), rawId))
    const command = await commandFor(principal, options, homeOf)
    if (!command.ok) return err(internalError(command.error, rawId))
    const session = createStdioSession({
      command: command.value,
      lineBytesMax: limits.lineBytesMax,
      clock,
      log,
      onEnd: () => {
        sessions.delete(sessionId)
        void end()
      },
    })
    const holder = { server, principal, idleMs: session.idleMs, end }
    const taken = await slots.take(holder)
    if (!taken.ok) return err(internalError(taken.error, rawId))
    const release = taken.value
    living.add(holder)

    async function end() {
      await session.end()
      living.delete(holder)
      release()
    }

    try {
      if (closing.signal.aborted) throw new UpstreamFault('the gateway is stopping', false)
      const reply = await session.initialize(body, id, request.signal)
      failures.started(key)
      const isAccepted = rawMember(reply, 'error') === null
      if (!isAccepted) void end()
      else sessions.set(sessionId, { principal, session })
      return ok(jsonResponse(200, reply, isAccepted ? { 'mcp-session-id': sessionId } : {}))
    } catch (error) {
      void end()
      if (!(error instanceof UpstreamFault)) throw error
      if (!request.signal.aborted) failures.failed(key)
      log.warn({ server, reason: error.message }, 'upstream process could not be initialised')
      return err(internalError(error.message, rawId))
    }
  }

  async function reapForever() {
    while (!closing.signal.aborted) {
      await clock.sleep(REAP_MS, closing.signal)
      for (const { session } of sessions.values()) {
        if ((session.idleMs() ?? 0) >= sessionIdleMs) void session.end()
      }
    }
  }

  async function close() {
    closing.abort()
    await Promise.all([...living].map((holder) => holder.end()))
  }

  void reapForever()
  return { server, exchange, close }
}

/** An agent's name that moved to another owner is another agent, and does not inherit what the first one left open. */
const isSame = (a: Principal, b: Principal) => a.name === b.name && a.owner === b.owner

const legacy = REVISIONS.filter((revision) => eraOfRevision(revision) === 'legacy')

function rawIdOf(body: string): string | null {
  const message = peek(body)
  return message.kind === 'request' ? rawMember(body, 'id') : null
}
