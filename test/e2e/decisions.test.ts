/** A real gateway writes down what its policy said, and people look at it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { holdpoint } from '../adapters/cli-runner.ts'
import { connectV1, textOf } from '../support/clients.ts'
import {
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'

let upstream: HttpUpstream
let database: FreshDatabase
let gateway: GatewayProcess
let token: string

const directory = temporaryDirectory()
function aFile(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

beforeAll(async () => {
  upstream = await startHttpUpstream()
  database = await freshDatabase()
  const policy = aFile('pay.yaml', 'default: allow\ntools: { wipe: { action: deny, reason: Never. } }\n')
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'], record: 'full' } },
  })
  token = await mintToken(database.connectionString, gateway, 'person', 'mina')
}, 90_000)
afterAll(async () => {
  await gateway.stop()
  await database.drop()
  await upstream.close()
})

const mina = (...args: string[]) =>
  holdpoint(args, { env: { HOLDPOINT_URL: gateway.url, HOLDPOINT_TOKEN: token } })

test('calls that passed and calls that did not are in the log, with arguments where they are to be', async () => {
  const agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  for (const amount of [1, 2, 900]) {
    expect(textOf(await client.call('create_refund', { amount, charge: `ch_${amount}` }))).toContain('re_')
  }
  expect(textOf(await client.call('wipe', {}))).toContain('Never.')
  await client.close()

  const lines = async () => JSON.parse((await mina('decisions', 'list', '--json')).out).decisions
  await expect.poll(lines, { timeout: 20_000 }).toHaveLength(4)
  expect(await lines()).toMatchObject([
    { server: 'pay', tool: 'wipe', verdict: 'deny', agent: 'night-agent', owner: 'jun', revision: 1 },
    { verdict: 'allow', arguments: '{"amount":900,"charge":"ch_900"}', keys: ['amount', 'charge'] },
    { verdict: 'allow', paramsDigest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { verdict: 'allow', rule: expect.stringMatching(/pay\.yaml#\/default$/) },
  ])
  const ready = await fetch(`${gateway.url}/readyz`)
  expect(await ready.text()).not.toContain('decision log')
}, 60_000)
