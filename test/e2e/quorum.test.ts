/** Several yeses through real processes: two gateways, Slack's double, the API, and the command line that people type. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { groupedLinkCode, linkCodeHash } from '../../src/domain/link-code.ts'
import { connectV1, type TestClient } from '../support/clients.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
/** Of a yes and a no that come together. */
const ROUNDS = 5
const auditedYes = z.object({
  event: z.literal('decide'),
  details: z.object({ by: z.string(), decision: z.literal('approve') }),
})
let slack: SlackDouble
let channel: string
let database: FreshDatabase
let upstream: HttpUpstream
const gateways: GatewayProcess[] = []
const tokens = { lee: '', park: '', mina: '' }
let lee: ReturnType<typeof aPerson>
let client: TestClient
const users = { mina: '', sora: '' }

beforeAll(async () => {
  slack = await startSlackDouble({ messageRate: null })
  users.mina = slack.addUser({ name: 'mina' }).id
  users.sora = slack.addUser({ name: 'sora' }).id
  channel = slack.addChannel({ name: 'approvals' }).id
  database = await freshDatabase()
  upstream = await startHttpUpstream()
  const policy = join(temporaryDirectory(), 'pay.yaml')
  writeFileSync(
    policy,
    `default: require_approval
tools:
  create_refund:
    action: require_approval
    approval: { stages: [{ groups: [ops], quorum: 2 }, { groups: [leads] }] }
  delete_repository:
    action: require_approval
    approval: { groups: [ops], quorum: 3 }
`,
  )
  const options: GatewayOptions = {
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy } },
    channels: { slack: { channel } },
    timings: { hold: '180s', comment: '300ms', progress: '200ms' },
    more: {
      people: { mina: { name: '김미나' }, jun: {}, sora: {}, lee: {}, park: {} },
      groups: { ops: ['mina', 'lee', 'park'], leads: ['sora'] },
    },
    env: {
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.slackApiUrl,
      SLACK_SIGNING_SECRET: slack.signingSecret,
    },
  }
  const first = await startGateway(options)
  const second = await startGateway(options)
  gateways.push(first, second)
  slack.useHttp(new URL('/slack/events', first.url))
  const agent = await mintToken(database.connectionString, gateways, 'agent', 'night-agent')
  tokens.lee = await mintToken(database.connectionString, gateways, 'person', 'lee')
  tokens.park = await mintToken(database.connectionString, gateways, 'person', 'park')
  tokens.mina = await mintToken(database.connectionString, gateways, 'person', 'mina')
  lee = aPerson(second.url, tokens.lee)
  client = await connectV1(`${first.url}/mcp/pay`, agent)
  await link('mina', 'M1NA000001')
  await link('sora', 'S0RA000001')
})
afterAll(async () => {
  await client?.close()
  for (const gateway of gateways) await gateway.stop()
  await upstream?.close()
  await slack?.close()
  await database?.drop()
})

async function link(person: 'mina' | 'sora', text: string): Promise<void> {
  const code = groupedLinkCode(text)
  await query(
    database.connectionString,
    "INSERT INTO holdpoint.link_code (code_hash, person, expires_at) VALUES ($1, $2, clock_timestamp() + interval '1 minute')",
    [linkCodeHash(code), person],
  )
  await slack.command({ command: '/holdpoint', text: `link ${code}`, user: users[person], channel })
  await slack.waitForEphemeral((one) => one.user === users[person] && one.text.includes('is now'))
}

const ran = () => upstream.executed.filter((one) => JSON.stringify(one.args).includes('ch_several'))

/** As people type it, on the second gateway. */
async function typed(...args: string[]) {
  const env = {
    ...process.env,
    HOLDPOINT_URL: String(gateways[1]?.url),
    HOLDPOINT_TOKEN: tokens.park,
    NO_COLOR: '1',
  }
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], { env })
  return stdout
}

test('Slack, the command line and a second stage: the call runs once, after the last yes', async () => {
  const called = client.call('create_refund', { amount: 1, charge: 'ch_several' })
  const said = (words: string) =>
    slack.waitForMessage(
      (one) => slack.textOf(one).includes('"ch_several"') && slack.textOf(one).includes(words),
    )
  const card = await said('Stage 1 of 2: 0 of 2 approved; waiting for two of ops; then 1 of leads.')
  const click = (actionId: string, user: string) => slack.click({ channel, ts: card.ts, actionId, user })

  await click('approve', users.sora)
  await slack.waitForEphemeral((one) => one.user === users.sora && one.text.includes('not your turn yet'))
  await click('approve', users.mina)
  await said('Stage 1 of 2: 1 of 2 approved (mina); waiting for one more of ops')
  const [id = ''] = await lee.waitForPending()
  expect(await typed('approvals', 'approve', id, '--yes', '--reason', 'checked the charge')).toContain(
    'Stage 2 of 2: 0 of 1 approved; waiting for one of leads.',
  )
  expect(ran()).toHaveLength(0)
  const asked = await slack.waitForMessage(
    (one) => one.threadTs === card.ts && slack.textOf(one).includes('You are asked now'),
  )
  expect(asked.text).toContain(`<@${users.sora}>`)
  expect(JSON.stringify(asked)).not.toContain(users.mina)

  await click('approve', users.sora)
  expect((await called).isError).not.toBe(true)
  await said('Approved by mina, park and sora')
  expect(ran()).toHaveLength(1)
  expect(await typed('approvals', 'show', id)).toContain(
    'park said yes, 2 of 3, in the command line: “checked the charge”',
  )
})

test('three people say yes at both gateways at once, again and again: each counts once, and it runs once', async () => {
  const called = client.call('delete_repository', { name: 'everybody-at-once' })
  const [id = ''] = await lee.waitForPending()
  const doors = gateways.flatMap(({ url }) => Object.values(tokens).map((token) => aPerson(url, token)))
  await Promise.all([...doors, ...doors].map((person) => person.decide(id, 'approve')))
  expect((await called).isError).not.toBe(true)
  expect(hitsOf('everybody-at-once')).toHaveLength(1)
  expect(await yesesOf(id)).toEqual(['lee', 'mina', 'park'])
})

test('two have said yes; the third yes and a no come at the same moment: one outcome, and what ran agrees with it', async () => {
  const outcomes: boolean[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const name = `yes-and-no-${round}`
    const called = client.call('delete_repository', { name })
    const [id = ''] = await lee.waitForPending()
    const [first, second] = gateways.map(({ url }) => url)
    const at = (url: string | undefined, token: string) => aPerson(url ?? '', token)
    for (const token of [tokens.mina, tokens.lee]) {
      expect(await at(first, token).decide(id, 'approve')).toMatchObject({ ok: true })
    }
    const [yes, no] = await Promise.all([
      at(first, tokens.park).decide(id, 'approve'),
      at(second, tokens.lee).decide(id, 'reject', 'not this one'),
    ])
    // Exactly one of them was in time.
    expect(yes.ok).not.toBe(no.ok)
    expect(JSON.stringify(await called).includes('not this one')).toBe(no.ok)
    expect(hitsOf(name)).toHaveLength(yes.ok ? 1 : 0)
    outcomes.push(yes.ok)
  }
  process.stdout.write(`measured: of ${ROUNDS} races the yes won ${outcomes.filter(Boolean).length}\n`)
})

const hitsOf = (name: string) =>
  upstream.executed.filter((one) => JSON.stringify(one.args).includes(`"${name}"`))

/** Whose yeses the audit names, in order of their names. */
async function yesesOf(id: string): Promise<string[]> {
  const rows = await query<{ payload: string }>(
    database.connectionString,
    'SELECT payload FROM holdpoint.audit_event WHERE approval_id = $1 ORDER BY version',
    [id],
  )
  return rows
    .map(({ payload }) => auditedYes.safeParse(JSON.parse(payload)))
    .flatMap((read) => (read.success ? [read.data.details.by] : []))
    .sort()
}
