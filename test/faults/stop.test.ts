/**
 * SIGTERM on a real gateway that holds a thousand calls: each client is told how to go on, what is being sent is finished,
 * nothing runs twice, and the process is gone within ten seconds. The next gateway goes on where this one stopped.
 */
import { setMaxListeners } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'
import { measured } from './measured.ts'
import { rawCaller } from './raw-call.ts'

const HELD = 1_000
const AT_ONCE = 25
/** A container orchestrator waits this long before it kills. */
const STOP_MS_MAX = 10_000

const database = await freshDatabase()
let upstream: HttpUpstream
let gateway: GatewayProcess
let options: GatewayOptions
const caller = rawCaller()
setMaxListeners(0)

beforeAll(async () => {
  upstream = await startHttpUpstream()
  options = {
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, approvers: ['mina'] } },
    timings: { hold: '20m' },
    limits: { pending_per_principal: HELD + 10, held_per_principal: HELD + 10 },
    env: { LOG_LEVEL: 'warn' },
  }
  gateway = await startGateway(options)
})
afterAll(async () => {
  await gateway?.stop()
  await caller.close()
  await upstream?.close()
  await database.drop()
})

test('a stop with 1,000 held calls tells each client how to go on, finishes what is being sent, and takes less than ten seconds', {
  timeout: 20 * 60_000,
}, async () => {
  const agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  const minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
  const mina = aPerson(gateway.url, minaToken)

  // One that is being sent while the gateway is told to stop; the upstream answers two seconds later.
  const sending = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const sent = sending.call('slow', { delayMs: 2_500 }, { timeoutMs: 20 * 60_000 })
  const [sentId = ''] = await mina.waitForPending()
  const others = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const sessionId = others.sessionId ?? ''

  const startedMs = performance.now()
  const held: Promise<string>[] = []
  // Agents do not all ask in the same instant; they do all wait in the same one.
  for (let n = 0; n < HELD; n += AT_ONCE) {
    const begun = Array.from({ length: AT_ONCE }, (_, more) =>
      caller.call(`${gateway.url}/mcp/pay`, agent, sessionId, n + more),
    )
    held.push(...(await Promise.all(begun)).map(({ answer }) => answer))
  }
  const waiting = async () =>
    Number(
      (
        await query<{ n: string }>(
          database.connectionString,
          `SELECT count(DISTINCT approval_id) AS n FROM holdpoint.waiter`,
        )
      )[0]?.n,
    )
  await expect.poll(waiting, { timeout: 10 * 60_000, interval: 250 }).toBe(HELD + 1)
  const heldMs = performance.now() - startedMs

  expect(await mina.decide(sentId, 'approve')).toMatchObject({ ok: true })
  await expect.poll(() => upstream.callsOf('slow').length).toBe(1)
  const stopMs = performance.now()
  const code = await gateway.stop()
  const stoppedMs = performance.now() - stopMs
  const answers = await Promise.all(held)

  expect(gateway.output()).not.toContain('stopping took too long')
  expect(code).toBe(0)
  expect(stoppedMs).toBeLessThan(STOP_MS_MAX)
  expect(answers.find((text) => !isToldHowToGoOn(text))).toBeUndefined()
  expect(textOf(await sent)).toContain('slow but done')
  expect(upstream.executed).toHaveLength(1)
  measured('SIGTERM with 1,000 held calls', { 'held after ms': heldMs, 'stopped after ms': stoppedMs })

  // The next one goes on with what it finds, in every status.
  const open = await query<{ id: string }>(
    database.connectionString,
    `SELECT id FROM holdpoint.approval WHERE status = 'pending' ORDER BY id`,
  )
  expect(open).toHaveLength(HELD)
  gateway = await startGateway(options)
  const [approved = '', rejected = ''] = open.map(({ id }) => id)
  const next = aPerson(gateway.url, minaToken)
  expect(await next.decide(approved, 'approve')).toMatchObject({ ok: true })
  expect(await next.decide(rejected, 'reject')).toMatchObject({ ok: true })
  const [row] = await query<{ params: string }>(
    database.connectionString,
    `SELECT record #>> '{proposed,canonicalParams}' AS params FROM holdpoint.approval WHERE id = $1`,
    [approved],
  )
  const back = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const args: { charge: number } = JSON.parse(row?.params ?? '').arguments
  expect(textOf(await back.call('create_refund', args))).toContain('re_')
  expect(upstream.executed).toHaveLength(2)
  await Promise.all([back.close(), sending.close().catch(() => {}), others.close().catch(() => {})])
})

/** By a ticket, or by the end of a stream that says where and when to resume it; in either case in good order. */
const isToldHowToGoOn = (text: string) =>
  /NOT EXECUTED.*HP-[A-Z0-9]{10}/.test(text) || /^id: \S+\nretry: \d+$/m.test(text)
