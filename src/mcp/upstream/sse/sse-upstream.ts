/**
 * A URL that speaks HTTP+SSE (MCP 2024-11-05), presented as a legacy Streamable HTTP server. Each session has an event stream
 * of its own and belongs to the principal that opened it.
 */
import type { Limits } from '../../../domain/limits.ts'
import type { Principal } from '../../../domain/principal.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { rawMember } from '../../raw-json.ts'
import { workSignal } from '../../work-signal.ts'
import type { HttpUpstream } from '../http.ts'
import { createOwnSessions, type Opening } from '../own-sessions.ts'
import type { Id } from '../peek.ts'
import { internalError } from '../refusal.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { openEventSource } from './event-source.ts'
import { createSseSession } from './sse-session.ts'

/** Begins the ids of its sessions: no other server is asked about them. */
export const SSE_SESSION_PREFIX = 'holdpoint-sse-'

/** Each is an open connection to the server. */
const SESSIONS_MAX = 1_000
/** So that one agent cannot take them all: it hardly opens more conversations at a time. */
const SESSIONS_PER_PRINCIPAL_MAX = 100

export interface SseUpstream extends Upstream {
  /** `initialize`. @throws UpstreamFault */
  open(request: WireRequest): Promise<SseOpening>
}

interface SseOpening {
  readonly response: WireResponse
  /** Whether this request was answered with a stream that begins as HTTP+SSE has it; `null`: it was not answered, or not sent. */
  readonly isThere: boolean | null
}

interface Living {
  readonly principal: Principal
  end: () => Promise<void>
}

export function createSseUpstream({
  http,
  url,
  limits,
  sessionIdleMs,
  clock,
  log,
}: {
  readonly http: HttpUpstream
  readonly url: URL
  readonly limits: Pick<Limits, 'lineBytesMax'>
  readonly sessionIdleMs: number
  readonly clock: Clock
  readonly log: Log
}): SseUpstream {
  const { server } = http
  /** Said with each opening: between the stream and the answer on it, another principal's may be refused. */
  const isThere = new WeakMap<WireRequest, boolean>()
  /** Every session that still has a stream, or is about to. */
  const living = new Set<Living>()
  const sessions = createOwnSessions({
    idPrefix: SSE_SESSION_PREFIX,
    sessionIdleMs,
    clock,
    open: openSession,
  })
  const closing = new AbortController()

  async function openSession(
    request: WireRequest,
    body: string,
    id: Id,
    onEnd: () => void,
  ): Promise<Opening> {
    const { principal } = request
    const refused = (message: string): Opening => ({
      kind: 'refused',
      refusal: internalError(message, rawMember(body, 'id')),
    })
    const full = fullFor(principal)
    if (full !== null) return refused(full)
    const own: Living = { principal, end: async () => {} }
    living.add(own)
    const over = () => {
      living.delete(own)
      onEnd()
    }
    const work = workSignal([request.signal, closing.signal], null)
    try {
      const { signal } = work
      const opened = await openEventSource(http, url, { ...request, signal }, limits.lineBytesMax)
      isThere.set(request, opened.kind === 'open')
      if (opened.kind === 'answered') {
        over()
        if (opened.response.status >= 400) return opened
        await opened.response.body?.cancel()
        return refused(
          `${server} answered GET with HTTP ${opened.response.status} and no event stream, so it does not speak HTTP+SSE. ` +
            'Check `url` and `transport` of this server in holdpoint.yaml.',
        )
      }
      const { source } = opened
      const session = createSseSession({
        ...{ http, source, messageBytesMax: limits.lineBytesMax, clock, log },
        onEnd: over,
      })
      own.end = session.end
      const reply = await session.initialize(body, id, { ...request, signal })
      return { kind: 'opened', session, reply }
    } catch (error) {
      await own.end()
      over()
      if (!(error instanceof UpstreamFault) || error.told !== null) throw error
      log.warn({ server, reason: error.message }, 'a session with an HTTP+SSE server could not be opened')
      return refused(error.message)
    } finally {
      work.release()
    }
  }

  function fullFor({ name, owner }: Principal): string | null {
    const own = [...living].filter(({ principal: one }) => one.name === name && one.owner === owner)
    if (own.length >= SESSIONS_PER_PRINCIPAL_MAX)
      return `This agent already has ${own.length} sessions with ${server}, the most it may have. End one that is not needed any more.`
    if (living.size >= SESSIONS_MAX)
      return `This gateway already has ${living.size} sessions with ${server}, the most it may have. Try again later.`
    return null
  }

  return {
    server,
    exchange: sessions.exchange,
    async open(request) {
      isThere.delete(request)
      const response = await sessions.exchange(request)
      return { response, isThere: isThere.get(request) ?? null }
    },
    async close() {
      closing.abort()
      sessions.close()
      await Promise.all([...living].map(({ end }) => end()))
    },
  }
}
