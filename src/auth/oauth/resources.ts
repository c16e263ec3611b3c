/** What a token must have been issued for: the address of one server here, or of the gateway as a whole (RFC 8707, RFC 9728). */
import type { ProtectedResource } from '../../ports/admission.ts'

export interface Resources {
  /** Canonical, without a slash at its end. @param server `null`: the gateway as a whole */
  uriOf(server: string | null): string
  /** Whatever `aud` may say for a call to this server; for no server in particular, any of them. */
  audiencesOf(server: string | null): readonly string[]
  /** All scopes that a token of this issuer needs; of no issuer in particular, those of all. */
  scopesOf(server: string | null, issuer?: string): readonly string[]
  challengeOf(server: string): ProtectedResource | null
}

export interface ResourcesOptions {
  /** How clients reach this gateway. */
  readonly publicUrl: URL
  readonly issuers: readonly { readonly issuer: string; readonly scopes: readonly string[] }[]
  readonly servers: ReadonlyMap<string, { readonly scopes: readonly string[] }>
}

export const METADATA_PATH = '/.well-known/oauth-protected-resource'

export function createResources({ publicUrl, issuers, servers }: ResourcesOptions): Resources {
  const base = publicUrl.href.replace(/\/+$/, '')
  const uriOf = (server: string | null) => (server === null ? base : `${base}/mcp/${server}`)
  const scopesOf = (server: string | null, issuer?: string) => {
    const ofIssuers = issuers.filter((one) => issuer === undefined || one.issuer === issuer)
    const ofServer = server === null ? [] : (servers.get(server)?.scopes ?? [])
    return [...new Set([...ofIssuers.flatMap(({ scopes }) => scopes), ...ofServer])]
  }
  return {
    uriOf,
    scopesOf,
    audiencesOf(server) {
      const ofServers = (server === null ? [...servers.keys()] : [server]).map(uriOf)
      // Some authorization servers give an address without a path back with a slash.
      return [base, `${base}/`, ...ofServers]
    },
    challengeOf(server) {
      if (issuers.length === 0) return null
      const { origin, pathname } = new URL(uriOf(server))
      return { metadataUrl: `${origin}${METADATA_PATH}${pathname}`, scopes: scopesOf(server) }
    },
  }
}
