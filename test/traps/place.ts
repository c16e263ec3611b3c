/** One real gateway for a file of traps, with a scripted server behind a command, one at a URL, and a person who decides. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { modernMain } from '../support/everything.ts'
import {
  aPerson,
  everythingMain,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'
import { aRawClient } from './raw-client.ts'
import { type ScriptedHttp, startScriptedHttp } from './scripted-http.ts'

export interface Place {
  readonly gateway: GatewayProcess
  readonly http: ScriptedHttp
  readonly token: string
  readonly mina: ReturnType<typeof aPerson>
  urlOf(server: Server): string
  client(server: Server): ReturnType<typeof aRawClient>
  /** Each session has a process, and an agent may have a limited number. */
  endSessions(): Promise<void>
  close(): Promise<void>
}

/** `stdio` has a handshake, `modern` has none, `http` is both. */
type Server = 'stdio' | 'modern' | 'http' | 'everything'

export async function openPlace(): Promise<Place> {
  const database = await freshDatabase()
  const http = await startScriptedHttp()
  const policy = join(temporaryDirectory(), 'policy.yaml')
  writeFileSync(policy, 'default: allow\nrequire_approval: [gated, logout]\n')
  const command = process.execPath
  const gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      stdio: { command, args: [join(import.meta.dirname, 'scripted-server.mjs')], policy },
      modern: { command, args: [modernMain], policy },
      everything: { command, args: [everythingMain, 'stdio'], policy },
      http: { url: http.url, policy },
    },
  })
  const token = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  const person = await mintToken(database.connectionString, gateway, 'person', 'mina')
  const clients: ReturnType<typeof aRawClient>[] = []
  const urlOf = (server: Server) => `${gateway.url}/mcp/${server}`
  return {
    gateway,
    http,
    token,
    mina: aPerson(gateway.url, person),
    urlOf,
    client(server) {
      const client = aRawClient(urlOf(server), token)
      clients.push(client)
      return client
    },
    async endSessions() {
      const open = clients.splice(0).filter((client) => client.session() !== null)
      await Promise.all(open.map((client) => client.end()))
    },
    async close() {
      await gateway.stop()
      await http.close()
      await database.drop()
    },
  }
}
