/**
 * Reminders and escalation with two gateways whose clocks are ten minutes off in opposite directions: both come by the time of the
 * database, each is posted once, and whoever is called later may decide from then on and not before, at either of them.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectV1, type TestClient } from '../support/clients.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'
import { isFaketimeMissing, skewed } from '../support/skew.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'

const REMINDER_S = 3
const ESCALATION_S = 5
/** For a gateway that is ten minutes ahead it would be over; the slowest machine is done before. */
const FAR = '9m'

describe.skipIf(isFaketimeMissing())('two gateways, one clock 10 min ahead and one 10 min behind', () => {
  let slack: SlackDouble
  let database: FreshDatabase
  let upstream: HttpUpstream
  const gateways: GatewayProcess[] = []
  /** Sora, at each of them. */
  let soras: ReturnType<typeof aPerson>[] = []
  let clients: TestClient[] = []

  beforeAll(async () => {
    slack = await startSlackDouble({ messageRate: null })
    const channel = slack.addChannel({ name: 'approvals' }).id
    database = await freshDatabase()
    upstream = await startHttpUpstream()
    const policy = join(temporaryDirectory(), 'pay.yaml')
    const asks = (reminder: string, after: string) =>
      `action: require_approval, approval: { groups: [ops], timeout: 15m, reminders: [${reminder}], escalation: [{ after: ${after}, groups: [leads] }] }`
    writeFileSync(
      policy,
      `default: deny
rules:
  - { tools: create_refund, when: { path: args.amount, lt: 100 }, ${asks(`${REMINDER_S}s`, `${ESCALATION_S}s`)} }
  - { tools: create_refund, when: { path: args.amount, gte: 100 }, ${asks('8m', FAR)} }
`,
    )
    const options: GatewayOptions = {
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href, policy } },
      channels: { slack: { channel } },
      timings: { hold: '14m' },
      more: {
        people: { mina: {}, jun: {}, sora: {} },
        groups: { ops: ['mina'], leads: ['sora'] },
      },
    }
    const env = { SLACK_BOT_TOKEN: slack.tokens.bot, SLACK_API_URL: slack.slackApiUrl }
    for (const by of ['+10m', '-10m']) {
      gateways.push(await startGateway({ ...options, env: { ...env, ...skewed(by) } }))
    }
    const agent = await mintToken(database.connectionString, gateways, 'agent', 'night-agent')
    const token = await mintToken(database.connectionString, gateways, 'person', 'sora')
    soras = gateways.map(({ url }) => aPerson(url, token))
    clients = await Promise.all(gateways.map(({ url }) => connectV1(`${url}/mcp/pay`, agent)))
  })
  afterAll(async () => {
    for (const client of clients) await client.close()
    for (const gateway of gateways) await gateway.stop()
    await upstream?.close()
    await slack?.close()
    await database?.drop()
  })

  const cardOf = (charge: string) => slack.waitForMessage((one) => slack.textOf(one).includes(`"${charge}"`))
  /** Its own; a card may name another that it is like. */
  const idIn = (card: Awaited<ReturnType<typeof cardOf>>) =>
    /(HP-\w{10}) · digest/.exec(slack.textOf(card))?.[1] ?? ''
  const inThread = (ts: string) =>
    slack
      .messages()
      .filter((one) => one.threadTs === ts)
      .map((one) => /Still waiting|You may decide now/.exec(slack.textOf(one))?.[0])

  test.each([
    ['ahead', 0],
    ['behind', 1],
  ] as const)(
    'asked where the clock is %s: what is due comes once, what is far off does not',
    async (where, at) => {
      const waiting = [
        // It ends with its client.
        clients[at]?.call('create_refund', { amount: 500, charge: `far_${where}` }).catch(() => null),
        clients[at]?.call('create_refund', { amount: 5, charge: `soon_${where}` }),
      ]
      const [far, soon] = [await cardOf(`far_${where}`), await cardOf(`soon_${where}`)]
      const id = idIn(soon)
      const nudges = async () => (await soras[at]?.show(id))?.approval.nudges ?? []
      await expect.poll(async () => (await nudges()).length).toBe(2)
      const asked = Date.parse((await soras[at]?.show(id))?.approval.createdAt ?? '')
      const afterS = new Map(
        (await nudges()).map(({ kind, at: toldAt }) => [kind, (Date.parse(toldAt) - asked) / 1_000]),
      )
      for (const [kind, dueS] of [
        ['reminder', REMINDER_S],
        ['escalation', ESCALATION_S],
      ] as const) {
        expect(afterS.get(kind)).toBeGreaterThanOrEqual(dueS)
        // Ten minutes is what a wrong clock would add or take away.
        expect(afterS.get(kind)).toBeLessThan(9 * 60)
      }
      // Where the machine stood still over both moments, the escalation comes first, and may stand for the reminder.
      await expect.poll(() => inThread(soon.ts)).toContain('You may decide now')

      // By then each of them would have posted and allowed by its own clock what is nine minutes off.
      for (const sora of soras) {
        expect(await sora.decide(idIn(far), 'approve')).toMatchObject({ ok: false })
      }
      expect(inThread(far.ts)).toEqual([])
      expect(upstream.executed.filter(({ args }) => args.charge === `far_${where}`)).toEqual([])

      // Where the clock is wrong in the other direction than where it was asked.
      expect(await soras[1 - at]?.decide(id, 'approve')).toMatchObject({ ok: true })
      expect((await waiting[1])?.isError).not.toBe(true)
      expect(upstream.executed.filter(({ args }) => args.charge === `soon_${where}`)).toHaveLength(1)
      expect(await nudges()).toHaveLength(2)
      expect(new Set(inThread(soon.ts)).size).toBe(inThread(soon.ts).length)
    },
  )
})
