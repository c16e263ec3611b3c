/** A yes that allows more calls, through real processes: given on the command line, used at both gateways, ended for both at once. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { grantDetail } from '../../src/api/grant-schemas.ts'
import { connectV1, type TestClient, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
let database: FreshDatabase
let upstream: HttpUpstream
const gateways: GatewayProcess[] = []
const clients: TestClient[] = []
let minaToken: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  database = await freshDatabase()
  upstream = await startHttpUpstream()
  const policy = join(temporaryDirectory(), 'pay.yaml')
  writeFileSync(
    policy,
    `default: allow
tools:
  create_refund:
    action: require_approval
    approval:
      groups: [ops]
      grants:
        max_uses: 10
        max_duration: 1h
        may_differ: [args.note, { path: args.amountKrw, gte: 0, lte: 50000 }]
`,
  )
  const options = {
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy } },
    // Nobody gives up while a slow machine decides.
    timings: { hold: '180s' },
  }
  for (let count = 0; count < 2; count++) gateways.push(await startGateway(options))
  const agent = await mintToken(database.connectionString, gateways, 'agent', 'night-agent')
  minaToken = await mintToken(database.connectionString, gateways, 'person', 'mina')
  mina = aPerson(gateways[0]?.url ?? '', minaToken)
  for (const { url } of gateways) clients.push(await connectV1(`${url}/mcp/pay`, agent))
})
afterAll(async () => {
  for (const client of clients) await client.close()
  for (const gateway of gateways) await gateway.stop()
  await upstream?.close()
  await database?.drop()
})

/** As mina types it, on the first gateway. */
async function typed(...args: string[]) {
  const HOLDPOINT_URL = String(gateways[0]?.url)
  const env = { ...process.env, HOLDPOINT_URL, HOLDPOINT_TOKEN: minaToken, NO_COLOR: '1' }
  return (await promisify(execFile)(process.execPath, [cli, ...args], { env })).stdout
}

const refund = async (gateway: 0 | 1, paymentId: string, amountKrw: number, note: string) =>
  textOf((await clients[gateway]?.call('create_refund', { paymentId, amountKrw, note })) ?? { content: [] })

const timesRun = (note: string) =>
  upstream.executed.filter(({ tool, args }) => tool === 'create_refund' && args.note === note).length

/** Waits until exactly this call waits, lets nobody have run it, says no to it, and waits for its end. */
async function asksAboutIt(called: Promise<string>, note: string) {
  const [id = ''] = await mina.waitForPending()
  expect((await mina.show(id)).approval.params).toContain(note)
  expect(timesRun(note)).toBe(0)
  await mina.decide(id, 'reject', 'not this one')
  expect(await called).toContain('not this one')
  expect(timesRun(note)).toBe(0)
}

/** A call that is approved with a grant for two more. */
async function granted(paymentId: string) {
  const called = refund(0, paymentId, 20_000, `${paymentId}-asked`)
  const [id = ''] = await mina.waitForPending()
  expect(await typed('approvals', 'approve', id, '--yes', '--grant', '2', '--grant-for', '1h')).toContain(
    'also the next 2 calls of create_refund by night-agent with exactly these arguments, except',
  )
  expect(await called).toContain('re_')
  expect(timesRun(`${paymentId}-asked`)).toBe(1)
  return id
}

const grantOf = async (id: string) =>
  grantDetail.parse(JSON.parse(await typed('grants', 'show', id, '--json')))

test('two more calls run without a question, each once and with an approval of its own; the third asks', async () => {
  const id = await granted('pay_1')
  // Another payment, and an amount that is over the bound: nobody said yes to those.
  await asksAboutIt(refund(0, 'pay_other', 20_000, 'another-payment'), 'another-payment')
  await asksAboutIt(refund(1, 'pay_1', 50_001, 'too-much'), 'too-much')
  expect((await grantOf(id)).grant).toMatchObject({ used: 0, state: 'stands' })

  expect(await refund(0, 'pay_1', 20_000, '늦은 배송')).toContain('re_')
  expect(await refund(1, 'pay_1', 50_000, 'at-the-other-gateway')).toContain('re_')
  expect([timesRun('늦은 배송'), timesRun('at-the-other-gateway')]).toEqual([1, 1])
  expect(await mina.pending()).toEqual([])
  const { grant, uses } = await grantOf(id)
  expect(grant).toMatchObject({ used: 2, usesMax: 2, state: 'used_up', by: 'mina' })
  expect(new Set([id, ...uses]).size).toBe(3)
  for (const use of uses) {
    const { approval } = await mina.show(use)
    expect(approval).toMatchObject({ outcome: { kind: 'answered', decision: { by: 'mina', under: id } } })
    expect(await auditOf(use)).toContain(`"grant":"${id}"`)
  }

  await asksAboutIt(refund(1, 'pay_1', 1, 'the-third'), 'the-third')
})

test('taken back at one gateway, it covers nothing at the other one', async () => {
  const id = await granted('pay_2')
  expect(await refund(1, 'pay_2', 1, 'covered')).toContain('re_')
  expect(await typed('grants', 'revoke', id, '--reason', '충분해요')).toContain('It covered 1 of 2 calls')
  await asksAboutIt(refund(1, 'pay_2', 2, 'after-its-end'), 'after-its-end')
  expect((await grantOf(id)).grant).toMatchObject({ used: 1, state: 'ended', ended: { by: 'mina' } })
  expect(timesRun('covered')).toBe(1)
})

async function auditOf(id: string): Promise<string> {
  const rows = await query<{ payload: string }>(
    database.connectionString,
    'SELECT payload FROM holdpoint.audit_event WHERE approval_id = $1 ORDER BY version',
    [id],
  )
  return rows.map(({ payload }) => payload).join('\n')
}
