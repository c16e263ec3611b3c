/**
 * Asks servers without a policy what tools they have, so that people find a proposal before any agent was refused, and servers
 * whose list no agent has read to its end. A server where every person has an account of their own is left alone: its tools
 * are learnt from the first list that an agent gets.
 */
import type { Config, ServerConfig } from '../config.ts'
import { listTools } from '../mcp/upstream/list-tools.ts'
import { createSlots } from '../mcp/upstream/slots.ts'
import type { Log } from '../ports/log.ts'
import type { RulesInForce } from '../services/rules-in-force.ts'
import type { ToolCatalogue } from '../services/tool-catalogue.ts'
import type { OwnCredentials } from './accounts.ts'
import { clock } from './clock.ts'
import { homeIn } from './homes.ts'
import { createUpstream } from './upstreams.ts'

export interface FirstLook {
  /** Why the tools of this server are not known; `null`: no reason is. */
  problemOf(server: string): string | null
  /** Lists the tools of a server now, where it can be asked without a person; never rejects. */
  look(server: string, stopping: AbortSignal): Promise<void>
  /** Looks until `stopping` aborts; never rejects. */
  keep(stopping: AbortSignal): Promise<void>
}

/** Programs may first have to be downloaded. */
const SILENCE_MS = 60_000
/** A server that is being set up is often started a moment later. */
const AGAIN_MS = 30_000
const AGAIN_MS_MAX = 10 * 60_000
/** No id of a person: they hold no spaces. */
const asker = { name: 'holdpoint', owner: 'first look' }

const ofPeople =
  'every person has an account of their own there, so its tools are learnt from the first list that an agent asks for'

export function createFirstLook(deps: {
  config: Pick<Config, 'servers' | 'limits' | 'timings' | 'dataDir'>
  own: Pick<OwnCredentials, 'of'>
  rules: Pick<RulesInForce, 'needsSetUp'>
  tools: Pick<ToolCatalogue, 'known' | 'pins' | 'saw' | 'settled'>
  log: Log
}): FirstLook {
  const { config, own, rules, tools, log } = deps
  const problems = new Map<string, string>()
  const isUnknown = (server: string) =>
    rules.needsSetUp(server) && !tools.pins().some((pin) => pin.server === server)

  async function look(server: ServerConfig, stopping: AbortSignal): Promise<void> {
    const { name, upstream } = server
    const opened = createUpstream(server, {
      limits: config.limits,
      timings: config.timings,
      slots: createSlots(config.limits),
      homeOf:
        upstream.kind === 'stdio' && upstream.accounts === 'per_owner' ? homeIn(config.dataDir, name) : null,
      credentials: own.of(name),
      log,
    })
    const end = () => void opened.close()
    stopping.addEventListener('abort', end, { once: true })
    try {
      const listed = await listTools(opened, asker, SILENCE_MS)
      if (!listed.ok) {
        if (problems.get(name) !== listed.error)
          log.warn({ server: name }, `its tools could not be listed for a first policy: ${listed.error}`)
        problems.set(name, listed.error)
        return
      }
      problems.delete(name)
      tools.saw(name, listed.value)
      await tools.settled()
      if (listed.value.length === 0) problems.set(name, 'it lists no tools')
    } finally {
      stopping.removeEventListener('abort', end)
      await opened.close()
    }
  }

  async function tryToLook(
    server: ServerConfig,
    stopping: AbortSignal,
    stopped: Promise<void>,
  ): Promise<void> {
    const { name } = server
    try {
      // A stop does not wait for a server that is silent; its program is ended all the same.
      await Promise.race([look(server, stopping), stopped])
    } catch (error) {
      log.warn({ err: error, server: name }, 'its tools could not be listed for a first policy')
      problems.set(name, 'it could not be asked; the log of the gateway says why')
    }
  }

  async function watch(server: ServerConfig, stopping: AbortSignal, stopped: Promise<void>): Promise<void> {
    const { name } = server
    if (isOfPeople(server)) {
      problems.set(name, ofPeople)
      return
    }
    let pauseMs = AGAIN_MS
    while (!stopping.aborted) {
      if (isUnknown(name)) {
        await tryToLook(server, stopping, stopped)
        pauseMs = Math.min(2 * pauseMs, AGAIN_MS_MAX)
      }
      await clock.sleep(pauseMs, stopping)
    }
  }

  return {
    problemOf: (server) => (tools.known(server).length > 0 ? null : (problems.get(server) ?? null)),
    async look(name, stopping) {
      const server = config.servers.get(name)
      if (server === undefined || isOfPeople(server)) return
      const done = new AbortController()
      try {
        await tryToLook(server, stopping, whenAborted(stopping, done.signal))
      } finally {
        done.abort()
      }
    },
    async keep(stopping) {
      const stopped = whenAborted(stopping, null)
      await Promise.all([...config.servers.values()].map((server) => watch(server, stopping, stopped)))
    },
  }
}

const isOfPeople = ({ upstream }: ServerConfig): boolean =>
  upstream.kind === 'http' && upstream.oauth?.grant === 'authorization_code'

/** @param until nobody waits for it any more */
const whenAborted = (signal: AbortSignal, until: AbortSignal | null): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), {
      once: true,
      ...(until === null ? {} : { signal: until }),
    })
  })
