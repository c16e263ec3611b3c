/** Reminders and escalation with two real gateways, the real Bolt in them, and Slack's double: each comes once, and who follows may decide. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

let slack: SlackDouble
let channel: string
let database: FreshDatabase
let upstream: HttpUpstream
const gateways: GatewayProcess[] = []
let mina: ReturnType<typeof aPerson>
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
    approval:
      groups: [ops]
      timeout: 5m
      reminders: [5s, 4m]
      escalation: [{ after: 30s, groups: [leads] }]
`,
  )
  const options: GatewayOptions = {
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy } },
    channels: { slack: { channel } },
    timings: { hold: '180s', comment: '300ms', progress: '200ms' },
    more: {
      people: { mina: { name: '김미나' }, jun: {}, sora: {} },
      groups: { ops: ['mina'], leads: ['sora'] },
    },
    env: {
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.slackApiUrl,
      SLACK_SIGNING_SECRET: slack.signingSecret,
    },
  }
  const first = await startGateway(options)
  gateways.push(first, await startGateway(options))
  slack.useHttp(new URL('/slack/events', first.url))
  const agent = await mintToken(database.connectionString, first, 'agent', 'night-agent')
  mina = aPerson(first.url, await mintToken(database.connectionString, first, 'person', 'mina'))
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

test('a call that nobody decides is called to mind, then taken over by those who follow, and runs once', async () => {
  const called = client.call('create_refund', { amount: 1, charge: 'ch_escalated' })
  const card = await slack.waitForMessage((one) => slack.textOf(one).includes('"ch_escalated"'))
  const inThread = () => slack.messages().filter((one) => one.threadTs === card.ts)
  expect(slack.textOf(card)).toContain('Escalation: from ')

  await slack.click({ channel, ts: card.ts, actionId: 'approve', user: users.sora })
  const told = await slack.waitForEphemeral(
    (one) => one.user === users.sora && one.text.includes('Nothing was decided'),
  )
  expect(told.text).toMatch(/You may decide about this in \d+ s \(from .* UTC\), if nobody has by then/)

  const reminder = await slack.waitForMessage(
    (one) => one.threadTs === card.ts && slack.textOf(one).includes('Still waiting: create_refund on pay'),
  )
  expect(reminder.text).toContain(`<@${users.mina}>`)
  expect(JSON.stringify(reminder)).not.toContain(users.sora)
  const escalation = await slack.waitForMessage(
    (one) => one.threadTs === card.ts && slack.textOf(one).includes('You may decide now'),
  )
  expect(escalation.text).toContain(`<@${users.sora}>`)
  expect(JSON.stringify(escalation)).not.toContain(users.mina)

  await slack.click({ channel, ts: card.ts, actionId: 'approve', user: users.sora })
  expect((await called).isError).not.toBe(true)
  expect(upstream.executed.filter((one) => JSON.stringify(one.args).includes('ch_escalated'))).toHaveLength(1)
  expect(inThread()).toHaveLength(2)
  const id = /HP-\w{10}/.exec(slack.textOf(card))?.[0] ?? ''
  const { approval, audit } = await mina.show(id)
  expect(approval.nudges.map(({ kind }) => kind)).toEqual(['reminder', 'escalation'])
  expect(audit.map(({ payload }) => JSON.parse(payload).event).slice(0, 4)).toEqual([
    'ask',
    'nudge',
    'nudge',
    'decide',
  ])
  const rows = await query(
    database.connectionString,
    'SELECT number, people FROM holdpoint.nudge ORDER BY number',
  )
  expect(rows).toEqual([
    { number: 1, people: ['mina'] },
    { number: 2, people: ['sora'] },
  ])
})
