/** The gateway as an OAuth 2.1 resource server, where the configuration names issuers. */
import { protectedResourceRoutes } from '../auth/oauth/metadata.ts'
import { createResources, type Resources } from '../auth/oauth/resources.ts'
import { createVerifyToken, type VerifyToken } from '../auth/oauth/verify-token.ts'
import { createGuardedFetch } from '../auth/outbound/guarded-fetch.ts'
import type { Config } from '../config.ts'
import type { Log } from '../ports/log.ts'
import { clock } from './clock.ts'

export interface OAuth {
  readonly resources: Resources
  readonly verifyToken: VerifyToken
  readonly routes: ReturnType<typeof protectedResourceRoutes>
}

/** `null`: only our own tokens are accepted. */
export function createOAuth({ oauth, publicUrl, servers, people }: Config, log: Log): OAuth | null {
  const { issuers, logins, privateNetworks } = oauth
  if (issuers.length === 0 || publicUrl === null) return null
  const resources = createResources({ publicUrl, issuers, servers })
  const named = issuers.flatMap(({ issuer, jwksUri }) => [
    new URL(issuer),
    ...(jwksUri === null ? [] : [jwksUri]),
  ])
  return {
    resources,
    verifyToken: createVerifyToken({
      issuers,
      resources,
      personOf: (login) => (people.has(login) ? login : (logins.get(login) ?? null)),
      fetch: createGuardedFetch({ privateNetworks, named }),
      monotonicMs: clock.monotonicMs,
      log,
    }),
    routes: protectedResourceRoutes({
      resources,
      issuers: issuers.map(({ issuer }) => issuer),
      servers: [...servers.keys()],
    }),
  }
}
