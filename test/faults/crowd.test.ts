/** Very many at once: a thousand held calls that end in the same moment, and more connections than the system allows. */
import { spawnSync } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { connectV1, textOf } from '../support/clients.ts'
import { aPerson, type GatewayProcess, mintToken, query, startGateway } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'
import { measured } from './measured.ts'
import { rawCaller } from './raw-call.ts'

const HELD = 1_000
const AT_ONCE = 25
/** Of one process, while it runs: enough for its own files and pools, and for few clients. */
const FILES_MAX = 160

const database = await freshDatabase()
const caller = rawCaller()
setMaxListeners(0)
let upstream: HttpUpstream
let gateway: GatewayProcess
let agent: string
let mina: string

beforeAll(async () => {
  upstream = await startHttpUpstream()
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    more: { operators: ['mina'] },
    servers: { pay: { url: upstream.url.href, approvers: ['mina'] } },
    timings: { hold: '20m' },
    limits: { pending_per_principal: HELD + 10, held_per_principal: HELD + 10 },
    env: { LOG_LEVEL: 'warn' },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = await mintToken(database.connectionString, gateway, 'person', 'mina')
})
afterAll(async () => {
  await gateway?.stop()
  await caller.close()
  await upstream?.close()
  await database.drop()
})

test('1,000 held calls that end at once are all answered, and the gateway answers others meanwhile', {
  timeout: 20 * 60_000,
}, async () => {
  const session = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const held: Promise<string>[] = []
  for (let n = 0; n < HELD; n += AT_ONCE) {
    const begun = Array.from({ length: AT_ONCE }, (_, more) =>
      caller.call(`${gateway.url}/mcp/pay`, agent, session.sessionId ?? '', n + more),
    )
    held.push(...(await Promise.all(begun)).map(({ answer }) => answer))
  }
  const waiting = `SELECT count(DISTINCT approval_id)::int AS n FROM holdpoint.waiter`
  await expect
    .poll(async () => (await query<{ n: number }>(database.connectionString, waiting))[0]?.n, {
      timeout: 10 * 60_000,
      interval: 250,
    })
    .toBe(HELD)

  const looks: number[] = []
  let isOver = false
  const looking = (async () => {
    while (!isOver) {
      const startedMs = performance.now()
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
      looks.push(performance.now() - startedMs)
      await new Promise((done) => setTimeout(done, 20))
    }
  })()
  const releasedMs = performance.now()
  const stopped = await fetch(`${gateway.url}/api/v1/stops`, {
    method: 'POST',
    headers: { authorization: `Bearer ${mina}`, 'content-type': 'application/json' },
    body: JSON.stringify({ everything: true, reason: 'all of them' }),
  })
  expect(stopped.status).toBeLessThan(300)
  const answers = await Promise.all(held)
  const answeredMs = performance.now() - releasedMs
  isOver = true
  await looking

  expect(answers.find((text) => !/NOT EXECUTED.*all of them/s.test(text))).toBeUndefined()
  expect(upstream.executed).toEqual([])
  measured('1,000 held calls end at once', {
    'all answered after ms': answeredMs,
    'slowest other answer ms': Math.max(...looks),
  })
  const { stop } = z.object({ stop: z.object({ number: z.number() }) }).parse(await stopped.json())
  const lifted = await fetch(`${gateway.url}/api/v1/stops/${stop.number}/lift`, {
    method: 'POST',
    headers: { authorization: `Bearer ${mina}`, 'content-type': 'application/json' },
    body: '{}',
  })
  expect(lifted.status).toBeLessThan(300)
  await session.close()
})

test('without file descriptors new connections wait or fail, what is held survives, and nothing is left of it', async () => {
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const called = client.call('create_refund', { amount: 38 })
  const person = aPerson(gateway.url, mina)
  const [id = ''] = await person.waitForPending()
  const pid = String(gateway.child.pid)
  const open = () => readdirSync(`/proc/${pid}/fd`).length
  const openBefore = open()
  expect(spawnSync('prlimit', ['--pid', pid, `--nofile=${FILES_MAX}:${FILES_MAX}`]).status).toBe(0)

  const sockets = await Promise.all(Array.from({ length: 2 * FILES_MAX }, () => opened(new URL(gateway.url))))
  await new Promise((done) => setTimeout(done, 2_000))
  expect(gateway.child.exitCode).toBeNull()
  for (const socket of sockets) socket.destroy()
  // It has noticed as well: what is decided before would find no descriptor to be sent with, and be told so.
  await expect.poll(open).toBeLessThan(openBefore + 10)

  await expect.poll(async () => (await fetch(`${gateway.url}/healthz`).catch(() => null))?.status).toBe(200)
  await expect.poll(async () => (await person.decide(id, 'approve').catch(() => null))?.ok).toBe(true)
  expect(textOf(await called)).toContain('re_')
  expect(upstream.executed).toHaveLength(1)
  await client.close()
})

/** Connected, or refused: either is an answer. */
function opened({ hostname, port }: URL): Promise<Socket> {
  return new Promise((done) => {
    const socket = connect(Number(port), hostname)
    socket.once('connect', () => done(socket))
    socket.once('error', () => done(socket))
  })
}
