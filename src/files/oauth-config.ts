/** The `oauth` section and `private_networks` of `holdpoint.yaml`: whose tokens are accepted besides our own, and what may be fetched for it. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { err, ok, type Result } from '../domain/result.ts'
import type { Document, Path } from './document.ts'
import type { Problem } from './problem.ts'
import { checkShape, problemAt, says } from './shape.ts'

/** An authorization server whose access tokens agents may present. */
export interface IssuerConfig {
  /** Exactly as it stands in `iss`. */
  readonly issuer: string
  /** Accepted in `aud` besides our own addresses. */
  readonly audience: readonly string[]
  /** `null`: found through the issuer's metadata. */
  readonly jwksUri: URL | null
  readonly algorithms: readonly string[]
  /** Whose value people read as the name of the agent; `null`: its client id. */
  readonly principalClaim: string | null
  /** Whose value names the person who answers for the agent. */
  readonly ownerClaim: string
  /** This issuer gives out no `email` that its bearer could have typed, though its tokens do not say so. */
  readonly isEmailTrusted: boolean
  /** Every token of this issuer must carry these. */
  readonly scopes: readonly string[]
}

/** Signatures that need no shared secret. `none` and the HMACs are not among them (RFC 8725, section 3.1 and 3.2). */
export const algorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const
const usualAlgorithms: readonly string[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']

const claimName = z
  .string()
  .regex(
    /^[^\0-\x20\x7f]{1,128}$/,
    says('this is not the name of a claim', 'write it as it stands in the token'),
  )

/** RFC 6749, section 3.3. */
export const scopesShape = z.array(
  z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, says('this is not a scope', 'write one scope in each entry')),
)

const issuerShape = z.strictObject({
  issuer: z.string(),
  audience: z.union([z.string().min(1), z.array(z.string().min(1))]).optional(),
  jwks_uri: z.string().optional(),
  algorithms: z
    .array(z.enum(algorithms))
    .min(1, says('no algorithm is named', 'name one, or remove the line'))
    .optional(),
  principal_claim: claimName.optional(),
  owner_claim: claimName.optional(),
  email_trusted: z.boolean().optional(),
  scopes: scopesShape.optional(),
})
const oauthShape = z.strictObject({
  issuers: z.array(z.unknown()).min(1, says('there is no issuer', 'name one, or remove `oauth`')),
})

export function readIssuers(document: Document): Result<readonly IssuerConfig[], Problem[]> {
  if (document.get(['oauth']) === undefined || document.get(['oauth']) === null) return ok([])
  const shape = checkShape(document, oauthShape, ['oauth'])
  if (!shape.ok) return shape
  const problems: Problem[] = []
  const issuers = new Map<string, IssuerConfig>()
  shape.value.issuers.forEach((_, index) => {
    const path = ['oauth', 'issuers', index]
    const read = readIssuer(document, path)
    if (!read.ok) problems.push(...read.error)
    else if (issuers.has(read.value.issuer)) {
      problems.push(
        problemAt(document, [...path, 'issuer'], 'this issuer is named twice', 'keep one of the two'),
      )
    } else issuers.set(read.value.issuer, read.value)
  })
  return problems.length > 0 ? err(problems) : ok([...issuers.values()])
}

function readIssuer(document: Document, path: Path): Result<IssuerConfig, Problem[]> {
  const problems: Problem[] = []
  const address = (key: string) => {
    const written = document.get([...path, key])
    if (typeof written !== 'string') return null
    const url = safeUrl(written)
    if (url !== null && url.search === '' && url.hash === '') return url
    const message = 'this is not an address that tokens can be trusted by'
    const remedy = 'write an https address without user, ? and #, exactly as the issuer states it'
    problems.push(problemAt(document, [...path, key], message, remedy))
    return null
  }
  address('issuer')
  const jwksUri = address('jwks_uri')
  const shape = checkShape(document, issuerShape, path)
  if (!shape.ok) problems.push(...shape.error)
  if (!shape.ok || problems.length > 0) return err(problems)
  const { issuer, audience, principal_claim, owner_claim, email_trusted, scopes } = shape.value
  return ok({
    issuer,
    audience: audience === undefined ? [] : [audience].flat(),
    jwksUri,
    algorithms: shape.value.algorithms ?? usualAlgorithms,
    principalClaim: principal_claim ?? null,
    ownerClaim: owner_claim ?? 'sub',
    isEmailTrusted: email_trusted ?? false,
    scopes: scopes ?? [],
  })
}

/** An https address, or one on this machine; `null` for what keys and secrets must not depend on. */
export function safeUrl(written: string): URL | null {
  const url = URL.canParse(written) ? new URL(written) : null
  if (url === null || url.username !== '' || url.password !== '') return null
  return url.protocol === 'https:' || (url.protocol === 'http:' && isHere(url)) ? url : null
}

const isHere = ({ hostname }: URL) =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)

const networkShape = z
  .string()
  .refine(isNetwork, says('this is not a network', 'write its address and length, as 10.0.0.0/8 or fd00::/8'))

/** Networks of one's own where keys and token endpoints may lie. */
export function readPrivateNetworks(document: Document): Result<readonly string[], Problem[]> {
  const shape = checkShape(document, z.array(networkShape).nullable().optional(), ['private_networks'])
  return shape.ok ? ok(shape.value ?? []) : shape
}

function isNetwork(text: string): boolean {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const version = isIP(address)
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128)
}
