/**
 * A modern upstream (MCP 2026-07-28) that legacy clients (up to 2025-11-25) can use too: sessions of our own, in which every
 * request is sent in modern words. Modern requests pass as they are. What does not cross: tasks, and a session after this
 * process has ended.
 */
import { z } from 'zod'
import type { Limits } from '../../../domain/limits.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { rawMember, withMember, withoutMembers } from '../../raw-json.ts'
import { eraOf, eraOfRevision, revisionOf } from '../../revisions.ts'
import { createEventStream } from '../event-stream.ts'
import { type Id, idKey, parseJson, peek } from '../peek.ts'
import { reapEveryMs } from '../reap.ts'
import {
  badRequest,
  errorMessage,
  internalError,
  invalidRequest,
  jsonResponse,
  refusalResponse,
  sessionNotFound,
  streamTaken,
} from '../refusal.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { askModern } from './ask-modern.ts'
import { createFacePlaces } from './face-places.ts'
import { createFaceSession, type FaceSession } from './face-session.ts'
import { envelopeOf, META_SERVER_INFO, paramsOf, unanswered } from './words.ts'

/** What a client that asks for a revision nobody knows is offered. */
const NEWEST_LEGACY = '2025-11-25'

export interface FaceOptions {
  readonly limits: Pick<Limits, 'lineBytesMax'>
  readonly sessionIdleMs: number
  readonly clock: Clock
  readonly log: Log
}

export function withLegacyFace(upstream: Upstream, options: FaceOptions): Upstream {
  const { server } = upstream
  const { limits, sessionIdleMs, clock, log } = options
  const bytesMax = limits.lineBytesMax
  const places = createFacePlaces()
  const closing = new AbortController()

  async function exchange(request: WireRequest): Promise<WireResponse> {
    if (eraOf(request.headers['mcp-protocol-version']) === 'modern') return upstream.exchange(request)
    const body = request.body ?? ''
    const message = peek(body)
    const rawId = message.kind === 'request' ? rawMember(body, 'id') : null
    const sessionId = request.headers['mcp-session-id']
    if (sessionId === undefined) {
      if (message.kind !== 'request' || message.method !== 'initialize') {
        return refused(request, badRequest('Mcp-Session-Id header is required', rawId))
      }
      return initialize(request, body, rawId ?? 'null')
    }
    const session = places.of(sessionId, request.principal)
    if (session === null) return refused(request, sessionNotFound(rawId))
    session.touch()
    switch (request.method) {
      case 'GET':
        return session.listen(request.signal) ?? refused(request, streamTaken())
      case 'DELETE':
        places.end(sessionId)
        return { status: 200, headers: {}, body: null }
      case 'POST':
        return post(session, request, body)
    }
  }

  function refused(request: WireRequest, refusal: ReturnType<typeof badRequest>): WireResponse {
    if (request.freshConnection) throw new UpstreamFault(refusal.message, false)
    return refusalResponse(refusal)
  }

  async function initialize(request: WireRequest, body: string, rawId: string): Promise<WireResponse> {
    const room = places.makeRoom(request.principal)
    if (!room.ok) return refusalResponse(internalError(room.error, rawId))
    const params = paramsOf(body)
    const { protocolVersion } = initializeSchema.parse(parseJson(params))
    const asked = revisionOf(protocolVersion)
    const revision = asked !== null && eraOfRevision(asked) === 'legacy' ? asked : NEWEST_LEGACY
    const sender = {
      info: rawMember(params, 'clientInfo'),
      capabilities: rawMember(params, 'capabilities') ?? '{}',
      logLevel: null,
    }
    const discovered = await askModern(upstream, request, 'server/discover', envelopeOf(sender), bytesMax)
    const result = rawMember(discovered, 'result')
    if (result === null) return jsonResponse(200, withMember(discovered, 'id', rawId))
    const session = createFaceSession({
      upstream,
      principal: request.principal,
      sender,
      capabilities: rawMember(result, 'capabilities') ?? '{}',
      bytesMax,
      clock,
      log,
    })
    const sessionId = places.add(session)
    return jsonResponse(200, initializedOf(result, revision, rawId), { 'mcp-session-id': sessionId })
  }

  function post(session: FaceSession, request: WireRequest, body: string): WireResponse {
    const message = peek(body)
    switch (message.kind) {
      case 'invalid':
      case 'batch':
        return refused(request, invalidRequest('not one JSON-RPC message', null))
      case 'response':
        session.answered(body)
        return accepted
      case 'notification':
        if (message.cancels !== null) session.cancel(message.cancels)
        return accepted
      case 'request':
        return answer(session, request, body, message)
    }
  }

  function answer(
    session: FaceSession,
    request: WireRequest,
    body: string,
    { id, method }: { id: Id; method: string },
  ): WireResponse {
    const rawId = rawMember(body, 'id') ?? 'null'
    const local = session.answerHere(method, paramsOf(body))
    if (local !== null) return jsonResponse(200, `{"jsonrpc":"2.0","id":${rawId},${local}}`)
    if (session.isTaken(id)) return refused(request, invalidRequest('this id is already in use', rawId))
    const stream = createEventStream({
      signal: request.signal,
      unreadBytesMax: 2 * bytesMax,
      // "a disconnect SHOULD NOT be read as cancellation" (MCP 2025-11-25): the answer is lost, the work goes on.
      onLeave: () => {},
    })
    session.run(idKey(id), body, request, stream).catch((error: unknown) => {
      if (request.freshConnection) {
        return stream.fail(error instanceof UpstreamFault ? error : new UpstreamFault(String(error), true))
      }
      stream.send(errorMessage(internalError(unanswered(server, error), rawId)))
      stream.end()
    })
    return stream.response
  }

  async function reapForever() {
    while (!closing.signal.aborted) {
      await clock.sleep(reapEveryMs(sessionIdleMs), closing.signal)
      places.endIdle(sessionIdleMs)
    }
  }

  void reapForever()
  return {
    server,
    exchange,
    async close() {
      closing.abort()
      places.endAll()
      await upstream.close()
    },
  }
}

const accepted: WireResponse = { status: 202, headers: {}, body: null }
const initializeSchema = z.object({ protocolVersion: z.string().catch('') }).catch({ protocolVersion: '' })

/** What legacy clients are told of a discovered server. Extensions and tasks belong to the other era. */
function initializedOf(discovered: string, revision: string, rawId: string): string {
  const own = withoutMembers(
    rawMember(discovered, 'capabilities') ?? '{}',
    (name) => name === 'extensions' || name === 'tasks',
  )
  const info = rawMember(rawMember(discovered, '_meta') ?? '{}', META_SERVER_INFO)
  const instructions = rawMember(discovered, 'instructions')
  let result = `{"protocolVersion":"${revision}","capabilities":${own}}`
  result = withMember(result, 'serverInfo', info ?? '{"name":"unknown","version":"0"}')
  if (instructions !== null) result = withMember(result, 'instructions', instructions)
  return `{"jsonrpc":"2.0","id":${rawId},"result":${result}}`
}
