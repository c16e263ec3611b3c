/** A real gateway writes down what its policy said, and people look at it. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { holdpoint } from '../adapters/cli-runner.ts'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
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
  const policy = aFile(
    'pay.yaml',
    `default: allow
tools:
  wipe: { action: deny, reason: Never. }
  limited: { action: allow, rate_limit: { max: 0, window: 60, reason: Not today. } }
rules:
  - { tools: create_refund, when: { path: args.amount, default: 0, eq: 7 }, action: require_approval }
`,
  )
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'], record: 'full' } },
    more: { operators: ['mina'] },
  })
  token = await mintToken(database.connectionString, gateway, 'person', 'mina')
})
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
  await expect.poll(lines).toHaveLength(4)
  expect(await lines()).toMatchObject([
    { server: 'pay', tool: 'wipe', verdict: 'deny', agent: 'night-agent', owner: 'jun', revision: 1 },
    { verdict: 'allow', arguments: '{"amount":900,"charge":"ch_900"}', keys: ['amount', 'charge'] },
    { verdict: 'allow', paramsDigest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { verdict: 'allow', rule: expect.stringMatching(/pay\.yaml#\/default$/) },
  ])
  const ready = await fetch(`${gateway.url}/readyz`)
  expect(await ready.text()).not.toContain('decision log')
})

/** The program itself, as people start it. */
async function program(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
  const env = { ...process.env, HOLDPOINT_URL: gateway.url, HOLDPOINT_TOKEN: token }
  const child = spawn(process.execPath, [cli, ...args], { env })
  const [out, err]: [string[], string[]] = [[], []]
  child.stdout.on('data', (text) => out.push(String(text)))
  child.stderr.on('data', (text) => err.push(String(text)))
  const code = await new Promise<number>((done) => child.on('close', (exit) => done(exit ?? -1)))
  return { code, out: out.join(''), err: err.join('') }
}

test('a policy is tried on real recorded traffic, and gates on a budget; apply shows the effect before it takes it', async () => {
  const agent = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const person = aPerson(gateway.url, token)
  // Held, and still held when the other policy comes.
  const held = client.call('create_refund', { amount: 7, charge: 'ch_7' })
  const [ticket] = await person.waitForPending()
  if (ticket === undefined) throw new Error('nobody was asked')
  expect(textOf(await client.call('limited', {}))).toContain('Not today.')
  expect(
    (await program('stop', '--server', 'pay', '--tool', 'whoami', '--reason', 'drill', '--yes')).code,
  ).toBe(0)
  await expect.poll(async () => textOf(await client.call('whoami', {}))).toContain('STOPPED by mina')
  const kinds = async () =>
    JSON.parse((await mina('decisions', 'list', '--json')).out).decisions.map(
      (line: { verdict: string }) => line.verdict,
    )
  await expect.poll(kinds).toEqual(expect.arrayContaining(['require_approval', 'limited', 'stopped']))

  const other = aFile(
    'new.yaml',
    `default: allow
rules:
  - { tools: create_refund, when: { path: args.amount, default: 0, gte: 100 }, action: require_approval }
  - { tools: create_refund, when: { path: args.amount, default: 0, eq: 2 }, action: deny }
  - { tools: create_refund, when: { path: args.amount, default: 0, eq: 1 }, action: deny, shadow: true }
`,
  )
  const wish = ['simulate', '--policy', other, '--server', 'pay', '--since', '7d']
  const tried = await program(...wish, '--budget-per-person-per-day', '1', '--json')
  expect(tried.code).toBe(0)
  expect(JSON.parse(tried.out)).toMatchObject({
    uncertain: 0,
    strictest: { newly_denied: 1, newly_asked: 1, no_longer_asked: 1, no_longer_denied: 2 },
    approvals: { atLeast: 1, atMost: 1 },
    people: [{ person: 'mina', approvals: 1, perDay: 1, busiestDay: 1 }],
    busiestHour: { approvals: 1 },
    isOverBudget: false,
  })
  const over = await program(...wish, '--budget-per-person-per-day', '0.5')
  expect([over.code, over.err]).toEqual([
    1,
    expect.stringContaining('Over budget: mina would be asked 1.0 times a day'),
  ])
  expect(over.out).toContain('1 newly denied, 1 newly asked, 1 no longer asked, 2 no longer denied.')
  expect(over.out).toMatch(/Busiest hour: 1 approvals/)
  expect(over.out).toContain('Rules in shadow are not enforced')

  const forbidding = aFile(
    'forbids.yaml',
    'default: allow\ntools: { create_refund: { action: deny, reason: Closed. } }\n',
  )
  const applied = await program('policy', 'apply', forbidding, '--server', 'pay', '--yes')
  expect([applied.code, applied.err]).toEqual([0, ''])
  expect(applied.out).toMatch(new RegExp(`${ticket} +pending +create_refund +day-agent +void: forbidden`))
  expect(applied.out).toMatch(/Of \d+ calls since .*: .*newly denied/)
  expect(applied.out).toContain('Revision 2 of the policy of pay is in force.')
  expect(textOf(await held)).toContain('is void: the policy forbids this call now: Closed.')
  expect((await program('resume', '1', '--yes')).code).toBe(0)
  await client.close()
})
