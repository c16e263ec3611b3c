/** Two real gateways, one of which has a server that the other does not: it dies, and what waited for that server ends. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1 } from '../support/clients.ts'
import { aPerson, mintToken, startGateway } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())

test('calls for a server whose only gateway died end when none has had it for long; others wait on, and people and agent are told', async () => {
  const database = await freshDatabase()
  const databaseUrl = database.connectionString
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop()]
  try {
    const server = () => ({ url: upstream.url.href, approvers: ['ops'] })
    const start = async (servers: Record<string, object>) => {
      const gateway = await startGateway({
        ...{ databaseUrl, servers, timings: { unserved: '8s', node_lease: '2s', hold: '30m' } },
      })
      cleanUps.push(() => gateway.kill())
      return gateway
    }
    const [both, other] = [await start({ pay: server(), shop: server() }), await start({ shop: server() })]
    const token = await mintToken(databaseUrl, [both, other], 'agent', 'night-agent')
    const mina = aPerson(other.url, await mintToken(databaseUrl, other, 'person', 'mina'))
    const ask = async (name: string, amount: number) => {
      const client = await connectV1(`${both.url}/mcp/${name}`, token)
      void client.call('create_refund', { amount, charge: name }).catch(() => null)
    }
    await ask('shop', 1)
    const [kept = ''] = await mina.waitForPending()
    await ask('pay', 2)
    const [ended = ''] = await mina.waitForPending(2)
    await both.kill()

    await expect.poll(async () => (await mina.show(ended)).approval.status).toBe('settled')
    expect((await mina.show(ended)).approval).toMatchObject({
      outcome: {
        kind: 'invalidated',
        change: expect.stringContaining('no gateway has had the server "pay" for 8 s'),
        successor: null,
      },
    })
    expect((await mina.show(kept)).approval.status).toBe('pending')
    expect(await mina.decide(ended, 'approve')).toMatchObject({ ok: false })
    const headers = { authorization: `Bearer ${token}` }
    const read = await fetch(`${other.url}/api/v1/calls/${ended}`, { headers })
    expect(await read.json()).toMatchObject({ id: ended, outcome: { kind: 'invalidated' } })
    expect(upstream.executed).toEqual([])
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})
