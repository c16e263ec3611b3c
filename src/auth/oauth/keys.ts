/** The public keys of an issuer: found once through its metadata, kept for minutes, fetched anew when an unknown key signs. */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, type RemoteJWKSetOptions } from 'jose'
import { z } from 'zod'
import { type Fetch, FetchRefused } from '../outbound/guarded-fetch.ts'

/** An issuer whose keys cannot be had is left alone for this time: tokens of strangers must not make us knock without end. */
const FAILED_MS = 5_000
/** A key that leaves the set is trusted this much longer at most. */
const KEPT_MS = 10 * 60_000
/** A new key is looked for at most this often, whatever key ids strangers make up. */
const COOL_DOWN_MS = 30_000

/** @throws FetchRefused when the keys cannot be had; otherwise what jose throws when none fits */
export function createKeys(options: {
  issuer: string
  jwksUri: URL | null
  fetch: Fetch
  monotonicMs: () => number
}): JWTVerifyGetKey {
  const { issuer, jwksUri, fetch, monotonicMs } = options
  let finding: Promise<Found> | null = null
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let failed: { readonly error: FetchRefused; readonly atMs: number } | null = null

  async function fetchOnce(url: string | URL, init?: RequestInit): Promise<Response> {
    if (failed !== null && monotonicMs() - failed.atMs < FAILED_MS) throw failed.error
    try {
      const response = await fetch(url, init)
      if (response.status !== 200) throw new FetchRefused(`${url} answers HTTP ${response.status}`)
      failed = null
      return response
    } catch (error) {
      const refused =
        error instanceof FetchRefused ? error : new FetchRefused(String(error), { cause: error })
      failed = { error: refused, atMs: monotonicMs() }
      throw refused
    }
  }

  function keysAt(url: URL): Found {
    const remote: RemoteJWKSetOptions = {
      cacheMaxAge: KEPT_MS,
      cooldownDuration: COOL_DOWN_MS,
      timeoutDuration: 10_000,
      [customFetch]: (address, { headers, signal }) => fetchOnce(address, { headers, signal }),
    }
    return { url, keyFor: createRemoteJWKSet(url, remote) }
  }

  async function discover(): Promise<URL> {
    lookedAtMs = monotonicMs()
    let last: unknown
    for (const url of metadataUrls(issuer)) {
      try {
        const found = metadata.parse(await (await fetch(url)).json())
        // MUST be the same (RFC 8414, section 3.3): otherwise somebody else's keys would speak for this issuer.
        if (found.issuer !== issuer)
          throw new FetchRefused(`the metadata at ${url} is of "${found.issuer}", not of "${issuer}"`)
        return new URL(found.jwks_uri)
      } catch (error) {
        last = error
      }
    }
    const why = last instanceof FetchRefused ? last.message : 'there is no metadata where it belongs'
    throw new FetchRefused(`the keys of ${issuer} cannot be found: ${why}`, { cause: last })
  }

  /** An issuer may move its keys. What it says is looked at again where they are not, as rarely as for an unknown key. */
  async function movedFrom({ url }: Found): Promise<Found | null> {
    if (jwksUri !== null || monotonicMs() - lookedAtMs < COOL_DOWN_MS) return null
    try {
      const now = await discover()
      if (now.href === url.href) return null
      failed = null
      return keysAt(now)
    } catch {
      // Then what is known stays, with the keys that are kept.
      return null
    }
  }

  return async function keyFor(header, token) {
    if (failed !== null && finding === null && monotonicMs() - failed.atMs < FAILED_MS) throw failed.error
    finding ??= (jwksUri === null ? discover() : Promise.resolve(jwksUri))
      .then(keysAt)
      .catch((error: unknown) => {
        finding = null
        const refused =
          error instanceof FetchRefused ? error : new FetchRefused(String(error), { cause: error })
        failed = { error: refused, atMs: monotonicMs() }
        throw refused
      })
    const found = await finding
    try {
      return await found.keyFor(header, token)
    } catch (error) {
      const isGone = error instanceof FetchRefused || error instanceof errors.JWKSNoMatchingKey
      const moved = isGone ? await movedFrom(found) : null
      if (moved === null) throw error
      finding = Promise.resolve(moved)
      return moved.keyFor(header, token)
    }
  }
}

interface Found {
  readonly url: URL
  readonly keyFor: JWTVerifyGetKey
}

const metadata = z.object({ issuer: z.string(), jwks_uri: z.url() })

/** Where the metadata of an issuer may stand (RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4). */
function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    ...(path === '' ? [] : [`${origin}/.well-known/openid-configuration${path}`]),
    `${origin}${path}/.well-known/openid-configuration`,
  ]
}
