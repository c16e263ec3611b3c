/**
 * A URL whose era and transport are found out from what it answers, used by clients of every revision. A server that speaks the
 * words of its client is passed everything as it is; only where it does not, its words are translated.
 */
import { rawMember } from '../../raw-json.ts'
import { eraOf } from '../../revisions.ts'
import type { HttpUpstream } from '../http.ts'
import { keptResponse } from '../kept-response.ts'
import { parseJson, peek } from '../peek.ts'
import { createEitherTransport, isInitialize, type Transport } from '../sse/either-transport.ts'
import { createSseUpstream } from '../sse/sse-upstream.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { FACE_SESSION_PREFIX } from './face-places.ts'
import { type FaceOptions, withLegacyFace } from './legacy-face.ts'
import { InitializeRefused } from './legacy-sessions.ts'
import { createModernAlone, isRefused } from './modern-alone.ts'
import { withModernFace } from './modern-face.ts'
import { modernRefusal } from './modern-refusal.ts'
import { isOfQuestion } from './questions.ts'
import { createSpeaksModern } from './speaks-modern.ts'
import { paramsOf } from './words.ts'

interface AtUrlOptions extends FaceOptions {
  readonly http: HttpUpstream
  readonly url: URL
  readonly transport: Transport
}

export function createAtUrl(options: AtUrlOptions): Upstream {
  const { http, transport, limits, clock, log } = options
  const legacy = createEitherTransport({ ...options, sse: createSseUpstream(options) })
  const faces = { modern: withModernFace(legacy, options, true), legacy: withLegacyFace(http, options) }
  const modern = createSpeaksModern(http, clock, log)
  const modernAlone = createModernAlone(legacy, clock, log)

  function exchange(request: WireRequest): Promise<WireResponse> {
    return eraOf(request.headers['mcp-protocol-version']) === 'modern' ? ofModern(request) : ofLegacy(request)
  }

  async function ofModern(request: WireRequest): Promise<WireResponse> {
    // What a translated server has asked is answered there, whatever it speaks by now.
    if (transport === 'sse' || answersQuestion(request)) return translated(request)
    const isSpoken = await modern.isSo(request.principal, !request.freshConnection)
    if (isSpoken === false) return translated(request)
    const response = await http.exchange(request)
    if (isSpoken && understandsNothing.has(response.status)) modern.doubt(request.principal)
    return response
  }

  async function translated(request: WireRequest): Promise<WireResponse> {
    const refused = modernRefusal(request)
    if (refused !== null) return refused
    try {
      return await faces.modern.exchange(request)
    } catch (error) {
      if (!(error instanceof InitializeRefused)) throw error
      modern.doubt(request.principal)
      if (transport === 'sse' || request.freshConnection)
        throw new UpstreamFault(error.message, false, { cause: error })
      // Neither era, as it seems: its own words say best what is wrong.
      return http.exchange(request)
    }
  }

  async function ofLegacy(request: WireRequest): Promise<WireResponse> {
    const sessionId = request.headers['mcp-session-id']
    if (sessionId?.startsWith(FACE_SESSION_PREFIX)) return faces.legacy.exchange(request)
    if (sessionId !== undefined) return legacy.exchange(request)
    const { principal } = request
    if (!isInitialize(request)) {
      // Some servers with a handshake need no session: what once worked is not taken from anybody.
      const isLost = !modernAlone.hasHandshake() && modernAlone.isSo(principal)
      return isLost ? faces.legacy.exchange(request) : legacy.exchange(request)
    }
    if (transport === 'sse') return legacy.exchange(request)
    if (modernAlone.isSo(principal)) {
      const translated = await faces.legacy.exchange(request)
      if (translated.headers['mcp-session-id'] === undefined) modernAlone.forget(principal)
      return translated
    }
    const shaken = await keptResponse(await legacy.exchange(request), limits.lineBytesMax)
    if (!isRefused(shaken)) {
      if (shaken.status < 300) modernAlone.noteHandshake()
      return shaken
    }
    modern.doubt(principal)
    if (!(await modern.isSo(principal, true)) || !(await modernAlone.find(principal))) return shaken
    return faces.legacy.exchange(request)
  }

  return {
    server: http.server,
    exchange,
    async close() {
      await Promise.all([faces.modern.close(), faces.legacy.close()])
    },
  }
}

/** A server of 2026-07-28 answers these to a request that it understands only with an error of that revision in it. */
const understandsNothing: ReadonlySet<number> = new Set([400, 404, 405])

function answersQuestion({ body }: WireRequest): boolean {
  if (body === null || !body.includes('requestState') || peek(body).kind !== 'request') return false
  const state = rawMember(paramsOf(body), 'requestState')
  return state !== null && isOfQuestion(parseJson(state))
}
