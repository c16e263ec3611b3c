/** A team's set-up: real Redis, a PostgreSQL server over TCP, gateway and workers in processes of their own. */
import { describe, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import {
  aPerson,
  type GatewayOptions,
  mintToken,
  type RoleProcess,
  startGateway,
  startWorker,
} from '../support/gateway-process.ts'
import { startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabaseOn } from '../support/postgres.ts'
import { startSlackDouble } from '../support/slack/double.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'
import { approvalSuite } from './approval-suite.ts'

describe.skipIf(isTeamMissing())('a team', () => {
  const team = aTeam()

  approvalSuite('on Redis and PostgreSQL, with workers of their own', async () => {
    const database = await freshDatabaseOn(team().postgresUrl)
    const workers: RoleProcess[] = []
    return {
      databaseUrl: database.connectionString,
      env: team().env,
      async startWorkers(options) {
        workers.push(await startWorker('approvals', options), await startWorker('deliveries', options))
      },
      async close() {
        expect(await Promise.all(workers.map((worker) => worker.stop()))).toEqual(workers.map(() => 0))
        await database.drop()
      },
    }
  })

  test('the deliveries worker draws the cards, while Redis works and while it does not', async () => {
    const database = await freshDatabaseOn(team().postgresUrl)
    const slack = await startSlackDouble()
    const channel = slack.addChannel({ name: 'approvals' })
    const upstream = await startHttpUpstream()
    const options: GatewayOptions = {
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href } },
      channels: { slack: { channel: channel.id } },
      env: {
        ...team().env,
        SLACK_BOT_TOKEN: slack.tokens.bot,
        SLACK_APP_TOKEN: slack.tokens.app,
        SLACK_API_URL: slack.slackApiUrl,
      },
    }
    const gateway = await startGateway(options)
    const deliveries = await startWorker('deliveries', options)
    const agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
    const minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
    const mina = aPerson(gateway.url, minaToken)
    const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
    for (const [charge, breakRedis, mendRedis] of [
      ['drawn_1', async () => {}, async () => {}],
      ['drawn_2', () => team().redis.kill(), () => team().redis.start()],
    ] as const) {
      await breakRedis()
      const called = client.call('create_refund', { amount: 1, charge })
      const [id = ''] = await mina.waitForPending()
      // The reconciler looks every three seconds.
      const card = await slack.waitForMessage((message) => slack.textOf(message).includes(id))
      await mina.decide(id, 'approve')
      expect(textOf(await called)).toContain('re_')
      await expect
        .poll(() => slack.textOf(slack.message(channel.id, card.ts)))
        .toMatch(/executed|ran|answered/i)
      await mendRedis()
    }
    expect(slack.messages(channel.id)).toHaveLength(2)
    await client.close()
    expect(await Promise.all([deliveries.stop(), gateway.stop()])).toEqual([0, 0])
    await upstream.close()
    await slack.close()
    await database.drop()
  })

  test('a worker answers probes at PORT', async () => {
    const database = await freshDatabaseOn(team().postgresUrl)
    const port = await freePort()
    const worker = await startWorker('approvals', {
      databaseUrl: database.connectionString,
      // Only gateways hold upstream credentials: that this one is not here must not matter.
      servers: { pay: { url: 'http://127.0.0.1:9/mcp', headers: { 'x-key': `\${NOT_SET_HERE}` } } },
      env: { REDIS_URL: team().redis.url, PORT: String(port) },
    })
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
    const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).json()
    await expect.poll(ready).toEqual({ ready: true, missing: [], impaired: [] })
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    expect(await worker.stop()).toBe(0)
    await database.drop()
  })

  test('a worker whose port is taken says so and ends', async () => {
    const { port } = new URL(team().redis.url)
    const options = { databaseUrl: team().postgresUrl, env: { PORT: port } }
    await expect(startWorker('approvals', options)).rejects.toThrow(/ended with 1 .*is taken by another/s)
  })

  test('a worker whose database is away says so and ends', async () => {
    const nowhere = `postgres://holdpoint@127.0.0.1:${await freePort()}/holdpoint`
    await expect(startWorker('approvals', { databaseUrl: nowhere })).rejects.toThrow(
      /ended with 1 .*does the database answer/s,
    )
  })

  test('a worker without DATABASE_URL says what it needs', async () => {
    await expect(startWorker('approvals', { databaseUrl: null })).rejects.toThrow(
      /ended with 2 .*needs the database that the gateways use.*set DATABASE_URL/s,
    )
  })
})
