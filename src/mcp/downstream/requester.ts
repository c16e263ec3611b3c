/** Who asks, over which connection, and the way to the upstream on the terms of this request. */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Admission } from '../../ports/admission.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import type { createUpstreamSession } from '../upstream/session.ts'
import type { Upstream } from '../upstream/wire.ts'
import type { Accepts } from './accepts.ts'
import type { Delivery } from './delivery.ts'
import type { Id } from './rpc.ts'
import type { Session } from './sealed-session.ts'
import type { Spoken } from './spoken.ts'
import type { ToolsSeen } from './watch-lists.ts'

export interface Requester {
  readonly upstream: Upstream
  readonly principal: Principal
  readonly headers: Headers
  readonly spoken: Spoken
  readonly session: Session | null
  /** Name and version of the client as it states them, for display. */
  readonly client: string | null
  readonly accepts: Accepts
  readonly delivery: Delivery
  /** Whether it would be let in now, also long after it came. */
  admit(): Promise<Admission>
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
}

/** How a call of this requester would travel. */
export interface Carriage {
  /** Raw JSON object: what is carried of the `_meta` of a 2026-07-28 request; `{}` for a legacy one. */
  readonly envelope: string
  readonly progressToken: Id | null
  /** The upstream's own messages while the call runs. */
  onMessage(rawMessage: string): void
}

export type UpstreamSessionOf = (requester: Requester, carriage: Carriage) => UpstreamSession

export function createUpstreamSessionOf(deps: {
  createSession: typeof createUpstreamSession
  toolsSeen: ToolsSeen
  limits: Pick<Limits, 'replyBytesMax'>
  timings: Pick<Timings, 'replyIdleMs'>
}): UpstreamSessionOf {
  const { createSession, toolsSeen, limits, timings } = deps
  return function upstreamSessionOf(requester, { envelope, progressToken, onMessage }) {
    const { upstream, principal, spoken } = requester
    return createSession({
      upstream,
      principal,
      headers: sessionHeaders(requester),
      era: spoken.era,
      envelope,
      progressToken: progressToken === null ? null : JSON.stringify(progressToken),
      onMessage,
      onListed: (tools, isLast) => toolsSeen(upstream.server, tools, isLast),
      limits,
      timings,
    })
  }
}

/** The terms on which the client speaks to the upstream. What headers repeat of a call is written anew when it is sent. */
export function sessionHeaders({
  headers,
  session,
}: Pick<Requester, 'headers' | 'session'>): Record<string, string> {
  const revision = headers.get('mcp-protocol-version')
  return {
    ...(revision === null ? {} : { 'mcp-protocol-version': revision }),
    ...(session === null ? {} : { 'mcp-session-id': session.id }),
  }
}
