/**
 * A command whose era is found out at its first use, served to clients of both. The legacy handshake is tried first, because
 * most servers have it and a modern question would mean nothing to them; one that refuses it is asked in modern words.
 */
import type { Era } from '../../../domain/tool-call.ts'
import { rawMember } from '../../raw-json.ts'
import { eraOf } from '../../revisions.ts'
import { messagesOf } from '../messages.ts'
import { peek } from '../peek.ts'
import { jsonResponse } from '../refusal.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { askModern } from './ask-modern.ts'
import { type FaceOptions, withLegacyFace } from './legacy-face.ts'
import { InitializeRefused } from './legacy-sessions.ts'
import { withModernFace } from './modern-face.ts'
import { modernRefusal } from './modern-refusal.ts'
import { envelopeOf } from './words.ts'

export interface Spoken {
  /** The same command, spoken to in each era. */
  readonly legacy: Upstream
  readonly modern: Upstream
}

export function createEitherEra(spoken: Spoken, options: FaceOptions): Upstream {
  const { limits, log } = options
  const { server } = spoken.legacy
  const faces: Readonly<Record<Era, Upstream>> = {
    legacy: withModernFace(spoken.legacy, options, false),
    modern: withLegacyFace(spoken.modern, options),
  }
  let era: Era | null = null

  async function exchange(request: WireRequest): Promise<WireResponse> {
    const refused = modernRefusal(request)
    if (refused !== null) return refused
    if (era !== null) return spokenTo(era, request)
    return eraOf(request.headers['mcp-protocol-version']) === 'modern'
      ? firstModern(request)
      : firstLegacy(request)
  }

  async function spokenTo(known: Era, request: WireRequest): Promise<WireResponse> {
    try {
      return await faces[known].exchange(request)
    } catch (error) {
      if (error instanceof InitializeRefused) throw new UpstreamFault(error.message, false, { cause: error })
      throw error
    }
  }

  async function firstModern(request: WireRequest): Promise<WireResponse> {
    try {
      const response = await faces.legacy.exchange(request)
      era ??= 'legacy'
      return response
    } catch (error) {
      if (!(error instanceof InitializeRefused)) throw error
      if (await isModern(request)) return faces.modern.exchange(request)
      throw new UpstreamFault(error.message, false, { cause: error })
    }
  }

  async function firstLegacy(request: WireRequest): Promise<WireResponse> {
    const response = await faces.legacy.exchange(request)
    const message = peek(request.body ?? '')
    if (message.kind !== 'request' || message.method !== 'initialize') return response
    let answer = ''
    for await (const said of messagesOf(response, limits.lineBytesMax)) answer = said
    if (rawMember(answer, 'result') !== null) era ??= 'legacy'
    else if (await isModern(request)) return faces.modern.exchange(request)
    return jsonResponse(response.status, answer, sessionOf(response))
  }

  /** Asks the server what it speaks, in modern words. */
  async function isModern(request: WireRequest): Promise<boolean> {
    try {
      const sender = { info: null, capabilities: '{}', logLevel: null }
      const answer = await askModern(
        spoken.modern,
        request,
        'server/discover',
        envelopeOf(sender),
        limits.lineBytesMax,
      )
      if (rawMember(answer, 'result') === null) return false
      log.info({ server }, 'the server speaks MCP 2026-07-28 alone; legacy clients are translated for')
      era = 'modern'
      return true
    } catch (error) {
      log.debug({ server, err: error }, 'the server does not answer in modern words either')
      return false
    }
  }

  return {
    server,
    exchange,
    async close() {
      await Promise.all([faces.legacy.close(), faces.modern.close()])
    },
  }
}

function sessionOf({ headers }: WireResponse): Record<string, string> {
  const id = headers['mcp-session-id']
  return id === undefined ? {} : { 'mcp-session-id': id }
}
