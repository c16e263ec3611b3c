/**
 * Who a bearer token belongs to, answered from memory: an allowed call touches no database.
 *
 * Memory follows the store within `refreshMs`, by its hints and, where one is lost, by looking. While the store cannot be
 * read the last known tokens stay valid: without the ledger nothing can be approved anyway, and reads keep working.
 * Before the first reading nobody is let in.
 */
import type { Person, Principal } from '../domain/principal.ts'
import type { Authenticator, CredentialStore } from '../ports/credentials.ts'
import type { Log } from '../ports/log.ts'
import { hashToken, kindOfToken } from './tokens.ts'

export interface AuthenticatorParts {
  readonly store: CredentialStore
  /** The agents of the configuration, whose owners stand there. */
  readonly agents: ReadonlyMap<string, Principal>
  readonly people: ReadonlyMap<string, Person>
  readonly log: Log
  /** A revoked token works at most this much longer. */
  readonly refreshMs: number
}

export interface RunningAuthenticator extends Authenticator {
  /** Resolves when the tokens were read once; rejects when they cannot be read. */
  start(): Promise<void>
  stop(): void
}

/** A reading that has not come back after this many intervals is given up for lost, so that one stuck query does not end all refreshing. */
const PATIENCE_INTERVALS = 10

export function createAuthenticator(parts: AuthenticatorParts): RunningAuthenticator {
  const { store, agents, people, log, refreshMs } = parts
  let live: Awaited<ReturnType<CredentialStore['live']>> = new Map()
  // Readings are numbered, so that a late one never replaces a newer one.
  let started = 0
  let applied = 0
  let inFlight: { readonly number: number; intervals: number } | null = null
  let isStale = false
  let isChanged = false
  let stopListening = () => {}
  let timer: NodeJS.Timeout | null = null

  async function read(): Promise<void> {
    const number = ++started
    inFlight = { number, intervals: 0 }
    isChanged = false
    try {
      const found = await store.live()
      if (number <= applied) return
      live = found
      applied = number
      if (isStale) log.info({}, 'tokens can be read again')
      isStale = false
    } finally {
      if (inFlight?.number === number) inFlight = null
    }
  }

  async function refresh(): Promise<void> {
    try {
      await read()
    } catch (error) {
      complain(error)
      return
    }
    if (isChanged && inFlight === null && timer !== null) await refresh()
  }

  function complain(error: unknown): void {
    if (!isStale) log.warn({ err: error }, 'tokens cannot be read; the last known ones stay in force')
    isStale = true
  }

  function onChange(): void {
    // A reading under way may have looked before the change.
    if (inFlight === null) void refresh()
    else isChanged = true
  }

  function onInterval(): void {
    if (inFlight !== null) {
      inFlight.intervals += 1
      if (inFlight.intervals < PATIENCE_INTERVALS) return
      complain(new Error('reading the tokens takes too long'))
    }
    void refresh()
  }

  function stop(): void {
    stopListening()
    stopListening = () => {}
    if (timer !== null) clearInterval(timer)
    timer = null
  }

  function find(presented: string, kind: 'agent' | 'person') {
    if (kindOfToken(presented) !== kind) return null
    const found = live.get(hashToken(presented))
    return found?.kind === kind ? found : null
  }

  return {
    async start() {
      stopListening = store.onChange(onChange)
      // Half the promised time, so that a lost hint and the query itself fit into it together.
      timer = setInterval(onInterval, refreshMs / 2)
      try {
        await read()
      } catch (error) {
        stop()
        throw error
      }
    },

    stop,

    agent(token) {
      const found = find(token, 'agent')
      if (found === null) return null
      const owner = agents.get(found.name)?.owner ?? found.owner
      return people.has(owner) ? { name: found.name, owner } : null
    },

    person(token) {
      const found = find(token, 'person')
      return found !== null && people.has(found.name) ? found.name : null
    },
  }
}
