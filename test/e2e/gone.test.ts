/**
 * `on_client_gone: cancel` with real gateways: one stands still for longer than it takes to be taken for dead, as one that is cut
 * off from the database does for everybody else, while its client stays connected. Its call is not withdrawn; one whose agent
 * has left is.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())

test('a client that stays at a gateway nobody hears of keeps its call, and gets its answer when that one is back', async () => {
  const database = await freshDatabase()
  const url = database.connectionString
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop()]
  try {
    const policy = join(temporaryDirectory(), 'policy.yaml')
    writeFileSync(
      policy,
      'rules: [{ tools: "*", action: require_approval, approval: { on_client_gone: cancel } }]\n',
    )
    const servers = { pay: { url: upstream.url.href, policy, approvers: ['ops'] } }
    const timings = { return: '2s', node_lease: '2s', hold: '30m' }
    const start = async () => {
      const gateway = await startGateway({ databaseUrl: url, servers, timings })
      cleanUps.push(() => gateway.stop())
      return gateway
    }
    const [first, second] = [await start(), await start()]
    const token = await mintToken(url, [first, second], 'agent', 'night-agent')
    const mina = aPerson(second.url, await mintToken(url, second, 'person', 'mina'))
    const statusOf = async (id: string) => (await mina.show(id)).approval.status

    const staying = await connectV1(`${first.url}/mcp/pay`, token)
    const answered = staying.call('create_refund', { amount: 1, charge: 'ch_stays' })
    const [kept = ''] = await mina.waitForPending()
    await expect.poll(() => waitersOf(url, kept)).toBe(1)

    first.child.kill('SIGSTOP')
    cleanUps.push(async () => first.child.kill('SIGCONT'))
    await expect.poll(() => livingNodes(url)).toBe(1)
    // Begun after that, and over when whoever is gone would be: the measure of what passed.
    const leaver = await whoLeaves(second, token)
    await expect.poll(() => statusOf(leaver)).toBe('settled')
    expect(await statusOf(kept)).toBe('pending')

    first.child.kill('SIGCONT')
    await expect.poll(() => livingNodes(url)).toBe(2)
    expect(await statusOf(kept)).toBe('pending')
    await mina.decide(kept, 'approve')
    expect(textOf(await answered)).toContain('re_')
    expect(upstream.callsOf('create_refund')).toHaveLength(1)

    async function whoLeaves(gateway: GatewayProcess, agent: string): Promise<string> {
      const leaving = new AbortController()
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const call = client
        .call('create_refund', { amount: 2, charge: 'ch_leaves' }, { signal: leaving.signal })
        .catch(() => null)
      const [id = ''] = await mina.waitForPending(2)
      await expect.poll(() => waitersOf(url, id)).toBe(1)
      leaving.abort()
      await call
      return id
    }
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})

const waitersOf = (url: string, id: string) =>
  countOf(url, 'SELECT count(*)::int AS n FROM holdpoint.waiter WHERE approval_id = $1', [id])

const livingNodes = (url: string) =>
  countOf(url, 'SELECT count(*)::int AS n FROM holdpoint.node WHERE lease_until > clock_timestamp()')

async function countOf(url: string, sql: string, values: unknown[] = []): Promise<number> {
  const [row] = await query<{ n: number }>(url, sql, values)
  return row?.n ?? 0
}
