/**
 * A gateway and a worker whose clocks are ten minutes off, in opposite directions, while the database keeps the time. Deadlines,
 * leases and what agents are told go by the database's clock; what needs this machine's own says so.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { groupedLinkCode, linkCodeHash } from '../../src/domain/link-code.ts'
import { textOf } from '../support/clients.ts'
import { type RoleProcess, startWorker } from '../support/gateway-process.ts'
import { isFaketimeMissing, skewed } from '../support/skew.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'
import { measured } from './measured.ts'
import { aSite, type Site } from './site.ts'

const DECISION_MS = 20_000
/** What a wrong clock may add: one round of the loop, and a lot of room for a busy machine. Ten minutes it is not. */
const LATE_MS_MAX = 60_000

describe.skipIf(isTeamMissing() || isFaketimeMissing()).each([
  { gatewayBy: '+10m', workerBy: '-10m', aheadS: 600, slackBy: 'http' },
  { gatewayBy: '-10m', workerBy: '+10m', aheadS: -600, slackBy: 'socket' },
] as const)(
  'a gateway $gatewayBy and a worker $workerBy off, Slack over $slackBy',
  ({ gatewayBy, workerBy, aheadS, slackBy }) => {
    const team = aTeam()
    let slack: SlackDouble
    let channel: string
    let user: string
    let site: Site
    let worker: RoleProcess

    beforeAll(async () => {
      slack = await startSlackDouble({ messageRate: null })
      user = slack.addUser({ name: 'mina' }).id
      channel = slack.addChannel({ name: 'approvals' }).id
      const door =
        slackBy === 'http'
          ? { SLACK_SIGNING_SECRET: slack.signingSecret }
          : { SLACK_APP_TOKEN: slack.tokens.app }
      const shared = {
        REDIS_URL: team().redis.url,
        HOLDPOINT_ROLES: 'gateway,deliveries',
        SLACK_BOT_TOKEN: slack.tokens.bot,
        SLACK_API_URL: slack.slackApiUrl,
        ...door,
      }
      site = await aSite(team().postgresUrl, {
        env: { ...shared, ...skewed(gatewayBy) },
        channels: { slack: { channel } },
        timings: { decision: `${DECISION_MS}ms`, progress: '300ms' },
      })
      worker = await startWorker('approvals', {
        ...site.gatewayOptions,
        env: { ...shared, ...skewed(workerBy) },
      })
      if (slackBy === 'http') slack.useHttp(new URL('/slack/events', site.gateway.url))
      else await slack.waitForConnections(1)
    })
    afterAll(async () => {
      expect(await worker?.stop()).toBe(0)
      expect(await site?.close()).toBe(0)
      await slack?.close()
    })

    test('the clocks are as wrong as they should be, and it is said with the remedy', async () => {
      const { text } = await site.ready()
      const [, s, where] = /clock of this machine is (\d+) s (ahead of|behind)/.exec(text) ?? []
      expect(where).toBe(aheadS > 0 ? 'ahead of' : 'behind')
      expect(Math.abs(Number(s) - Math.abs(aheadS))).toBeLessThan(60)
      expect(text).toContain('NTP')
    })

    test('a deadline passes by the clock of the database, a click after it does not count, and no text says an absurd time', async () => {
      const client = await site.client()
      const progress: string[] = []
      const args = { amount: 5, charge: `late_${gatewayBy}` }
      const called = client.call('create_refund', args, {
        onProgress: ({ message }) => progress.push(message ?? ''),
      })
      const told = textOf(await called)
      expect(told).toContain('Nobody decided in time')
      const [row] = await site.sql<{ id: string; took: number; outcome: string }>(
        `SELECT id, extract(epoch FROM settled_at) * 1000 - (record ->> 'createdAtMs')::float8 AS took,
              record #>> '{outcome,kind}' AS outcome
       FROM holdpoint.approval WHERE record #>> '{proposed,canonicalParams}' LIKE $1`,
        [`%"${args.charge}"%`],
      )
      expect(row?.outcome).toBe('expired')
      expect(Number(row?.took)).toBeGreaterThanOrEqual(DECISION_MS)
      expect(Number(row?.took)).toBeLessThan(DECISION_MS + LATE_MS_MAX)
      expect(await site.mina.decide(row?.id ?? '', 'approve')).toMatchObject({ ok: false })
      expect(site.upstream.callsOf('create_refund')).toHaveLength(0)
      expect(progress.length).toBeGreaterThan(3)
      const seconds = progress.map((message) =>
        Number(/\((\d+) s(?: so far|\))/.exec(message)?.[1] ?? Number.NaN),
      )
      for (const s of seconds) expect(s).toBeLessThanOrEqual((DECISION_MS + LATE_MS_MAX) / 1_000)
      expect(seconds).toEqual(seconds.toSorted((a, b) => a - b))
      expect(Math.max(...seconds)).toBeGreaterThanOrEqual(3)
      measured(`deadline with a gateway ${gatewayBy} and a worker ${workerBy} off`, {
        'late by ms': Number(row?.took) - DECISION_MS,
      })
    })

    test('a click before the deadline counts, the call runs once, and the lease holds', async () => {
      const call = await site.ask()
      await site.approved(call)
      const { status, text } = await site.ready()
      expect([status, text]).toEqual([200, expect.not.stringContaining('lost its lease')])
      const [row] = await site.sql<{ skew: number }>(
        `SELECT abs(extract(epoch FROM clock_timestamp()) - (record #>> '{outcome,decision,atMs}')::float8 / 1000) AS skew
       FROM holdpoint.approval WHERE id = $1`,
        [call.id],
      )
      // In the record stands the time of the database.
      expect(Number(row?.skew ?? 600)).toBeLessThan(60)
    })

    if (slackBy === 'http') {
      test('Slack over HTTP is refused, and the log says that it may be the clock', async () => {
        const delivery = await link()
        expect(delivery).toMatchObject({ status: 401 })
        await expect
          .poll(site.gateway.output)
          .toMatch(/\/slack\/events is \d+ s old; is the clock of this machine right/)
      })
    } else {
      test('Slack over a socket goes on: a person is linked, and a click decides', async () => {
        await link()
        await slack.waitForEphemeral((one) => one.user === user && one.text.includes('is now'))
        const call = await site.ask()
        const card = await slack.waitForMessage((one) => slack.textOf(one).includes(call.id))
        await slack.click({ channel, ts: card.ts, actionId: 'approve', user })
        expect(JSON.stringify(await call.result)).toContain('re_')
        expect(call.hits()).toBe(1)
      })
    }

    async function link() {
      const code = groupedLinkCode('M1NA000001')
      await site.sql(
        "INSERT INTO holdpoint.link_code (code_hash, person, expires_at) VALUES ($1, 'mina', clock_timestamp() + interval '1 minute')",
        [linkCodeHash(code)],
      )
      return slack.command({ command: '/holdpoint', text: `link ${code}`, user, channel })
    }
  },
)
