/** What every client of the run stands in front of: a real gateway, servers that count what they ran, and a person who decides. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startLoneGateway } from '../support/lone-gateway.ts'
import type { RealClient, ServerName } from './client.ts'
import { startDoublingProxy } from './doubling-proxy.ts'
import { aPersonWith, type Person } from './person.ts'
import { type CountingServer, startFast, startPay } from './servers.ts'

const cli = join(import.meta.dirname, '../../dist/src/cli.js')

export const REASON_OF_POLICY = 'Ask the owners of the repository.'

export interface Place {
  readonly gatewayUrl: string
  readonly servers: Readonly<Record<ServerName, CountingServer>>
  /** The command line, beside this gateway. */
  holdpoint(...command: readonly string[]): Promise<string>
  /** Of the agent of this client: each is another one. */
  tokenFor(client: RealClient): Promise<string>
  readonly mina: Person
  /** An empty directory for one client, its home included. */
  directory(): string
  close(): Promise<void>
}

const policy = {
  default: 'require_approval',
  tools: {
    echo: { action: 'allow' },
    delete_repository: { action: 'deny', reason: REASON_OF_POLICY },
  },
}

export async function openPlace(clients: readonly Pick<RealClient, 'name' | 'hold'>[]): Promise<Place> {
  const root = mkdtempSync(join(tmpdir(), 'holdpoint-clients-'))
  const [pay, fast] = await Promise.all([startPay(), startFast()])
  const doubling = await startDoublingProxy(pay.url)
  const write = (name: string, content: object) => {
    writeFileSync(join(root, name), JSON.stringify(content))
    return join(root, name)
  }
  const shared = { policy: write('policy.json', policy), approvers: ['ops'] }
  const gateway = await startLoneGateway(join(root, 'gateway'), {
    people: { mina: { name: 'Kim Mina' }, jun: {} },
    groups: { ops: ['mina'] },
    agents: Object.fromEntries(
      clients.map(({ name, hold }) => [name, { owner: 'jun', ...(hold === undefined ? {} : { hold }) }]),
    ),
    servers: {
      pay: { url: pay.url, ...shared },
      fast: { url: fast.url, ...shared },
      twice: { url: doubling.url, ...shared },
      open: {
        url: pay.url,
        ...shared,
        policy: write('open.json', {
          ...policy,
          tools: { ...policy.tools, create_refund: { action: 'allow' } },
        }),
      },
    },
    // Half a minute as a second and 50 s as three, because the clients' own limits are seconds here.
    timings: { hold: '3s', comment: '500ms', progress: '1s', poll: '1s' },
  })
  const holdpoint = async (...command: readonly string[]) => {
    const env = { ...gateway.env, HOLDPOINT_URL: gateway.url }
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...command], { env })
    return stdout
  }
  const mint = async (...command: readonly string[]) =>
    String(JSON.parse(await holdpoint(...command, '--json')).token)
  const mina = aPersonWith(gateway.url, await mint('people', 'token', 'mina'))
  let directories = 0
  return {
    gatewayUrl: gateway.url,
    servers: { pay, fast, twice: pay, open: pay },
    holdpoint,
    tokenFor: ({ name }) => mint('agents', 'add', name),
    mina,
    directory: () => mkdtempSync(join(root, `client-${++directories}-`)),
    async close() {
      await mina.leave()
      await gateway.stop()
      await Promise.all([pay.stop(), fast.stop(), doubling.stop()])
      rmSync(root, { recursive: true, force: true })
    },
  }
}
