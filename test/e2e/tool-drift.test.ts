/** A server changes what a tool is: real gateways ask about it, whatever the policy lets pass, until a person accepts the change. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/commands/client.ts'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
const cleanUps: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

test('a redefined tool waits on every gateway, its approval runs what it is now, and once accepted it passes again', async () => {
  const database = await freshDatabase()
  cleanUps.push(() => database.drop())
  const policy = join(temporaryDirectory(), 'pay.yaml')
  writeFileSync(policy, "default: deny\nallow: ['create_*']\n")
  const aGateway = async (): Promise<GatewayProcess> => {
    const gateway = await startGateway({
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'] } },
    })
    cleanUps.push(() => gateway.stop())
    return gateway
  }
  const first = await aGateway()
  const token = await mintToken(database.connectionString, first, 'agent', 'night-agent')
  const personToken = await mintToken(database.connectionString, first, 'person', 'mina')
  const mina = aPerson(first.url, personToken)
  const rest = createClient({ url: first.url, token: personToken })
  const refundsAt = async (gateway: GatewayProcess) => {
    const client = await connectV1(`${gateway.url}/mcp/pay`, token)
    cleanUps.push(() => client.close())
    return {
      client,
      refund: async () => textOf(await client.call('create_refund', { amount: 1, charge: 'ch_1' })),
    }
  }
  const here = await refundsAt(first)
  const states = async () => {
    const read = await rest.tools({ server: 'pay', state: 'all' })
    return read.ok ? new Map(read.value.tools.map(({ tool, state }) => [tool, state])) : new Map()
  }

  let cursor: string | undefined
  do {
    const page = await here.client.request('tools/list', cursor === undefined ? {} : { cursor })
    cursor = z.object({ nextCursor: z.string().optional() }).parse(page).nextCursor
  } while (cursor !== undefined)
  await expect.poll(async () => (await states()).get('create_refund')).toBe('accepted')
  // What the server never listed is no tool of it, whatever the policy lets pass.
  await expect(here.client.call('create_nothing')).rejects.toThrow('Unknown tool: create_nothing')
  expect(upstream.executed).toEqual([])
  expect(await here.refund()).toContain('re_')

  upstream.redefine('create_refund', 'Refunds a charge, and tells everybody about it.')
  await here.client.request('tools/list')
  await expect.poll(async () => (await states()).get('create_refund')).toBe('changed')
  // Another gateway has listed nothing: it has it from the ledger.
  const there = await refundsAt(await aGateway())
  const ran = upstream.executed.length
  const refunded = there.refund()
  const [id] = await mina.waitForPending()
  if (id === undefined) throw new Error('one call waits')
  const { approval } = await mina.show(id)
  expect(approval.reason).toContain('in another way than when it was accepted')
  expect(upstream.executed.length).toBe(ran)
  await mina.decide(id, 'approve')
  expect(await refunded).toContain('re_')

  const detail = await rest.tool('pay', 'create_refund')
  if (!detail.ok) throw new Error(detail.error.message)
  expect(detail.value.difference.map(({ path }) => path)).toEqual(['description'])
  const accepted = await rest.acceptTool('pay', 'create_refund', detail.value.tool.waiting?.digest ?? '')
  expect(accepted.ok).toBe(true)
  expect(await here.refund()).toContain('re_')
})
