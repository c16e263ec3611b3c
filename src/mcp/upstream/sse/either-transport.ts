/**
 * A URL that speaks either transport of the revisions with a handshake: Streamable HTTP, or HTTP+SSE of 2024-11-05. Which one is
 * found out at `initialize`, as the specification has it for clients (MCP 2025-11-25, Transports, Backwards Compatibility).
 */
import type { Limits } from '../../../domain/limits.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import type { HttpUpstream } from '../http.ts'
import { keptResponse } from '../kept-response.ts'
import { peek } from '../peek.ts'
import type { Upstream, WireRequest, WireResponse } from '../wire.ts'
import { SSE_SESSION_PREFIX, type SseUpstream } from './sse-upstream.ts'

export type Transport = 'auto' | 'http' | 'sse'

/** "If it fails with … 400, 404, or 405": these statuses alone say that POST means something else at this address. */
const refusesPost: ReadonlySet<number> = new Set([400, 404, 405])
/** A server that was replaced by a newer one is noticed after this time, by one POST more. */
const LOOK_AGAIN_MS = 10 * 60_000

export function createEitherTransport({
  http,
  sse,
  transport,
  limits,
  clock,
  log,
}: {
  readonly http: HttpUpstream
  readonly sse: SseUpstream
  readonly transport: Transport
  readonly limits: Pick<Limits, 'lineBytesMax'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
}): Upstream {
  const { server } = http
  let sseSinceMs: number | null = null

  function exchange(request: WireRequest): Promise<WireResponse> {
    if (transport === 'http') return http.exchange(request)
    if (transport === 'sse') return sse.exchange(request)
    const sessionId = request.headers['mcp-session-id']
    if (sessionId?.startsWith(SSE_SESSION_PREFIX)) return sse.exchange(request)
    if (sessionId !== undefined) return http.exchange(request)
    if (isInitialize(request)) return initialize(request)
    // Some servers with a handshake have no sessions; those of HTTP+SSE always have.
    return sseSinceMs === null ? http.exchange(request) : sse.exchange(request)
  }

  async function initialize(request: WireRequest): Promise<WireResponse> {
    if (sseSinceMs !== null && clock.monotonicMs() - sseSinceMs < LOOK_AGAIN_MS) {
      const opened = await sse.open(request)
      if (opened.isThere !== false) return opened.response
      await opened.response.body?.cancel()
    }
    const posted = await http.exchange(request)
    if (!refusesPost.has(posted.status)) {
      sseSinceMs = null
      return posted
    }
    const refusal = await keptResponse(posted, limits.lineBytesMax)
    const { response, isThere } = await sse.open(request)
    if (isThere !== true) {
      if (isThere === false) sseSinceMs = null
      else if (sseSinceMs !== null) return response
      await response.body?.cancel()
      return refusal
    }
    if (sseSinceMs === null) log.info({ server }, 'the server speaks HTTP+SSE (MCP 2024-11-05)')
    sseSinceMs = clock.monotonicMs()
    return response
  }

  return { server, exchange, close: sse.close }
}

export function isInitialize({ method, body }: WireRequest): boolean {
  if (method !== 'POST' || body === null || !body.includes('"initialize"')) return false
  const message = peek(body)
  return message.kind === 'request' && message.method === 'initialize'
}
