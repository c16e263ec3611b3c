/**
 * A client of HTTP+SSE (MCP 2024-11-05) in front of two gateways, of which the one with its stream is killed while people decide: its
 * call is not lost, and a message that comes to the wrong gateway is told what is wrong.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectSse, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { openOldStream } from '../support/old-stream.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
let upstream: HttpUpstream
let first: GatewayProcess
let second: GatewayProcess
let agent: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  const policy = join(temporaryDirectory(), 'policy.yaml')
  writeFileSync(policy, 'default: allow\nrequire_approval: [create_refund]\n')
  upstream = await startHttpUpstream()
  const start = () =>
    startGateway({
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'] } },
    })
  ;[first, second] = [await start(), await start()]
  agent = await mintToken(database.connectionString, second, 'agent', 'night-agent')
  mina = aPerson(second.url, await mintToken(database.connectionString, second, 'person', 'mina'))
})
afterAll(async () => {
  await first?.stop()
  await second?.stop()
  await upstream?.close()
  await database.drop()
})

test('a message for the stream of another gateway is told so, and how to mend it; a made-up one is not', async () => {
  const here = await openOldStream(`${first.url}/mcp/pay`, agent, null)
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  const post = async (path: string) => {
    const answered = await fetch(new URL(path, second.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/json' },
      body: ping,
    })
    return { status: answered.status, text: await answered.text() }
  }
  const elsewhere = await post(here.endpoint())
  expect(elsewhere.status).toBe(404)
  expect(elsewhere.text).toMatch(/not at this gateway.*not taken.*keep a client of HTTP\+SSE at one/)
  const madeUp = await post('/mcp/pay/messages?sessionId=hpe1.AAAA')
  expect(madeUp.status).toBe(404)
  expect(madeUp.text).toContain('There is no such stream')
  here.leave()
})

test('a call that waits for people when its gateway is killed is collected at the other one, and runs once', async () => {
  const lost = await connectSse(`${first.url}/mcp/pay`, agent)
  const refund = { amount: 5, charge: 'ch_sse' }
  const called = lost.call('create_refund', refund).catch(String)
  const [id = ''] = await mina.waitForPending()
  const isGone = new Promise((done) => first.child.once('exit', done))
  first.child.kill('SIGKILL')
  await isGone
  const again = await connectSse(`${second.url}/mcp/pay`, agent)
  const repeated = again.call('create_refund', refund)
  await expect.poll(async () => (await mina.show(id)).isRequesterWaiting, { timeout: 30_000 }).toBe(true)
  expect(await mina.pending()).toHaveLength(1)
  await mina.decide(id, 'approve')
  expect(textOf(await repeated)).toContain('re_1')
  expect((await mina.show(id)).approval).toMatchObject({ status: 'settled', outcome: { kind: 'answered' } })
  expect(upstream.executed.filter(({ tool }) => tool === 'create_refund')).toHaveLength(1)
  await again.close()
  await lost.close().catch(() => {})
  void called
}, 90_000)
