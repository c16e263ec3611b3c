/** An agent calls, people are asked in Slack, and the very call that the card showed runs once: with real gateway processes and the real Bolt in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { groupedLinkCode, linkCodeHash } from '../../src/domain/link-code.ts'
import { connectV1, type TestClient, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  startGateway,
  startWorker,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'

describe.each(['http', 'socket'] as const)('in Slack over %s', (mode) => {
  let slack: SlackDouble
  let channel: string
  let database: FreshDatabase
  let upstream: HttpUpstream
  let gateway: GatewayProcess
  let agent: string
  let client: TestClient
  let mina: ReturnType<typeof aPerson>
  const users = { mina: '', jun: '' }
  let calls = 0

  const options = (more: Record<string, string> = {}): GatewayOptions => ({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href } },
    channels: { slack: { channel } },
    timings: { hold: '180s', comment: '300ms', progress: '200ms' },
    env: {
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.slackApiUrl,
      ...(mode === 'http'
        ? { SLACK_SIGNING_SECRET: slack.signingSecret }
        : { SLACK_APP_TOKEN: slack.tokens.app }),
      ...more,
    },
  })

  beforeAll(async () => {
    slack = await startSlackDouble({ messageRate: null })
    users.mina = slack.addUser({ name: 'mina' }).id
    users.jun = slack.addUser({ name: 'jun' }).id
    channel = slack.addChannel({ name: 'approvals' }).id
    database = await freshDatabase()
    upstream = await startHttpUpstream()
    // Slack is away while the gateway starts.
    await slack.down()
    gateway = await startGateway(options())
    await slack.up()
    if (mode === 'http') slack.useHttp(new URL('/slack/events', gateway.url))
    else await slack.waitForConnections(1)
    agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
    mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
    client = await connectV1(`${gateway.url}/mcp/pay`, agent)
    for (const name of ['mina', 'jun'] as const) await link(name)
  })
  afterAll(async () => {
    await client?.close()
    expect(await gateway?.stop()).toBe(0)
    await upstream?.close()
    await slack?.close()
    await database?.drop()
  })

  async function link(person: 'mina' | 'jun'): Promise<void> {
    const code = groupedLinkCode(person === 'mina' ? 'M1NA000001' : 'J0N0000001')
    await query(
      database.connectionString,
      "INSERT INTO holdpoint.link_code (code_hash, person, expires_at) VALUES ($1, $2, clock_timestamp() + interval '1 minute')",
      [linkCodeHash(code), person],
    )
    await slack.command({ command: '/holdpoint', text: `link ${code}`, user: users[person], channel })
    await slack.waitForEphemeral((one) => one.user === users[person] && one.text.includes('is now'))
  }

  function refund() {
    const args = { amount: ++calls, charge: `ch_${mode}_${calls}` }
    const hits = () =>
      upstream.executed.filter((one) => JSON.stringify(one.args).includes(`"${args.charge}"`)).length
    const card = () => slack.waitForMessage((one) => slack.textOf(one).includes(`"${args.charge}"`))
    const cardSaying = (words: string) =>
      slack.waitForMessage(
        (one) => slack.textOf(one).includes(`"${args.charge}"`) && slack.textOf(one).includes(words),
      )
    return { args, hits, card, cardSaying, called: client.call('create_refund', args) }
  }

  test('a yes in Slack runs the call once, and the agent gets its real result', async () => {
    const { called, cardSaying, hits } = refund()
    // The card may be drawn just before its gateway says that the agent is held, and is then drawn anew.
    const message = await cardSaying('it runs at once, exactly as shown')
    expect(hits()).toBe(0)
    await slack.click({ channel, ts: message.ts, actionId: 'approve', user: users.mina })
    const result = await called
    expect(result.isError).not.toBe(true)
    expect(hits()).toBe(1)
    const after = await cardSaying('It ran once; the server answered')
    expect(after.ts).toBe(message.ts)
    expect(slack.buttons(after)).toEqual([])
  })

  test('a no in Slack reaches the agent, and nothing is sent', async () => {
    const { called, card, cardSaying, hits } = refund()
    const { ts } = await card()
    await slack.click({ channel, ts, actionId: 'reject', user: users.mina })
    expect(textOf(await called)).toContain('mina')
    await cardSaying('Denied by mina')
    expect(hits()).toBe(0)
  })

  test('the owner of the agent is refused in Slack; a decision on the command line ends the card', async () => {
    const { called, card, cardSaying } = refund()
    const { ts } = await card()
    await slack.click({ channel, ts, actionId: 'approve', user: users.jun })
    await slack.waitForEphemeral(
      (one) => one.user === users.jun && one.text.includes('somebody else has to decide'),
    )
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'reject', 'wrong account')
    await called
    const message = await cardSaying('Denied by mina: “wrong account”')
    expect(slack.buttons(message)).toEqual([])
  })

  test('Slack goes away and comes back: the gateway runs, people decide elsewhere, the card follows', async () => {
    const { called, card, cardSaying, hits } = refund()
    await card()
    await slack.down()
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect((await called).isError).not.toBe(true)
    expect(hits()).toBe(1)
    const during = refund()
    await mina.waitForPending()
    await slack.up()
    await cardSaying('It ran once')
    const { ts } = await during.card()
    if (mode === 'socket') await slack.waitForConnections(1)
    await slack.click({ channel, ts, actionId: 'approve', user: users.mina })
    expect((await during.called).isError).not.toBe(true)
    expect(during.hits()).toBe(1)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
  })

  test('cards are drawn by a worker of their own where gateways leave it to one', async () => {
    await gateway.stop()
    gateway = await startGateway(options({ HOLDPOINT_ROLES: 'gateway,approvals' }))
    const worker = await startWorker('deliveries', options())
    if (mode === 'http') slack.useHttp(new URL('/slack/events', gateway.url))
    else await slack.waitForConnections(1)
    await client.close().catch(() => {})
    client = await connectV1(`${gateway.url}/mcp/pay`, agent)
    const { called, card, cardSaying, hits } = refund()
    const { ts } = await card()
    await slack.click({ channel, ts, actionId: 'approve', user: users.mina })
    expect((await called).isError).not.toBe(true)
    await cardSaying('It ran once')
    expect(hits()).toBe(1)
    expect(await worker.stop()).toBe(0)
  })

  test('the log of the gateway holds neither tokens nor arguments', () => {
    const output = gateway.output()
    for (const secret of [slack.tokens.bot, slack.tokens.app, slack.signingSecret, `ch_${mode}_`]) {
      expect(output).not.toContain(secret)
    }
  })
})
