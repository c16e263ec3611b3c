/**
 * Finds servers that answer without credentials: agents that reach them can go around the gateway. Looked at from the start
 * on, and again while the answer is not the one that is wanted. A server that needs no credentials of ours is open anyway: it is told, not asked.
 */
import type { Check } from '../api/health.ts'
import type { Config, ServerConfig } from '../config.ts'
import { type Openness, probeWithoutCredentials } from '../mcp/upstream/probe.ts'
import type { Log } from '../ports/log.ts'
import { clock } from './clock.ts'

export interface OpenServers {
  /** What keeps this gateway from being ready: servers that have to refuse, and have not been seen to. */
  readonly check: Check
  /** What an operator should know. */
  readonly hint: Check
  /** Resolves when it has stopped. */
  readonly ended: Promise<void>
}

/** How soon it is noticed that an operator has closed a server, or that one is up. */
const LOOK_AGAIN_MS = 30_000
/** One that refuses may be opened by a mistake of tomorrow. */
const LOOK_AFTER_MS = 10 * 60_000

export function watchOpenServers(
  { servers }: Pick<Config, 'servers'>,
  stopping: AbortSignal,
  log: Log,
): OpenServers {
  const found = new Map<string, Openness>()
  const http = [...servers.values()].flatMap(({ name, upstream }) =>
    upstream.kind === 'http' ? [{ name, ...upstream }] : [],
  )
  const probed = http.filter(
    ({ requireAuth, oauth, headers }) => requireAuth || oauth !== null || Object.keys(headers).length > 0,
  )
  for (const { name } of http) {
    if (!probed.some((one) => one.name === name)) {
      log.warn(
        { server: name },
        'this server gets no credentials from the gateway, so whoever reaches it can call it past the gateway',
      )
    }
  }

  const stopped = new Promise<null>((resolve) => {
    stopping.addEventListener('abort', () => resolve(null), { once: true })
  })

  async function watch({ name, url, transport }: (typeof http)[number]): Promise<void> {
    while (!stopping.aborted) {
      // A stop does not wait for a server that is silent.
      const openness = await Promise.race([
        probeWithoutCredentials({ server: name, url, transport }, clock, log),
        stopped,
      ])
      if (stopping.aborted || openness === null) return
      if (openness === 'open' && found.get(name) !== 'open') log.error({ server: name }, openText(name))
      found.set(name, openness)
      await clock.sleep(openness === 'refuses' ? LOOK_AFTER_MS : LOOK_AGAIN_MS, stopping)
    }
  }

  const missing = (
    which: readonly Pick<ServerConfig, 'name'>[],
    says: (name: string, openness: Openness) => string | null,
  ) => {
    const texts = which.flatMap(({ name }) => says(name, found.get(name) ?? 'unknown') ?? [])
    return texts.length === 0 ? null : texts.join('; ')
  }
  return {
    check: {
      name: 'require_auth',
      missing: async () =>
        missing(
          probed.filter(({ requireAuth }) => requireAuth),
          (name, openness) =>
            openness === 'refuses'
              ? null
              : openness === 'open'
                ? openText(name)
                : `${name} has not been seen to refuse a call without credentials`,
        ),
    },
    hint: {
      name: 'open_servers',
      missing: async () => missing(probed, (name, openness) => (openness === 'open' ? openText(name) : null)),
    },
    ended: Promise.all(probed.map(watch)).then(() => {}),
  }
}

const openText = (name: string) =>
  `${name} answers without credentials, so agents that reach it can call it past the gateway; let it require the credentials that the gateway has`
