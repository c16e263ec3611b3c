/** The configured servers as upstreams. */
import type { Config, ServerConfig } from '../config.ts'
import { createEitherEra } from '../mcp/upstream/eras/either-era.ts'
import { createModernStdio } from '../mcp/upstream/eras/modern-stdio.ts'
import { createHttpUpstream } from '../mcp/upstream/http.ts'
import { createSlots, type Slots } from '../mcp/upstream/slots.ts'
import { createStdioUpstream, SESSION_IDLE_MS } from '../mcp/upstream/stdio.ts'
import type { Upstream } from '../mcp/upstream/wire.ts'
import type { Log } from '../ports/log.ts'
import { clock } from './clock.ts'

export function createUpstreams(
  { servers, limits }: Pick<Config, 'servers' | 'limits'>,
  log: Log,
): ReadonlyMap<string, Upstream> {
  const slots = createSlots(limits)
  return new Map([...servers].map(([name, server]) => [name, createUpstream(server, limits, slots, log)]))
}

export function createUpstream(
  { name: server, upstream }: Pick<ServerConfig, 'name' | 'upstream'>,
  limits: Config['limits'],
  slots: Slots,
  log: Log,
): Upstream {
  switch (upstream.kind) {
    case 'stdio': {
      const { command, args, env, cwd } = upstream
      const sessionIdleMs = SESSION_IDLE_MS
      const process = { server, command, args, env, cwd, limits, slots, sessionIdleMs, clock, log }
      const spoken = { legacy: createStdioUpstream(process), modern: createModernStdio(process) }
      return createEitherEra(spoken, { limits, sessionIdleMs, clock, log })
    }
    case 'http':
      return createHttpUpstream({ server, url: upstream.url.href, headers: upstream.headers, log })
  }
}
