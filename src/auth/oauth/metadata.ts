/** Tells clients where they get a token for what is served here: OAuth 2.0 Protected Resource Metadata (RFC 9728). */
import { Hono } from 'hono'
import { METADATA_PATH, type Resources } from './resources.ts'

export function protectedResourceRoutes(options: {
  resources: Resources
  issuers: readonly string[]
  servers: readonly string[]
}) {
  const { resources, issuers, servers } = options
  const app = new Hono()

  const metadataOf = (server: string | null) => ({
    resource: resources.uriOf(server),
    authorization_servers: issuers,
    ...(resources.scopesOf(server).length === 0 ? {} : { scopes_supported: resources.scopesOf(server) }),
    // "MUST NOT" be sent in the query of an address (MCP, Authorization, Token Requirements).
    bearer_methods_supported: ['header'],
    resource_name: server === null ? 'Holdpoint' : `${server} (behind Holdpoint)`,
  })
  const respond = (server: string | null) =>
    new Response(JSON.stringify(metadataOf(server)), {
      headers: {
        'content-type': 'application/json',
        'cache-control': 'public, max-age=300',
        // Public by nature: clients that live in a browser read it as well.
        'access-control-allow-origin': '*',
      },
    })

  app.get(METADATA_PATH, () => respond(null))
  // The path of the resource follows, with whatever a proxy puts in front of ours.
  app.get(`${METADATA_PATH}/*`, (c) => {
    const path = c.req.path.slice(METADATA_PATH.length).replace(/\/+$/, '')
    const root = new URL(resources.uriOf(null)).pathname.replace(/\/+$/, '')
    if (path === root) return respond(null)
    const server = /\/mcp\/([^/]+)(?:\/mcp)?$/.exec(path)?.[1]
    return server !== undefined && servers.includes(server) ? respond(server) : c.notFound()
  })
  return app
}
