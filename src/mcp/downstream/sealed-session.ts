/**
 * A session id of an upstream, encrypted for the one principal and server it belongs to. Stateless: every gateway with the
 * same key opens what any of them sealed, before and after a restart.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
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

const VERSION = 'hp2'
const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D: 96 random bits are good for 2^32 ids under one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The client cannot read what it carries: with the upstream's own id it could go past this gateway. */
export function createSessionSeal(sealKey: Uint8Array): SessionSeal {
  const key = new Uint8Array(hkdfSync('sha256', sealKey, '', 'holdpoint mcp-session', 32))
  return {
    seal(scope, { id, client }) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(bound(scope))
      const text = Buffer.concat([cipher.update(JSON.stringify([id, client]), 'utf8'), cipher.final()])
      return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`
    },
    open(scope, sealed) {
      const [version, payload, ...rest] = sealed.split('.')
      if (version !== VERSION || payload === undefined || rest.length > 0) return null
      const bytes = Buffer.from(payload, 'base64url')
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return null
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(bound(scope))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
      try {
        decipher.final()
      } catch {
        return null
      }
      const [id, client] = sessionSchema.parse(JSON.parse(text.toString('utf8')))
      return { id, client }
    },
  }
}

const sessionSchema = z.tuple([z.string(), z.string().nullable()])

const bound = ({ principal, server }: SealScope): Buffer =>
  Buffer.from(JSON.stringify([VERSION, principal.name, principal.owner, server]))

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
