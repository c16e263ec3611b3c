/**
 * A gateway's own way to an upstream, for a call whose rule lets it run without its requester: a session of its own, opened at
 * the first question and closed afterwards. It declares no capabilities, because nobody would answer the server's questions.
 */
import type { JsonObject } from '../../domain/canonical.ts'
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err } from '../../domain/result.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Era } from '../../domain/tool-call.ts'
import type { AloneSession } from '../../ports/upstream-session.ts'
import { MODERN_REVISION, type Revision } from '../revisions.ts'
import { closeSession, openFreshSession } from './fresh-session.ts'
import { createReadingSession } from './session.ts'
import type { Upstream } from './wire.ts'

/** What a handshake begins with; the server may answer with an earlier one. */
const NEWEST_HANDSHAKE = '2025-11-25' satisfies Revision
/** A server that is alive takes a handshake quickly. */
const OPEN_MS = 20_000

const envelope = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': MODERN_REVISION,
  'io.modelcontextprotocol/clientInfo': { name: 'holdpoint', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
})

export function createAloneSession(options: {
  readonly upstream: Upstream
  readonly principal: Principal
  readonly era: Era
  readonly limits: Pick<Limits, 'replyBytesMax'>
  readonly timings: Pick<Timings, 'replyIdleMs'>
  /** Told of tools that the upstream listed while it was asked about one. */
  readonly onListed?: (tools: readonly JsonObject[], isLast: boolean) => void
}): AloneSession {
  const { upstream, principal, era, limits, onListed = () => {} } = options
  let opened: Readonly<Record<string, string>> | null = null
  let session: ReturnType<typeof createReadingSession> | null = null

  function sessionOn(headers: Readonly<Record<string, string>>) {
    const own = {
      envelope: era === 'modern' ? envelope : '{}',
      progressToken: null,
      onMessage: () => {},
      onListed,
    }
    return createReadingSession({ ...options, ...own, headers })
  }

  return {
    async describe(tool, leaving) {
      if (session === null && era === 'modern')
        session = sessionOn({ 'mcp-protocol-version': MODERN_REVISION })
      if (session === null) {
        const terms = {
          upstream,
          principal,
          answerBytesMax: limits.replyBytesMax,
          silenceMs: OPEN_MS,
          leaving,
        }
        const fresh = await openFreshSession({ 'mcp-protocol-version': NEWEST_HANDSHAKE }, terms)
        if (!fresh.ok) return { kind: 'unavailable', reason: fresh.error }
        opened = fresh.value
        session = sessionOn(opened)
      }
      return session.describe(tool, leaving)
    },
    async send(request) {
      if (session !== null) return session.send(request)
      return { kind: 'not_sent', reason: 'there was no session to send it on' }
    },
    async read(request) {
      return session === null ? err('there was no session to read on') : session.read(request)
    },
    async close() {
      if (opened?.['mcp-session-id'] !== undefined) await closeSession(upstream, principal, opened)
    },
  }
}
