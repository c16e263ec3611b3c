/** A server without a policy, two real gateways: its tools are listed, its calls refused with a link, and one person sets it up once. */
import { afterEach, expect, test } from 'vitest'
import { policyPut } from '../../src/api/policy-schemas.ts'
import { setUpList, setUpView } from '../../src/api/set-up-schemas.ts'
import { createRequest } from '../../src/commands/client.ts'
import { connectV1, textOf } from '../support/clients.ts'
import { type GatewayProcess, mintToken, startGateway } from '../support/gateway-process.ts'
import { startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

test('it is proposed from its own tools, accepted at one gateway, in force at both, and stays after a restart', {
  timeout: 180_000,
}, async () => {
  const database = await freshDatabase()
  cleanUps.push(() => database.drop())
  const upstream = await startHttpUpstream()
  cleanUps.push(() => upstream.close())
  async function aGateway(): Promise<GatewayProcess> {
    const gateway = await startGateway({
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href, policy: null, approvers: ['ops'] } },
      more: { operators: ['jun'] },
      env: { HOLDPOINT_PUBLIC_URL: 'https://gate.example' },
    })
    cleanUps.push(() => gateway.stop())
    return gateway
  }
  const first = await aGateway()
  const second = await aGateway()
  const agentToken = await mintToken(database.connectionString, [first, second], 'agent', 'night-agent')
  const tokenOf = (person: string) => mintToken(database.connectionString, [first, second], 'person', person)
  const [jun, mina] = [await tokenOf('jun'), await tokenOf('mina')]
  const restAt = ({ url }: GatewayProcess, token: string) => createRequest({ url, token })
  const clientAt = async ({ url }: GatewayProcess) => {
    const client = await connectV1(`${url}/mcp/pay`, agentToken)
    cleanUps.push(() => client.close())
    return client
  }

  const [here, there] = [await clientAt(first), await clientAt(second)]
  expect(JSON.stringify(await here.request('tools/list'))).toContain('create_refund')
  const refused = textOf(await here.call('create_refund', { amount: 1 }))
  expect(refused).toContain('NOT EXECUTED. Nobody has accepted a policy for "pay"')
  expect(refused).toContain('https://gate.example/set-up/pay')
  expect(upstream.executed).toEqual([])

  const proposed = async (gateway: GatewayProcess) => {
    const shown = await restAt(gateway, mina)('/set-ups/pay', setUpView)
    return shown.ok ? shown.value.proposal : null
  }
  await expect.poll(() => proposed(second)).not.toBeNull()
  await expect.poll(async () => (await proposed(first))?.digest).toBe((await proposed(second))?.digest)
  for (const gateway of [first, second]) {
    expect(await restAt(gateway, mina)('/set-ups', setUpList)).toEqual({
      ok: true,
      value: { servers: ['pay'] },
    })
  }
  const proposal = await proposed(first)
  expect(proposal?.tools.find(({ tool }) => tool === 'create_refund')?.gets).toBe('ask')
  const digest = proposal?.digest
  expect((await restAt(first, mina)('/set-ups/pay', policyPut, { digest })).ok).toBe(false)
  const both = await Promise.all(
    [first, second].map((gateway) => restAt(gateway, jun)('/set-ups/pay', policyPut, { digest })),
  )
  expect(both.filter(({ ok }) => ok)).toEqual([{ ok: true, value: { number: 1 } }])

  const passing = proposal?.tools.find(({ gets }) => gets === 'allow')?.tool ?? 'nothing passes'
  for (const client of [here, there]) {
    await expect.poll(async () => textOf(await client.call(passing, {}))).not.toContain('Nobody has accepted')
  }
  const third = await aGateway()
  expect(await restAt(third, mina)('/set-ups', setUpList)).toEqual({ ok: true, value: { servers: [] } })
})
