/** The kill switch with two real gateways: what one is told to stop, the other refuses as well, and what waits there ends. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { aPerson, mintToken, startGateway, temporaryDirectory } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())

test('a stop at one gateway holds at both; a call that waits at the other is cancelled; lifted, calls pass again', async () => {
  const database = await freshDatabase()
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop()]
  try {
    const file = (text: string) => {
      const path = join(temporaryDirectory(), 'policy.yaml')
      writeFileSync(path, text)
      return path
    }
    const url = upstream.url.href
    const [loose, strict] = [file('default: allow\n'), file('default: require_approval\n')]
    const servers = {
      pay: { url, policy: loose, approvers: ['ops'] },
      careful: { url, policy: strict, approvers: ['ops'] },
    }
    const start = async () => {
      const config = { databaseUrl: database.connectionString, servers, more: { operators: ['mina'] } }
      const gateway = await startGateway(config)
      cleanUps.push(() => gateway.stop())
      return gateway
    }
    const [first, second] = [await start(), await start()]
    const token = await mintToken(database.connectionString, [first, second], 'agent', 'night-agent')
    const personToken = await mintToken(database.connectionString, first, 'person', 'mina')
    const mina = aPerson(first.url, personToken)
    const asMina = (path: string, body: object) =>
      fetch(`${first.url}/api/v1/stops${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const [one, two] = [
      await connectV1(`${first.url}/mcp/pay`, token),
      await connectV1(`${second.url}/mcp/pay`, token),
    ]
    const waiting = await connectV1(`${second.url}/mcp/careful`, token)
    const refund = async (client: typeof one) =>
      textOf(await client.call('create_refund', { amount: 1, charge: 'ch_1' }))
    expect(await refund(one)).toContain('re_')
    expect(await refund(two)).toContain('re_')
    const called = waiting.call('create_refund', { amount: 9, charge: 'ch_9' })
    const [id = ''] = await mina.waitForPending()

    const put = await asMina('', { agent: 'night-agent', reason: '밤새 환불했어요' })
    expect(put.status).toBe(200)
    expect(await refund(one)).toMatch(/STOPPED by mina .*밤새 환불했어요/)
    await expect.poll(() => refund(two)).toContain('STOPPED by mina')
    expect(textOf(await called)).toMatch(
      new RegExp(`${id} was withdrawn by mina, who said: "stopped: 밤새 환불했어요"`),
    )
    expect((await mina.show(id)).approval.status).toBe('settled')

    expect((await asMina('/1/lift', {})).status).toBe(200)
    expect(await refund(one)).toContain('re_')
    await expect.poll(() => refund(two)).toContain('re_')
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})

test('a call that is being sent when it is stopped: its repeat, at the other gateway, waits for the real answer', async () => {
  const database = await freshDatabase()
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop(), async () => upstream.behave()]
  try {
    const policy = join(temporaryDirectory(), 'policy.yaml')
    writeFileSync(policy, 'default: require_approval\n')
    const servers = { pay: { url: upstream.url.href, policy, approvers: ['ops'] } }
    const start = async () => {
      const config = { databaseUrl: database.connectionString, servers, more: { operators: ['mina'] } }
      const gateway = await startGateway(config)
      cleanUps.push(() => gateway.stop())
      return gateway
    }
    const [first, second] = [await start(), await start()]
    const token = await mintToken(database.connectionString, [first, second], 'agent', 'night-agent')
    const personToken = await mintToken(database.connectionString, first, 'person', 'mina')
    const mina = aPerson(first.url, personToken)
    const args = { amount: 77, charge: 'ch_stopped' }
    const call = async ({ url }: typeof first) => {
      const client = await connectV1(`${url}/mcp/pay`, token)
      return textOf(await client.call('create_refund', args))
    }
    const before = upstream.callsOf('create_refund').length
    upstream.misbehave('tools/call', { kind: 'never_answer' })
    const called = call(second)
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    await expect.poll(() => upstream.callsOf('create_refund').length).toBe(before + 1)
    const stopped = await fetch(`${first.url}/api/v1/stops`, {
      method: 'POST',
      headers: { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'night-agent', reason: 'it runs wild' }),
    })
    expect(stopped.status).toBe(200)
    const repeated = call(first)
    // Another call of the same agent is refused there by now; the repeat would have been as well.
    const other = await connectV1(`${first.url}/mcp/pay`, token)
    expect(textOf(await other.call('create_refund', { ...args, amount: 78 }))).toContain('STOPPED by mina')
    upstream.behave()
    for (const text of [await called, await repeated]) {
      expect(text).toContain('re_')
      expect(text).not.toContain('NOT EXECUTED')
    }
    expect(upstream.callsOf('create_refund')).toHaveLength(before + 1)
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})
