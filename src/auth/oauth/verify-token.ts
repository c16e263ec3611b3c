/**
 * Whether an access token of somebody else's authorization server lets its bearer in here: signed by an issuer that the
 * configuration names, meant for us, valid now. Who signed is checked first, so that nobody learns from what is said about a
 * token that they made up.
 */
import { createHash } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { type Principal, unknownOwner } from '../../domain/principal.ts'
import type { Admission } from '../../ports/admission.ts'
import type { Log } from '../../ports/log.ts'
import { type Fetch, FetchRefused } from '../outbound/guarded-fetch.ts'
import { createKeys } from './keys.ts'
import type { Resources } from './resources.ts'

/** An authorization server of the configuration. */
export interface TrustedIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly jwksUri: URL | null
  readonly algorithms: readonly string[]
  readonly principalClaim: string | null
  readonly ownerClaim: string
  readonly isEmailTrusted: boolean
  readonly scopes: readonly string[]
}

/** @param server the one that is called; `null`: none in particular */
export type VerifyToken = (token: string, server: string | null) => Promise<Admission>

/** Clocks of two well-kept machines differ by less. */
const CLOCK_TOLERANCE_S = 30
/** Beyond this a header is no token that anybody issues. */
const TOKEN_LENGTH_MAX = 16 * 1024
const NAME_LENGTH_MAX = 48

/** Access tokens (RFC 9068), and what authorization servers called them before. Not those for logging out or for proofs. */
const tokenTypes = new Set(['at+jwt', 'application/at+jwt', 'jwt'])

export function createVerifyToken(deps: {
  issuers: readonly TrustedIssuer[]
  resources: Resources
  /** The person of the directory whom the owner claim means. */
  personOf: (login: string) => string | null
  fetch: Fetch
  monotonicMs: () => number
  log: Log
}): VerifyToken {
  const { issuers, resources, personOf, fetch, monotonicMs, log } = deps
  const trusted = new Map(
    issuers.map((one) => [one.issuer, { ...one, keys: createKeys({ ...one, fetch, monotonicMs }) }]),
  )

  return async function verifyToken(token, server) {
    const stated = issuerIn(token)
    const issuer = stated === null ? undefined : trusted.get(stated)
    if (issuer === undefined) return invalid('This token is not one that is accepted here.')
    const checked = await check(token, issuer, server)
    if (!('claims' in checked)) return checked
    const { claims } = checked
    const required = resources.scopesOf(server, issuer.issuer)
    const granted = scopesIn(claims)
    const lacking = required.filter((scope) => !granted.has(scope))
    if (lacking.length > 0) {
      const message = `This token does not carry the scope ${lacking.join(' ')}. A new one is needed, with ${required.join(' ')}.`
      return { kind: 'refused', because: 'insufficient_scope', message }
    }
    return { kind: 'admitted', principal: principalOf(claims, issuer) }
  }

  async function check(
    token: string,
    issuer: TrustedIssuer & { readonly keys: JWTVerifyGetKey },
    server: string | null,
  ): Promise<{ readonly claims: JWTPayload } | Admission> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, issuer.keys, {
        issuer: issuer.issuer,
        audience: [...issuer.audience, ...resources.audiencesOf(server)],
        algorithms: [...issuer.algorithms],
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      })
      if (protectedHeader.typ !== undefined && !tokenTypes.has(protectedHeader.typ.toLowerCase()))
        return invalid(`This is no access token, but a ${protectedHeader.typ.slice(0, 64)}.`)
      // Bound to a key that its bearer would have to prove, which nobody asks for here: then it may be stolen goods.
      if (payload.cnf !== undefined)
        return invalid(
          'This token is bound to a key (DPoP or mutual TLS), which is not checked here. Use a bearer token.',
        )
      if (typeof payload.sub !== 'string' || payload.sub === '')
        return invalid('This token names no subject.')
      return { claims: payload }
    } catch (error) {
      if (isAboutKeys(error)) {
        log.warn({ issuer: issuer.issuer, err: error }, 'the keys of an issuer cannot be had')
        const message =
          'Whether this token is valid cannot be checked now: the keys of its issuer cannot be had. Try again later.'
        return { kind: 'refused', because: 'keys_unavailable', message }
      }
      return invalid(wrong(error, server))
    }
  }

  function wrong(error: unknown, server: string | null): string {
    if (error instanceof errors.JWTExpired) return 'This token has expired. Get a new one.'
    if (error instanceof errors.JWTClaimValidationFailed) {
      if (error.claim === 'aud')
        return `This token was not issued for ${resources.uriOf(server)}. Ask for one with this address as its "resource".`
      if (error.claim === 'nbf') return 'This token is not valid yet.'
      return `The claim "${error.claim}" of this token is missing or wrong.`
    }
    return 'This token is not one that is accepted here.'
  }

  /** Issuer, subject and client are who calls; the digest of the three keeps two of them apart, whatever they are called. */
  function principalOf(claims: JWTPayload, trusted: TrustedIssuer): Principal {
    const { sub } = claims
    const { issuer, principalClaim } = trusted
    const client = textIn(claims, 'client_id') ?? textIn(claims, 'azp')
    const identity = JSON.stringify([issuer, sub, client])
    const mark = createHash('sha256').update(identity).digest('base64url').slice(0, 16)
    const called = (principalClaim === null ? null : textIn(claims, principalClaim)) ?? client ?? sub ?? ''
    // The number sign is in no name of an agent of our own.
    const name = `${called.replace(/[^\p{L}\p{N}._@:/-]/gu, '_').slice(0, NAME_LENGTH_MAX)}#${mark}`
    const login = loginIn(claims, trusted)
    const owner = login === null ? null : personOf(login)
    return { name, owner: owner ?? unknownOwner(name) }
  }
}

const invalid = (message: string): Admission => ({ kind: 'refused', because: 'invalid_token', message })

/** Not the token is wrong then, but what it is checked with. */
const isAboutKeys = (error: unknown): boolean =>
  error instanceof FetchRefused ||
  error instanceof errors.JWKSTimeout ||
  error instanceof errors.JWKSInvalid ||
  // jose's word for a key set that is not JSON.
  (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC')

/** Not trusted: it only says whose keys to check with. */
function issuerIn(token: string): string | null {
  if (token.length > TOKEN_LENGTH_MAX) return null
  try {
    return decodeJwt(token).iss ?? null
  } catch {
    return null
  }
}

const textIn = (claims: JWTPayload, name: string): string | null => {
  const value = claims[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/**
 * An address that nobody has verified is whatever its bearer typed. Who does not say that it is verified (OpenID Connect Core
 * 1.0, section 5.1; Cognito writes "true") has to be trusted in the configuration.
 */
function loginIn(claims: JWTPayload, { ownerClaim, isEmailTrusted }: TrustedIssuer): string | null {
  const { email_verified } = claims
  const isVerified = email_verified === true || email_verified === 'true'
  const isDenied = email_verified !== undefined && !isVerified
  if (ownerClaim === 'email' && !isVerified && (isDenied || !isEmailTrusted)) return null
  return textIn(claims, ownerClaim)
}

/** `scope` as RFC 9068 has it; `scp` as Entra and Okta write it. */
function scopesIn({ scope, scp }: JWTPayload): ReadonlySet<string> {
  const written = [scope, scp].flat().filter((value) => typeof value === 'string')
  return new Set(written.flatMap((text) => text.split(' ')).filter((one) => one !== ''))
}

/** Three parts of base64url, which no token of our own is. */
export const looksLikeJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)
