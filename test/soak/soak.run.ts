/**
 * `npm run soak`: two real gateways in rounds of everything that clients do to them. After each round, when what was left has been
 * forgotten, they hold what they held after the second, and every request had its one answer.
 */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'
import { isRedisMissing, startRedis } from '../support/redis.ts'
import { type Posted, startSseServer } from '../support/sse-server.ts'
import { startScriptedHttp } from '../traps/scripted-http.ts'
import { childrenOf, databaseConnections, type Inspector, inspect, type Measures } from './measure.ts'
import { basePolicy, runRound } from './round.ts'
import { isMostlyDone, type Site } from './tally.ts'

const minutes = Number(process.env.SOAK_MINUTES ?? 2)
const leak = process.env.HOLDPOINT_SOAK_LEAK ?? null
/** The first warms up: code is compiled, pools are filled. It is compared with the second. */
const ROUNDS_MIN = 4
const SETTLED_MS_MAX = 60_000
const IDLE = '1s'
const COMMENT_MS = 500

/**
 * How much more than after the second round. A leak of one for each request would be hundreds; what is allowed is what may be under
 * way at the moment of counting (a loop's sleep, a query, a kept-alive connection), and, of the heap, caches that fill and end:
 * compiled code, sessions and tool names that are remembered (each bounded).
 */
const allowed: Readonly<Record<string, number>> = {
  AbortSignal: 20,
  ReadableStream: 10,
  timers: 10,
  sockets: 12,
  descriptors: 15,
  children: 0,
  heapKiB: 6 * 1024,
  database: 6,
  redis: 4,
}

test('round after round holds what the second held', { timeout: 24 * 60 * 60_000 }, async () => {
  const database = await freshDatabase()
  const redis = isRedisMissing() ? null : await startRedis()
  const http = await startScriptedHttp()
  const old = await startSseServer()
  old.onPost = forgetful
  const policyFile = join(temporaryDirectory(), 'policy.yaml')
  writeFileSync(policyFile, basePolicy)
  const here = import.meta.dirname
  const stdioServer = (file: string) => ({
    command: process.execPath,
    args: [resolve(here, file)],
    policy: policyFile,
  })
  const start = () =>
    startGateway({
      databaseUrl: database.connectionString,
      servers: {
        stdio: stdioServer('../traps/scripted-server.mjs'),
        modern: stdioServer('../support/modern-server.mjs'),
        http: { url: http.url, policy: policyFile },
        old: { url: old.url, policy: policyFile },
      },
      timings: {
        session_idle: IDLE,
        poll: '200ms',
        hold: '20s',
        cool_down: '1s',
        comment: `${COMMENT_MS}ms`,
      },
      limits: {
        pending_per_principal: 500,
        children: 200,
        children_per_server: 200,
        children_per_owner: 200,
        children_per_principal: 200,
      },
      env: {
        LOG_LEVEL: 'warn',
        NODE_OPTIONS: `--inspect=127.0.0.1:0${leak === null ? '' : ` --import=${join(here, 'leaks.mjs')}`}`,
        ...(leak === null ? {} : { HOLDPOINT_SOAK_LEAK: leak }),
        ...(redis === null ? {} : { REDIS_URL: redis.url }),
      },
    })
  const gateways = [await start(), await start()]
  const inspectors = await Promise.all(gateways.map(({ output, child }) => inspect(output(), child.pid ?? 0)))
  const [first] = gateways
  if (first === undefined) throw new Error('there is no gateway')
  try {
    const site: Site = {
      urls: gateways.map(({ url }) => url),
      token: await mintToken(database.connectionString, first, 'agent', 'night-agent'),
      policyFile,
      person: aPerson(first.url, await mintToken(database.connectionString, first, 'person', 'mina')),
    }
    const stores = async (): Promise<Measures> => ({
      database: await databaseConnections(database.connectionString),
      ...(redis === null
        ? {}
        : {
            redis:
              String(await redis.command('client', 'list'))
                .trim()
                .split('\n').length - 1,
          }),
    })
    const untilMs = performance.now() + minutes * 60_000
    let reference: Measures[] | null = null
    let asked = 0
    let grown: string[] = []
    for (let round = 1; round <= ROUNDS_MIN || performance.now() < untilMs; round++) {
      const startedMs = performance.now()
      const tally = await runRound(site, round)
      const { asked: now, wrong } = tally
      const endedMs = performance.now()
      asked += now
      expect(wrong, `round ${round}: every request has one answer`).toEqual([])
      expect(isMostlyDone(tally), `round ${round}: ${tally.refused.join('\n')}`).toBe(true)
      expect(alive(gateways), 'the gateways live').toBe(true)
      const all = await settled(gateways, inspectors, stores, reference)
      if (round === 2) reference = all.map((measures) => ({ ...measures }))
      grown = reference === null ? [] : grownBeyond(reference, all)
      console.log(
        `round ${round}: ${now} requests in ${seconds(endedMs - startedMs)}, forgotten in ${seconds(performance.now() - endedMs)}`,
        ...all.map((measures) => JSON.stringify(measures)),
        ...grown,
      )
      if (grown.length > 0) break
    }
    console.log(`${asked} requests, each answered once`)
    if (leak === null) expect(grown).toEqual([])
    else expect(grown, `the leak of ${leak} is found`).not.toEqual([])
  } finally {
    for (const inspector of inspectors) inspector.close()
    await Promise.all(gateways.map((gateway) => gateway.stop()))
    await http.close()
    await old.close()
    await redis?.stop()
    await database.drop()
  }
})

/** `slow`: its stream ends before the answer; `last`: right after it. */
function forgetful({ message, accept, say, stream }: Posted): boolean {
  const { name } = message.params ?? {}
  if (message.method !== 'tools/call' || (name !== 'slow' && name !== 'last')) return false
  accept()
  if (name === 'last')
    say({ jsonrpc: '2.0', id: message.id, result: { content: [{ type: 'text', text: 'goodbye' }] } })
  stream.end()
  return true
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`

const alive = (gateways: readonly GatewayProcess[]) => gateways.every(({ child }) => child.exitCode === null)

/** Waits until everything that was left is forgotten, then measures; what is only on its way out gets more looks. */
async function settled(
  gateways: readonly GatewayProcess[],
  inspectors: readonly Inspector[],
  stores: () => Promise<Measures>,
  reference: readonly Measures[] | null,
): Promise<Measures[]> {
  const giveUpMs = performance.now() + SETTLED_MS_MAX
  const hasChildren = () => gateways.some(({ child }) => childrenOf(child.pid ?? 0).length > 0)
  for (;;) {
    while (hasChildren() && performance.now() < giveUpMs) await sleep(250)
    // Streams that were cut are found out within a comment or two.
    await sleep(2 * COMMENT_MS)
    const all = [...(await Promise.all(inspectors.map((inspector) => inspector.measure()))), await stores()]
    const isFlat = reference === null || grownBeyond(reference, all).length === 0
    if (isFlat || performance.now() > giveUpMs) return all
  }
}

function grownBeyond(reference: readonly Measures[], all: readonly Measures[]): string[] {
  return all.flatMap((measures, index) =>
    Object.entries(measures).flatMap(([name, value]) => {
      const before = reference[index]?.[name] ?? 0
      return value > before + (allowed[name] ?? 0) ? [`${name} of ${index + 1}: ${before} → ${value}`] : []
    }),
  )
}
