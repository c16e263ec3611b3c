/** Redis killed, emptied, frozen or never there, workers killed: nothing is lost, nothing doubled, late by seconds at most. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectV1, type TestClient, textOf } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  type RoleProcess,
  startGateway,
  startWorker,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabaseOn } from '../support/postgres.ts'
import type { RedisServer } from '../support/redis.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'

/** What an outage of Redis may add to any step: one round of the loop, and a lot of room for a busy machine. */
const LATE_MS_MAX = 30_000
/** For the calls that shall expire: the shortest that a policy may say, and long enough to fail something in between. */
const DECISION_MS = 10_000
const EXPIRING = 'delete_repository'
/** How long Redis stands still, and how soon everybody has to be through who does not wait for it. */
const FROZEN_MS = 20_000
const SOON_MS = 10_000

describe.skipIf(isTeamMissing())('a team, when something fails while calls are paused', () => {
  const team = aTeam()
  let redis: RedisServer
  let database: FreshDatabase
  let upstream: HttpUpstream
  let gateway: GatewayProcess
  let approvals: RoleProcess
  let options: GatewayOptions
  let agent: string
  let minaToken: string
  let mina: ReturnType<typeof aPerson>

  beforeAll(async () => {
    redis = team().redis
    database = await freshDatabaseOn(team().postgresUrl)
    upstream = await startHttpUpstream()
    const policy = join(temporaryDirectory(), 'pay.yaml')
    writeFileSync(
      policy,
      `default: require_approval
tools: { ${EXPIRING}: { action: require_approval, approval: { timeout: ${DECISION_MS / 1_000}s } } }
`,
    )
    options = {
      databaseUrl: database.connectionString,
      env: team().env,
      servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'] } },
      timings: { hold: '180s', comment: '300ms' },
    }
    gateway = await startGateway(options)
    approvals = await startWorker('approvals', options)
    agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
    minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
    mina = aPerson(gateway.url, minaToken)
  })
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()))
    await approvals?.stop()
    await gateway?.stop()
    await upstream?.close()
    await database?.drop()
  })

  const clients: TestClient[] = []

  let charges = 0
  const aCharge = () => ({ amount: 5, charge: `outage_${++charges}` })
  const hits = ({ charge }: { charge: string }) =>
    upstream.executed.filter(({ args }) => JSON.stringify(args).includes(`"${charge}"`)).length

  async function ask({ charge = aCharge(), at = gateway, tool = 'create_refund' } = {}) {
    const client = await connectV1(`${at.url}/mcp/pay`, agent)
    const startedMs = performance.now()
    clients.push(client)
    const result = client.call(tool, charge)
    const look = () =>
      query<{ id: string }>(
        database.connectionString,
        `SELECT id FROM holdpoint.approval WHERE record #>> '{proposed,canonicalParams}' LIKE $1`,
        [`%"${charge.charge}"%`],
      )
    await expect.poll(look).toHaveLength(1)
    const [{ id } = { id: '' }] = await look()
    return { id, charge, result, askedMs: performance.now() - startedMs }
  }

  /** How long after its deadline a call was settled, by the ledger's clock. */
  async function lateness(id: string): Promise<number> {
    const settled = async () =>
      (
        await query<{ late: number }>(
          database.connectionString,
          `SELECT extract(epoch FROM settled_at) * 1000 - (record ->> 'createdAtMs')::float8 - $2 AS late
           FROM holdpoint.approval WHERE id = $1 AND status = 'settled' AND record #>> '{outcome,kind}' = 'expired'`,
          [id, DECISION_MS],
        )
      )[0]?.late
    await expect.poll(settled).toBeDefined()
    return Number(await settled())
  }

  async function approved({ id, charge, result }: Awaited<ReturnType<typeof ask>>) {
    const startedMs = performance.now()
    expect(await mina.decide(id, 'approve')).toMatchObject({ ok: true })
    const decidedMs = performance.now() - startedMs
    expect(textOf(await result)).toContain('re_')
    expect(hits(charge)).toBe(1)
    return { decidedMs, answeredMs: performance.now() - startedMs }
  }

  test('an alarm in the worker ends a call on time', async () => {
    const { id, result } = await ask({ tool: EXPIRING })
    expect(await lateness(id)).toBeLessThan(LATE_MS_MAX)
    expect(textOf(await result)).toContain('Nobody decided in time')
  })

  test('Redis killed: a decision meanwhile runs the call, once and soon; after its return all goes on', async () => {
    const paused = await ask()
    await redis.kill()
    expect((await approved(paused)).answeredMs).toBeLessThan(LATE_MS_MAX)
    // A new call is taken as well: the ledger is the truth.
    const during = await ask()
    expect(during.askedMs).toBeLessThan(LATE_MS_MAX)
    await redis.start()
    await approved(during)
    await approved(await ask())
  })

  test('Redis killed, its data lost, and restarted: the deadline holds all the same', async () => {
    const paused = await ask({ tool: EXPIRING })
    await redis.kill()
    await redis.start()
    await redis.command('FLUSHALL')
    expect(await lateness(paused.id)).toBeLessThan(LATE_MS_MAX)
    expect(textOf(await paused.result)).toContain('Nobody decided in time')
    expect(hits(paused.charge)).toBe(0)
  })

  test('Redis killed over the deadline: the call expires without it', async () => {
    const paused = await ask({ tool: EXPIRING })
    await redis.kill()
    expect(await lateness(paused.id)).toBeLessThan(LATE_MS_MAX)
    await redis.start()
    expect(textOf(await paused.result)).toContain('Nobody decided in time')
  })

  test('Redis emptied: a decision runs the call once', async () => {
    const paused = await ask()
    await redis.command('FLUSHALL')
    expect((await approved(paused)).answeredMs).toBeLessThan(LATE_MS_MAX)
  })

  test.each([
    ['its process stopped', async () => redis.freeze(), async () => redis.thaw()],
    // It answers again when the time is up.
    [
      'its clients paused',
      () => redis.command('CLIENT', 'PAUSE', String(FROZEN_MS), 'ALL'),
      () => redis.command('PING'),
    ],
  ])('Redis frozen (%s): people and agents do not wait for it', async (_how, freeze, thaw) => {
    const paused = await ask()
    await freeze()
    const { decidedMs, answeredMs } = await approved(paused)
    expect(decidedMs).toBeLessThan(SOON_MS)
    expect(answeredMs).toBeLessThan(SOON_MS)
    const during = await ask()
    expect(during.askedMs).toBeLessThan(SOON_MS)
    await thaw()
    await approved(during)
    await approved(await ask())
  })

  test('the worker killed: its gateway keeps the deadline; another worker takes over', async () => {
    const paused = await ask({ tool: EXPIRING })
    await approvals.kill()
    expect(await lateness(paused.id)).toBeLessThan(LATE_MS_MAX)
    await paused.result
    approvals = await startWorker('approvals', options)
    const next = await ask({ tool: EXPIRING })
    expect(await lateness(next.id)).toBeLessThan(LATE_MS_MAX)
    await next.result
  })

  test('without Redis a gateway and a worker start, say so, are ready, and work; a stop is graceful', async () => {
    const nowhere = `redis://:secret@127.0.0.1:${await freePort()}`
    const poor = { ...options, env: { REDIS_URL: nowhere, HOLDPOINT_ROLES: 'gateway' } }
    const other = await startGateway(poor)
    const worker = await startWorker('approvals', poor)
    await expect.poll(other.output).toMatch(/queue +BullMQ on Redis; not now: nothing listens at/)
    expect(other.output()).not.toContain('secret')
    const ready = async () => (await fetch(`${other.url}/readyz`)).json()
    await expect.poll(ready).toMatchObject({
      ready: true,
      impaired: [{ name: 'queue', missing: expect.stringContaining('nothing listens') }],
    })
    await approved(await ask({ at: other }))
    // Otherwise it leaves as after a crash, by itself: it gives itself nine seconds.
    expect(await Promise.all([other.stop(), worker.stop()])).toEqual([0, 0])
  })

  test('a worker ends in good order on SIGTERM, also with a frozen Redis', async () => {
    const worker = await startWorker('approvals', options)
    redis.freeze()
    expect(await worker.stop()).toBe(0)
    redis.thaw()
  })
})
