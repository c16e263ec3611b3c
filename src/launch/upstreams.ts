/** The configured servers as upstreams. */
import type { Config, ServerConfig } from '../config.ts'
import { createAtUrl } from '../mcp/upstream/eras/at-url.ts'
import { createEitherEra } from '../mcp/upstream/eras/either-era.ts'
import { createModernStdio } from '../mcp/upstream/eras/modern-stdio.ts'
import type { HomeOf } from '../mcp/upstream/home.ts'
import { createHttpUpstream } from '../mcp/upstream/http.ts'
import { createSlots, type Slots } from '../mcp/upstream/slots.ts'
import { createStdioUpstream } from '../mcp/upstream/stdio.ts'
import type { Upstream } from '../mcp/upstream/wire.ts'
import type { Log } from '../ports/log.ts'
import type { UpstreamCredentials } from '../ports/upstream-credentials.ts'
import type { OwnCredentials } from './accounts.ts'
import { clock } from './clock.ts'
import { homeIn } from './homes.ts'

export function createUpstreams(
  { servers, limits, timings, dataDir }: Pick<Config, 'servers' | 'limits' | 'timings' | 'dataDir'>,
  own: Pick<OwnCredentials, 'of'>,
  log: Log,
): ReadonlyMap<string, Upstream> {
  const slots = createSlots(limits)
  return new Map(
    [...servers].map(([name, server]) => {
      const isPerOwner = server.upstream.kind === 'stdio' && server.upstream.accounts === 'per_owner'
      const homeOf = isPerOwner ? homeIn(dataDir, name) : null
      return [
        name,
        createUpstream(server, { limits, timings, slots, homeOf, credentials: own.of(name), log }),
      ]
    }),
  )
}

export function createUpstream(
  { name: server, upstream }: Pick<ServerConfig, 'name' | 'upstream'>,
  parts: {
    readonly limits: Config['limits']
    readonly timings: Pick<Config['timings'], 'sessionIdleMs'>
    readonly slots: Slots
    readonly homeOf: HomeOf | null
    readonly credentials: UpstreamCredentials | null
    readonly log: Log
  },
): Upstream {
  const { limits, timings, slots, homeOf, credentials, log } = parts
  const { sessionIdleMs } = timings
  switch (upstream.kind) {
    case 'stdio': {
      const { command, args, env, cwd } = upstream
      const process = { server, command, args, env, cwd, limits, slots, homeOf, sessionIdleMs, clock, log }
      const spoken = { legacy: createStdioUpstream(process), modern: createModernStdio(process) }
      return createEitherEra(spoken, { limits, sessionIdleMs, clock, log })
    }
    case 'http': {
      const { url, headers, transport } = upstream
      const http = createHttpUpstream({ server, url: url.href, headers, credentials, log })
      return createAtUrl({ http, url, transport, limits, sessionIdleMs, clock, log })
    }
  }
}
