/**
 * What programs on stdio cost, and what becomes of them when the gateway is killed. Linux tells by /proc.
 * `SESSIONS=100 npx vitest run test/e2e/stdio-processes.test.ts` prints the numbers that the documentation states.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  everythingMain,
  filesystemMain,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { skippedHere } from '../support/missing.ts'
import { freshDatabase } from '../support/postgres.ts'

const SESSIONS = Number(process.env.SESSIONS ?? 8)
const KiB_PER_MiB = 1024
/** A Node.js process with a small server; what it shares with the others is counted once, by parts. */
const MiB_EACH_MAX = 64

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid)
      } catch {
        return false
      }
    })
    .map(Number)
}

/** Proportional set size: shared pages count for each by its share. */
function pssMiB(pid: number): number {
  const [, kib = '0'] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
  return Number(kib) / KiB_PER_MiB
}

const hasNoProc = process.platform !== 'linux' && skippedHere('processes are read from /proc', 'run on Linux')

describe.skipIf(hasNoProc)('programs on stdio', () => {
  let gateway: GatewayProcess
  let database: Awaited<ReturnType<typeof freshDatabase>>
  let agent: string

  beforeAll(async () => {
    database = await freshDatabase()
    const program = (...args: string[]) => ({ command: process.execPath, args, approvers: ['ops'] })
    gateway = await startGateway({
      databaseUrl: database.connectionString,
      servers: {
        sample: { ...program(sampleMain), env: { NWORKS_SAMPLE_HOME: temporaryDirectory() } },
        files: program(filesystemMain, temporaryDirectory()),
        everything: program(everythingMain, 'stdio'),
      },
      limits: {
        children: 400,
        children_per_server: 400,
        children_per_owner: 400,
        children_per_principal: 400,
      },
      env: { LOG_LEVEL: 'warn' },
    })
    agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  })
  afterAll(async () => {
    await gateway?.kill()
    await database.drop()
  })

  async function open(server: string): Promise<string> {
    const response = await fetch(`${gateway.url}/mcp/${server}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${agent}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'e', version: '1' } },
      }),
    })
    expect(await response.text()).toContain('"result"')
    return response.headers.get('mcp-session-id') ?? ''
  }

  const children = () => childrenOf(gateway.child.pid ?? 0)

  test.each(['files', 'sample'])(
    'sessions with %s stay within the stated memory each',
    async (server) => {
      const before = children()
      // A few at a time, as clients come.
      for (let opened = 0; opened < SESSIONS; opened += 4) {
        await Promise.all(Array.from({ length: Math.min(4, SESSIONS - opened) }, () => open(server)))
      }
      const own = children().filter((pid) => !before.includes(pid))
      expect(own).toHaveLength(SESSIONS)
      const each = own.map(pssMiB)
      const sum = each.reduce((total, one) => total + one, 0)
      const gatewayMiB = pssMiB(gateway.child.pid ?? 0)
      process.stdout.write(
        `${SESSIONS} sessions with ${server}: ${Math.round(sum)} MiB together, ${(sum / SESSIONS).toFixed(1)} MiB each; the gateway ${Math.round(gatewayMiB)} MiB\n`,
      )
      expect(sum / SESSIONS).toBeLessThan(MiB_EACH_MAX)
    },
    180_000,
  )

  test('none of them outlives a gateway that is killed: the end of their input ends them', async () => {
    await open('everything')
    const running = children()
    expect(running.length).toBeGreaterThan(SESSIONS)
    await gateway.kill()
    const gone = (pid: number) =>
      !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    await expect.poll(() => running.filter((pid) => !gone(pid)).length, { timeout: 30_000 }).toBe(0)
  })
})
