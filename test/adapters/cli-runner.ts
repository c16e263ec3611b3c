/** Runs a command of the real program with captured output, against a gateway's real API over memory, on a real socket. */
import { type ServerType, serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createColors } from 'picocolors'
import type { Parts } from '../../src/commands/parts.ts'
import { run } from '../../src/commands/program.ts'
import type { AccountStore } from '../../src/ports/accounts.ts'
import type { Credential, CredentialStore } from '../../src/ports/credentials.ts'
import type { Identities } from '../../src/ports/identities.ts'
import { memoryAccounts } from '../support/memory-accounts.ts'
import { memoryIdentities } from '../support/memory-identities.ts'
import type { World } from './api-world.ts'

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly asked: readonly string[]
}

export interface Stage {
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** What the person types; `null`: there is no terminal. */
  readonly answer?: string | null
  /** Instead of `answer`: what else happens while the person is being asked. */
  readonly ask?: () => Promise<string>
  readonly credentials?: CredentialStore
  readonly identities?: Identities
  readonly accounts?: AccountStore
  readonly hasColours?: boolean
  readonly demo?: Parts['demo']
}

export async function holdpoint(args: readonly string[], stage: Stage = {}): Promise<Ran> {
  const { env = {}, cwd = '/nonexistent', answer = null, credentials, hasColours = false } = stage
  const out: string[] = []
  const errors: string[] = []
  const asked: string[] = []
  const code = await run(args, {
    io: {
      out: (text) => out.push(text),
      err: (text) => errors.push(text),
      isInteractive: answer !== null,
      colours: createColors(hasColours),
      async ask(question) {
        asked.push(question)
        return stage.ask === undefined ? (answer ?? '') : stage.ask()
      },
    },
    surroundings: { env, cwd },
    async openCredentials() {
      if (credentials === undefined) throw new Error('this test has no ledger')
      return {
        credentials,
        identities: stage.identities ?? memoryIdentities(),
        accounts: stage.accounts ?? memoryAccounts(),
        close: async () => {},
      }
    },
    bridge: async () => {},
    start: async () => {},
    demo: stage.demo ?? (async () => 0),
  })
  return { code, out: out.join('\n'), err: errors.join('\n'), asked }
}

export async function listenOn(world: World): Promise<{ url: string; close(): Promise<void> }> {
  const app = new Hono().route('/api/v1', world.api)
  const server = await new Promise<ServerType>((resolve) => {
    const listening = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

export function memoryCredentials(): CredentialStore {
  const all: (Credential & { tokenHash: string })[] = []
  return {
    async add(credential) {
      all.push({ ...credential, createdAtMs: Date.UTC(2026, 7, 1), revokedAtMs: null })
    },
    async revoke(kind, name) {
      const live = all.filter((one) => one.kind === kind && one.name === name && one.revokedAtMs === null)
      for (const one of live) all[all.indexOf(one)] = { ...one, revokedAtMs: Date.UTC(2026, 7, 2) }
      return live.length
    },
    async list(kind) {
      return all.filter((one) => one.kind === kind)
    },
    async live() {
      return new Map(all.filter((one) => one.revokedAtMs === null).map((one) => [one.tokenHash, one]))
    },
    onChange: () => () => {},
  }
}
