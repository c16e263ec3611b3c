/** Everything stops with calls in each status, and starts again: what was begun goes on, with its queue or without. */
import { describe, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { aPerson, type GatewayOptions, mintToken, startGateway } from '../support/gateway-process.ts'
import { startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase, freshDatabaseOn } from '../support/postgres.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'
import { measured } from './measured.ts'

/** @param emptyQueue what is done while everything is down */
async function stopsAndStarts(options: Omit<GatewayOptions, 'servers'>, emptyQueue: () => Promise<unknown>) {
  const { databaseUrl } = options
  if (databaseUrl === null) throw new Error('this needs a database of its own')
  const upstream = await startHttpUpstream()
  const all = { ...options, servers: { pay: { url: upstream.url.href } }, timings: { node_lease: '3s' } }
  const first = await startGateway(all)
  const agent = await mintToken(databaseUrl, first, 'agent', 'night-agent')
  const token = await mintToken(databaseUrl, first, 'person', 'mina')
  const mina = aPerson(first.url, token)
  const tickets: string[] = []

  /** A call whose agent may leave before anybody decides. */
  const ask = async (amount: number, isLeaving: boolean) => {
    const client = await connectV1(`${first.url}/mcp/pay`, agent)
    const left = expect(client.call('create_refund', { amount })).rejects.toThrow()
    await expect.poll(async () => (await mina.pending()).some(({ id }) => !tickets.includes(id))).toBe(true)
    const id = (await mina.pending()).find((each) => !tickets.includes(each.id))?.id ?? ''
    tickets.push(id)
    if (isLeaving) {
      await client.close()
      await left
      await expect.poll(async () => (await mina.show(id)).isRequesterWaiting).toBe(false)
    }
    return { id, left, client }
  }

  const rejected = await ask(1, true)
  await mina.decide(rejected.id, 'reject', 'not this one')
  const approved = await ask(2, true)
  await mina.decide(approved.id, 'approve')
  const pending = await ask(3, true)
  upstream.misbehave('tools/call', { kind: 'never_answer' })
  const executing = await ask(4, false)
  await mina.decide(executing.id, 'approve')
  await expect.poll(() => upstream.executed.length).toBe(1)

  await first.kill()
  await emptyQueue()
  await executing.client.close()
  await executing.left
  upstream.behave()

  const startedMs = performance.now()
  const second = await startGateway(all)
  const upMs = performance.now() - startedMs
  const later = aPerson(second.url, token)
  const statusOf = async (id: string) => (await later.show(id)).approval
  await expect
    .poll(() => statusOf(executing.id))
    .toMatchObject({ status: 'settled', outcome: { kind: 'indeterminate' } })
  const lostMs = performance.now() - startedMs
  expect(await statusOf(approved.id)).toMatchObject({ status: 'approved' })
  expect(await statusOf(pending.id)).toMatchObject({ status: 'pending' })

  const back = await connectV1(`${second.url}/mcp/pay`, agent)
  const again = async (amount: number) => textOf(await back.call('create_refund', { amount }))
  expect(await again(1)).toContain('not this one')
  const calledMs = performance.now()
  expect(await again(2)).toContain('re_')
  measured('everything stopped and started', {
    'up after ms': upMs,
    'what was being sent is told as unknown after ms': lostMs,
    'an approved call, asked for again, is answered after ms': performance.now() - calledMs,
  })
  const waiting = again(3)
  await expect.poll(async () => (await later.show(pending.id)).isRequesterWaiting).toBe(true)
  await later.decide(pending.id, 'approve')
  expect(await waiting).toContain('re_')
  expect(await again(4)).toMatch(/MAY OR MAY NOT/)
  expect(upstream.executed.map(({ args }) => args.amount).sort()).toEqual([2, 3, 4])

  await back.close()
  await second.stop()
  await upstream.close()
}

test('with the queue in PostgreSQL', async () => {
  const database = await freshDatabase()
  await stopsAndStarts({ databaseUrl: database.connectionString }, async () => {})
  await database.drop()
})

describe.skipIf(isTeamMissing())('with the queue in Redis', () => {
  const team = aTeam()
  test('which is emptied meanwhile', async () => {
    const database = await freshDatabaseOn(team().postgresUrl)
    const options = { databaseUrl: database.connectionString, env: team().env }
    await stopsAndStarts(options, () => team().redis.command('flushall'))
  })
})
