/** Policies change while real gateways run: files that differ, files that are edited, broken and deleted, restarts in any order. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
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
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
let database: FreshDatabase
const cleanUps: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function aDatabase(): Promise<void> {
  database = await freshDatabase()
  cleanUps.push(() => database.drop())
}

/** A policy file in a directory of its own. */
function aPolicyFile(text: string): { path: string; write(text: string): void; remove(): void } {
  const path = join(temporaryDirectory(), 'pay.yaml')
  const write = (content: string) => writeFileSync(path, content)
  write(text)
  return { path, write, remove: () => rmSync(path) }
}

async function aGateway(policy: string): Promise<GatewayProcess> {
  const gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'] } },
  })
  cleanUps.push(() => gateway.stop())
  return gateway
}

const agentOf = (gateway: GatewayProcess) =>
  mintToken(database.connectionString, gateway, 'agent', 'night-agent')

async function refunded(gateway: GatewayProcess, token: string): Promise<string> {
  const client = await connectV1(`${gateway.url}/mcp/pay`, token)
  const answer = textOf(await client.call('create_refund', { amount: 1, charge: 'ch_1' }))
  await client.close()
  return answer
}

async function impaired({ url }: GatewayProcess): Promise<string> {
  const response = await fetch(`${url}/readyz`)
  return JSON.stringify(await response.json())
}

const numbers = () =>
  query<{ number: number }>(
    database.connectionString,
    "SELECT number FROM holdpoint.policy_revision WHERE server = 'pay' ORDER BY number",
  ).then((rows) => rows.map(({ number }) => number))

test('two gateways with different files answer alike, and a restart brings no old file back', async () => {
  await aDatabase()
  const [loose, strict] = [aPolicyFile('default: allow\n'), aPolicyFile('default: deny\n')]
  const first = await aGateway(loose.path)
  const token = await agentOf(first)
  expect(await refunded(first, token)).toContain('re_')
  const second = await aGateway(strict.path)
  await expect.poll(() => refunded(first, token)).toContain('forbids')
  expect(await refunded(second, token)).toContain('forbids')

  // The old file comes back with a restart, again and again, and flips nothing.
  await first.stop()
  const again = await aGateway(loose.path)
  expect(await refunded(again, token)).toContain('forbids')
  expect(await refunded(second, token)).toContain('forbids')
  await expect.poll(() => impaired(again)).toContain('is revision 1 of pay, in force is revision 2')
  expect(await impaired(second)).not.toContain('revision')
  await expect.poll(again.output).toContain('is revision 1 of pay, in force is revision 2')
  expect(await numbers()).toEqual([1, 2])
})

test('an edited file takes effect while calls wait; a broken or deleted one changes nothing and is named', async () => {
  await aDatabase()
  const file = aPolicyFile('default: require_approval\n')
  const gateway = await aGateway(file.path)
  const token = await agentOf(gateway)
  const mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
  const client = await connectV1(`${gateway.url}/mcp/pay`, token)
  const progress: string[] = []
  const called = client.call(
    'create_refund',
    { amount: 7, charge: 'ch_7' },
    { onProgress: ({ message }) => progress.push(message ?? '') },
  )
  const [id = ''] = await mina.waitForPending()

  file.write('default: require_approval\ntools:\n  create_refund: { action: alow }\n')
  await expect.poll(() => impaired(gateway)).toContain('pay.yaml:3:')
  await expect.poll(gateway.output).toContain('stays in force')
  file.write('tools:\n  create_refund: { action: require_approval, approval: { groups: [opps] } }\n')
  await expect.poll(() => impaired(gateway)).toContain('opps')
  file.remove()
  await expect.poll(() => impaired(gateway)).toContain('no such file')
  expect((await mina.show(id)).approval.status).toBe('pending')
  expect(await numbers()).toEqual([1])

  // The same text again, and nothing is wrong any more.
  file.write('default: require_approval\n')
  await expect.poll(() => impaired(gateway)).not.toContain('pay')
  expect(await numbers()).toEqual([1])

  file.write('require_approval: { create_refund: Money leaves. }\n')
  await expect.poll(async () => (await mina.show(id)).approval.status).toBe('settled')
  const [next = ''] = await mina.waitForPending()
  expect((await mina.show(id)).approval).toMatchObject({
    outcome: { kind: 'invalidated', successor: next },
  })
  expect(next).not.toBe(id)
  expect((await mina.show(next)).approval.predecessor).toMatchObject({
    id,
    difference: 'reason: none → “Money leaves.”',
  })
  await expect.poll(() => progress.join('\n')).toContain(`${next} instead of ${id}`)
  expect(await mina.decide(id, 'approve')).toMatchObject({ ok: false })
  expect(await mina.decide(next, 'approve')).toMatchObject({ ok: true })
  expect(textOf(await called)).toContain('re_')

  // The agent asks for its old ticket and hears how the call really ended.
  const told = await fetch(`${gateway.url}/api/v1/calls/${id}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(await told.json()).toMatchObject({ id, successor: next, outcome: { kind: 'answered' } })

  const forbidden = client.call('create_refund', { amount: 8, charge: 'ch_8' })
  await mina.waitForPending()
  file.write('deny: { create_refund: Refunds are frozen. }\n')
  const answer = textOf(await forbidden)
  expect(answer).toContain('Refunds are frozen.')
  expect(answer).toContain('Do not repeat it')
  await client.close()
  await expect.poll(gateway.output).toContain('was put in force for pay as revision 3')
})

test('undoing an edit of the file in force takes effect, too', async () => {
  await aDatabase()
  const file = aPolicyFile('default: deny\n')
  const gateway = await aGateway(file.path)
  const token = await agentOf(gateway)
  expect(await refunded(gateway, token)).toContain('forbids')
  file.write('default: allow\n')
  await expect.poll(() => refunded(gateway, token)).toContain('re_')
  file.write('default: deny\n')
  await expect.poll(() => refunded(gateway, token)).toContain('forbids')
  expect(await numbers()).toEqual([1, 2, 3])
})

test('a policy for a newer version shuts the gate for its server and says so', async () => {
  await aDatabase()
  const file = aPolicyFile('default: allow\n')
  const gateway = await aGateway(file.path)
  const token = await agentOf(gateway)
  expect(await refunded(gateway, token)).toContain('re_')
  await query(
    database.connectionString,
    `WITH newer AS (
       INSERT INTO holdpoint.policy_revision
         (server, number, source, policy_text, digest, approvers, approvers_digest, put_by)
       SELECT server, 2, source, 'default: ask_the_oracle', 'x', approvers, approvers_digest, put_by
       FROM holdpoint.policy_revision WHERE server = 'pay'
     ) UPDATE holdpoint.policy_in_force SET number = 2 WHERE server = 'pay'`,
  )
  await expect.poll(() => refunded(gateway, token).catch(String)).toContain('cannot be read by this gateway')
  await expect.poll(() => impaired(gateway)).toContain('cannot be read by this version')
  // Its own file allows it, and is not asked.
  expect(await numbers()).toEqual([1, 2])
})
