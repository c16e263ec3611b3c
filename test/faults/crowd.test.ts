/**
 * Very many at once: a thousand held calls that end in the same moment, and more connections than the system allows. How long it
 * takes is printed; what is judged is that everybody gets their own answer, once, that nobody else stands in the queue behind
 * them, and that nothing is left of it.
 */
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
import { rawCaller, requestIdOf } from './raw-call.ts'

const HELD = 1_000
/** So many more than the limit come and are turned away. */
const TOO_MANY = 5
const AT_ONCE = 25
/** Of one process, while it runs: enough for its own files and pools, and for few clients. */
const FILES_MAX = 160

const Message = z.object({ id: z.unknown(), method: z.string().optional() })
const TURNED_AWAY =
  /of your calls wait here already, the most that one agent may have, so this one was not taken/

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
    limits: { pending_per_principal: 2 * HELD, held_per_principal: HELD },
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

test('1,000 held calls that end at once are each answered once and as what they are, others are answered in between, and nothing is left', {
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

  // What happened, in this order.
  const order: ('held call' | 'other')[] = []
  for (const answer of held) void answer.then(() => order.push('held call'))
  // No room is a clear answer, at once, and takes nothing from those who wait.
  const tooMany = Array.from({ length: TOO_MANY }, async (_, more) => {
    const { answer } = await caller.call(
      `${gateway.url}/mcp/pay`,
      agent,
      session.sessionId ?? '',
      HELD + more,
    )
    return answer
  })
  for (const text of await Promise.all(tooMany)) expect(text).toMatch(TURNED_AWAY)
  expect(order).toEqual([])

  const looks: number[] = []
  let isOver = false
  const looking = (async () => {
    while (!isOver) {
      const startedMs = performance.now()
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
      order.push('other')
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
  for (const [n, text] of answers.entries()) expect(idsAnswered(text)).toEqual([requestIdOf(n)])
  expect(upstream.executed).toEqual([])
  const between = order.slice(order.indexOf('held call'), order.lastIndexOf('held call'))
  expect(between).toContain('other')
  const ended = `SELECT record #>> '{outcome,kind}' AS kind, count(*)::int AS n FROM holdpoint.approval GROUP BY 1`
  expect(await query(database.connectionString, ended)).toEqual([{ kind: 'cancelled', n: HELD }])
  const left = async () => (await query<{ n: number }>(database.connectionString, waiting))[0]?.n
  await expect.poll(left).toBe(0)
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
  // Twice as many have come.
  expect(open()).toBeLessThan(openBefore + FILES_MAX)
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

/** Of the messages in an event stream that answer a request. */
function idsAnswered(stream: string): unknown[] {
  const messages = stream.split('\n').flatMap((line) => (line.startsWith('data: {') ? [line.slice(6)] : []))
  return messages.flatMap((text) => {
    const { id, method } = Message.parse(JSON.parse(text))
    return method === undefined ? [id] : []
  })
}

/** Connected, or refused: either is an answer. */
function opened({ hostname, port }: URL): Promise<Socket> {
  return new Promise((done) => {
    const socket = connect(Number(port), hostname)
    socket.once('connect', () => done(socket))
    socket.once('error', () => done(socket))
  })
}
