/** Bearer tokens: how they look, how they are made, and the hash under which they are kept. */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../domain/canonical.ts'
import type { CredentialKind } from '../ports/credentials.ts'

/** The prefix tells people and secret scanners what they have found. */
const prefixes = { agent: 'hpa_', person: 'hpp_' } as const satisfies Record<CredentialKind, string>

/** 256 bits: nobody guesses one, so a fast hash without salt is enough to keep it (a password would need more). */
const SECRET_BYTES = 32
const HINT_LENGTH = 8

const shape = /^hp[ap]_[A-Za-z0-9_-]{43}$/

export interface NewToken {
  /** Shown once, to whom it is for. */
  readonly token: string
  readonly tokenHash: string
  /** The first characters, to recognise it by. */
  readonly hint: string
}

export function newToken(kind: CredentialKind): NewToken {
  const token = `${prefixes[kind]}${randomBytes(SECRET_BYTES).toString('base64url')}`
  return { token, tokenHash: hashToken(token), hint: token.slice(0, HINT_LENGTH) }
}

export const hashToken = (token: string): string => sha256(token)

/** `null`: this cannot be a token of ours, so nothing needs to be hashed or looked up. */
export function kindOfToken(presented: string): CredentialKind | null {
  if (!shape.test(presented)) return null
  return presented.startsWith(prefixes.agent) ? 'agent' : 'person'
}
