/** Time-outs through a real gateway: time-out rejects, an unanswered hold says how to go on, an old yes lapses. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
  startWorker,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
let upstream: HttpUpstream
let gateway: GatewayProcess
let agent: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  upstream = await startHttpUpstream()
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href } },
    timings: { decision: '15s', hold: '1s', start_by: '3s', comment: '200ms' },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
  await database.drop()
})

const outcome = async (id: string) => {
  const rows = await query<{ outcome: string | null }>(
    database.connectionString,
    `SELECT record -> 'outcome' ->> 'kind' AS outcome FROM holdpoint.approval WHERE id = $1`,
    [id],
  )
  return rows[0]?.outcome
}

test('at the end of the hold the agent gets a ticket and repeats; at the deadline it is told that nobody decided', async () => {
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const call = () => client.call('create_refund', { amount: 1 })
  const first = await call()
  const [id = ''] = await mina.waitForPending()
  expect(first.isError).toBe(true)
  expect(textOf(first)).toContain(`NOT EXECUTED. Waiting for human approval, ticket ${id}`)
  expect(first._meta?.['dev.holdpoint/approval']).toMatchObject({ id, status: 'pending', retry: 'same' })
  let last = await call()
  expect(textOf(last)).toContain('continue later')
  for (let repeats = 0; repeats < 100 && textOf(last).includes('Waiting for human approval'); repeats++) {
    last = await call()
  }
  expect(textOf(last)).toContain('Nobody decided in time')
  expect(await outcome(id)).toBe('expired')
  expect(upstream.executed).toEqual([])
  await client.close()
})

test('a yes after the deadline does not count', async () => {
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  await client.call('create_refund', { amount: 2 })
  const [id = ''] = await mina.waitForPending()
  await expect.poll(() => outcome(id)).toBe('expired')
  expect(await mina.decide(id, 'approve')).toMatchObject({ ok: false })
  expect(upstream.executed).toEqual([])
  await client.close()
})

test('an approved call that nobody comes back for lapses, and then does not run', async () => {
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  await client.call('create_refund', { amount: 3 })
  const [id = ''] = await mina.waitForPending()
  await mina.waitForRequester(id, false)
  expect(await mina.decide(id, 'approve')).toMatchObject({ ok: true })
  await expect.poll(() => outcome(id)).toBe('lapsed')
  expect(textOf(await client.call('create_refund', { amount: 3 }))).toContain('NOT EXECUTED')
  expect(upstream.executed).toEqual([])
  await client.close()
})

test('a deliveries worker that is all that is left ends what is due', async () => {
  const own = await freshDatabase()
  const options = {
    databaseUrl: own.connectionString,
    servers: { pay: { url: upstream.url.href } },
    timings: { decision: '10s', hold: '1s' },
  }
  const last = await startGateway(options)
  try {
    const token = await mintToken(own.connectionString, last, 'agent', 'night-agent')
    const client = await connectV1(`${last.url}/mcp/pay`, token)
    await client.call('create_refund', { amount: 4 })
    await last.kill()
    const states = () =>
      query<{ status: string; kind: string | null }>(
        own.connectionString,
        `SELECT status, record -> 'outcome' ->> 'kind' AS kind FROM holdpoint.approval`,
      )
    const worker = await startWorker('deliveries', options)
    try {
      await expect.poll(states).toEqual([{ status: 'settled', kind: 'expired' }])
    } finally {
      await worker.stop()
    }
  } finally {
    await last.kill()
    await own.drop()
  }
})
