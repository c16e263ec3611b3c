/**
 * A session id of an upstream, encrypted for the one principal and server it belongs to. Stateless: every gateway with the
 * same key opens what any of them sealed, before and after a restart.
 */
import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Upstream } from '../upstream/wire.ts'
import { type Id, type Refusal, refusal, SESSION_NOT_FOUND } from './rpc.ts'
import { createSeal } from './seal.ts'
import type { Spoken } from './spoken.ts'

export interface Session {
  /** The upstream's own id. */
  readonly id: string
  /** Name and version that the client stated when it opened the session; display only. */
  readonly client: string | null
}

/**
 * Whom a sealed id is for: an agent of one owner, at one server. Possession of it is no authentication: the principal is
 * known before it is opened.
 */
export interface SealScope {
  readonly principal: Principal
  readonly server: string
}

export interface SessionSeal {
  seal(scope: SealScope, session: Session): string
  /** `null` for what was forged, or sealed for somebody else: they are not told apart. */
  open(scope: SealScope, sealed: string): Session | null
}

/** The client cannot read what it carries: with the upstream's own id it could go past this gateway. */
export function createSessionSeal(sealKey: Uint8Array): SessionSeal {
  const seal = createSeal({ sealKey, purpose: 'mcp-session', prefix: 'hp2', schema: sessionSchema })
  return {
    seal: (scope, { id, client }) => seal.seal(boundTo(scope), [id, client]),
    open(scope, sealed) {
      const opened = seal.open(boundTo(scope), sealed)
      if (opened === null) return null
      const [id, client] = opened
      return { id, client }
    },
  }
}

const sessionSchema = z.tuple([z.string(), z.string().nullable()])

export const boundTo = ({ principal, server }: SealScope) => [principal.name, principal.owner, server]

interface Opening {
  readonly request: Request
  readonly principal: Principal
  readonly upstream: Upstream
}

/** The session that a request names, `null` when it names none. 2026-07-28 has none: its header means nothing. */
export type OpenSessionOf = (
  from: Opening,
  spoken: Spoken,
) => Result<Session | null, { reason: 'unknown_session' }>

export function createOpenSessionOf(seal: SessionSeal): OpenSessionOf {
  return function openSessionOf({ request, principal, upstream }, { era }) {
    const sealed = request.headers.get('mcp-session-id')
    if (sealed === null || era === 'modern') return ok(null)
    const session = seal.open({ principal, server: upstream.server }, sealed)
    return session === null ? err({ reason: 'unknown_session' }) : ok(session)
  }
}

/** The same words for what was never there, what is somebody else's and what was forged. */
export const sessionNotFound = (id: Id | null): Refusal =>
  refusal(404, SESSION_NOT_FOUND, 'Session not found', id)
