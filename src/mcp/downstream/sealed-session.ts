/**
 * A session id of an upstream, sealed for the one principal and server it belongs to. Stateless: every gateway with the
 * same key opens what any of them sealed, before and after a restart.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Upstream } from '../upstream/wire.ts'
import { type Id, type Refusal, refusal, SESSION_NOT_FOUND } from './rpc.ts'
import type { Spoken } from './spoken.ts'

export interface Session {
  /** The upstream's own id. */
  readonly id: string
  /** Name and version that the client stated when it opened the session; display only. */
  readonly client: string | null
}

/** Whom a sealed id is for. Possession of it is no authentication: the principal is known before it is opened. */
export interface SealScope {
  readonly principal: string
  readonly server: string
}

const VERSION = 'hp1'

export function sealSession(key: Uint8Array, scope: SealScope, { id, client }: Session): string {
  const payload = Buffer.from(JSON.stringify([id, client])).toString('base64url')
  return `${VERSION}.${payload}.${mac(key, scope, payload).toString('base64url')}`
}

/** `null` for what was forged, or sealed for somebody else: they are not told apart. */
export function openSession(key: Uint8Array, scope: SealScope, sealed: string): Session | null {
  const [version, payload, tag, ...rest] = sealed.split('.')
  if (version !== VERSION || payload === undefined || tag === undefined || rest.length > 0) return null
  const expected = mac(key, scope, payload)
  const given = Buffer.from(tag, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  const [id, client] = sessionSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
  return { id, client }
}

const sessionSchema = z.tuple([z.string(), z.string().nullable()])

function mac(key: Uint8Array, { principal, server }: SealScope, payload: string): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['mcp-session', principal, server, payload]))
    .digest()
}

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

export function createOpenSessionOf(key: Uint8Array): OpenSessionOf {
  return function openSessionOf({ request, principal, upstream }, { era }) {
    const sealed = request.headers.get('mcp-session-id')
    if (sealed === null || era === 'modern') return ok(null)
    const session = openSession(key, { principal: principal.name, server: upstream.server }, sealed)
    return session === null ? err({ reason: 'unknown_session' }) : ok(session)
  }
}

/** The same words for what was never there, what is somebody else's and what was forged. */
export const sessionNotFound = (id: Id | null): Refusal =>
  refusal(404, SESSION_NOT_FOUND, 'Session not found', id)
