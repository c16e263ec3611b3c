/**
 * What one authorization server has granted us for one MCP server: who we are there, its tokens, where it was found. The
 * SDK's OAuth client does the protocol; this is what it reads and writes, and what is sealed and kept.
 */
import type { OAuthClientProvider, OAuthDiscoveryState } from '@modelcontextprotocol/sdk/client/auth.js'
import {
  OAuthClientInformationFullSchema,
  type OAuthClientInformationMixed,
  OAuthClientInformationSchema,
  type OAuthClientMetadata,
  OAuthMetadataSchema,
  OAuthProtectedResourceMetadataSchema,
  type OAuthTokens,
  OAuthTokensSchema,
  OpenIdProviderDiscoveryMetadataSchema,
} from '@modelcontextprotocol/sdk/shared/auth.js'
import { checkResourceAllowed } from '@modelcontextprotocol/sdk/shared/auth-utils.js'
import { z } from 'zod'

/** How a server of the configuration is signed in at. */
export interface UpstreamOAuth {
  readonly grant: 'client_credentials' | 'authorization_code'
  /** `null`: found through the server's own metadata (RFC 9728). */
  readonly issuer: URL | null
  /** `null`: by a metadata document of ours, or registered when it is first needed. */
  readonly clientId: string | null
  readonly clientSecret: string | null
  readonly scopes: readonly string[]
}

export interface Grant {
  client: OAuthClientInformationMixed | undefined
  tokens: OAuthTokens | undefined
  /** When the access token ends, by the clock of this machine; `null`: it does not say. */
  expiresAtMs: number | null
  discovery: OAuthDiscoveryState | undefined
  verifier: string | null
}

export const emptyGrant = (): Grant => ({
  client: undefined,
  tokens: undefined,
  expiresAtMs: null,
  discovery: undefined,
  verifier: null,
})

const discoverySchema = z.object({
  authorizationServerUrl: z.string(),
  resourceMetadataUrl: z.string().optional(),
  authorizationServerMetadata: z
    .union([OAuthMetadataSchema, OpenIdProviderDiscoveryMetadataSchema])
    .optional(),
  resourceMetadata: OAuthProtectedResourceMetadataSchema.optional(),
})
const grantSchema = z.object({
  client: z.union([OAuthClientInformationFullSchema, OAuthClientInformationSchema]).optional(),
  tokens: OAuthTokensSchema.optional(),
  expiresAtMs: z.number().nullable(),
  discovery: discoverySchema.optional(),
  verifier: z.string().nullable(),
})

export const grantText = (grant: Grant): string => JSON.stringify(grant)

/** @throws when it was written by somebody else */
export function readGrant(text: string): Grant {
  const { client, tokens, discovery, ...rest } = grantSchema.parse(JSON.parse(text))
  return { client, tokens, discovery: discovery === undefined ? undefined : discoveryOf(discovery), ...rest }
}

function discoveryOf(read: z.output<typeof discoverySchema>): OAuthDiscoveryState {
  const { authorizationServerUrl, resourceMetadataUrl, authorizationServerMetadata, resourceMetadata } = read
  return {
    authorizationServerUrl,
    ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
    ...(authorizationServerMetadata === undefined ? {} : { authorizationServerMetadata }),
    ...(resourceMetadata === undefined ? {} : { resourceMetadata }),
  }
}

export interface ProviderOptions {
  readonly oauth: UpstreamOAuth
  readonly redirectUrl: string | undefined
  readonly clientMetadataUrl?: string
  readonly grant: Grant
  readonly nowMs: () => number
  readonly state?: string
  readonly onRedirect?: (url: URL) => void
}

export function createProvider(options: ProviderOptions): OAuthClientProvider {
  const { oauth, redirectUrl, clientMetadataUrl, grant, nowMs, state, onRedirect } = options
  const { clientId, clientSecret, scopes, issuer } = oauth
  return {
    get redirectUrl() {
      return redirectUrl
    },
    get clientMetadata() {
      return clientMetadata(oauth, redirectUrl)
    },
    ...(clientMetadataUrl === undefined ? {} : { clientMetadataUrl }),
    ...(state === undefined ? {} : { state: () => state }),
    clientInformation() {
      if (clientId === null) return grant.client
      return {
        client_id: clientId,
        ...(clientSecret === null ? {} : { client_secret: clientSecret }),
        // Secrets of the configuration go to the issuer that it names, and to no other that is discovered.
        ...(issuer === null ? {} : { issuer: issuerText(issuer) }),
      }
    },
    ...(clientId === null
      ? {
          saveClientInformation(saved: OAuthClientInformationMixed) {
            grant.client = saved
          },
        }
      : {}),
    tokens: () => grant.tokens,
    saveTokens(tokens) {
      saveTokens(grant, tokens, nowMs())
    },
    redirectToAuthorization(url) {
      onRedirect?.(url)
    },
    saveCodeVerifier(verifier) {
      grant.verifier = verifier
    },
    codeVerifier() {
      if (grant.verifier === null) throw new Error('nothing was begun here')
      return grant.verifier
    },
    async validateResourceURL(serverUrl, resource) {
      const requestedResource = new URL(serverUrl)
      if (resource === undefined) return requestedResource
      if (checkResourceAllowed({ requestedResource, configuredResource: resource })) return new URL(resource)
      throw new Error(`the metadata of this server speaks for ${resource.slice(0, 200)}, which it is not`)
    },
    discoveryState() {
      if (grant.discovery !== undefined) return grant.discovery
      return issuer === null ? undefined : { authorizationServerUrl: issuerText(issuer) }
    },
    saveDiscoveryState(discovery) {
      const stated = discovery.authorizationServerMetadata?.issuer
      // MUST be the same (RFC 8414, section 3.3); one that says it is another would get what is meant for that one.
      if (stated !== undefined && !isSameIssuer(stated, discovery.authorizationServerUrl))
        throw new Error(`the metadata of ${discovery.authorizationServerUrl} is of ${stated.slice(0, 200)}`)
      grant.discovery = discovery
    },
    ...(oauth.grant === 'client_credentials'
      ? {
          prepareTokenRequest: () =>
            new URLSearchParams({
              grant_type: 'client_credentials',
              ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
            }),
        }
      : {}),
  }
}

/** What we say about ourselves where we register, or in the document that our client id is the address of. */
export function clientMetadata(oauth: UpstreamOAuth, redirectUrl: string | undefined): OAuthClientMetadata {
  const isPublic = oauth.clientSecret === null
  return {
    client_name: 'Holdpoint',
    redirect_uris: redirectUrl === undefined ? [] : [redirectUrl],
    grant_types: redirectUrl === undefined ? ['client_credentials'] : ['authorization_code', 'refresh_token'],
    response_types: redirectUrl === undefined ? [] : ['code'],
    ...(isPublic ? { token_endpoint_auth_method: 'none' } : {}),
    ...(oauth.scopes.length === 0 ? {} : { scope: oauth.scopes.join(' ') }),
  }
}

export function saveTokens(grant: Grant, tokens: OAuthTokens, nowMs: number): void {
  // Not every answer to a refresh repeats the refresh token: then the old one stays good (RFC 6749, section 6).
  const refresh = tokens.refresh_token ?? grant.tokens?.refresh_token
  grant.tokens = { ...tokens, ...(refresh === undefined ? {} : { refresh_token: refresh }) }
  grant.expiresAtMs = tokens.expires_in === undefined ? null : nowMs + tokens.expires_in * 1000
}

/** An address without a path is written without a slash by those who state it as an issuer. */
export const issuerText = (issuer: URL): string =>
  issuer.pathname === '/' && issuer.search === '' ? issuer.origin : issuer.href

export const isSameIssuer = (a: string, b: string): boolean => a.replace(/\/$/, '') === b.replace(/\/$/, '')

/** Renewed while it still works: a call that people have approved must not meet its end on the way. */
export const AHEAD_MS = 60_000
/** Shorter than this, what is left is no good for a request any more. */
export const LEFT_MS_MIN = 2_000

/** Whether the token is good for a while yet. Short-lived ones are renewed in the last quarter of their life. */
export function isGood({ tokens, expiresAtMs }: Grant, nowMs: number, leftMs = AHEAD_MS): boolean {
  if (tokens === undefined) return false
  if (expiresAtMs === null) return true
  const quarterMs = ((tokens.expires_in ?? 0) * 1000) / 4
  return expiresAtMs - nowMs > Math.min(leftMs, quarterMs)
}

/** How long its words are has no bound of ours. */
export const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : String(error)).slice(0, 300)
