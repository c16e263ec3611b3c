/** A team's set-up: real Redis, a PostgreSQL server over TCP, gateway and workers in processes of their own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { freePort } from '../support/everything.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  type RoleProcess,
  startGateway,
  startWorker,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type FreshDatabase, freshDatabaseOn } from '../support/postgres.ts'
import { isRedisMissing, type RedisServer, startRedis } from '../support/redis.ts'
import { isPostgresMissing, type SystemPostgres, startSystemPostgres } from '../support/system-postgres.ts'
import { approvalSuite } from './approval-suite.ts'

/** What an outage of Redis may add to any step: one round of the loop, and room for a busy machine. */
const LATE_MS_MAX = 5_000
/** Long enough to fail something in between. */
const DECISION_MS = 5_000

describe.skipIf(isRedisMissing() || isPostgresMissing())('a team', () => {
  let postgres: SystemPostgres
  let redis: RedisServer
  beforeAll(async () => {
    postgres = await startSystemPostgres()
    redis = await startRedis()
  })
  afterAll(async () => {
    await redis?.stop()
    await postgres?.stop()
  })
  const env = () => ({ REDIS_URL: redis.url, HOLDPOINT_ROLES: 'gateway' })

  approvalSuite('on Redis and PostgreSQL, with workers of their own', async () => {
    const database = await freshDatabaseOn(postgres.url)
    const workers: RoleProcess[] = []
    return {
      databaseUrl: database.connectionString,
      env: env(),
      async startWorkers(options) {
        workers.push(await startWorker('approvals', options), await startWorker('deliveries', options))
      },
      async close() {
        expect(await Promise.all(workers.map((worker) => worker.stop()))).toEqual(workers.map(() => 0))
        await database.drop()
      },
    }
  })

  describe('when something fails while calls are paused', () => {
    let database: FreshDatabase
    let upstream: HttpUpstream
    let gateway: GatewayProcess
    let approvals: RoleProcess
    let options: GatewayOptions
    let agent: string
    let minaToken: string
    let mina: ReturnType<typeof aPerson>

    beforeAll(async () => {
      database = await freshDatabaseOn(postgres.url)
      upstream = await startHttpUpstream()
      options = {
        databaseUrl: database.connectionString,
        env: env(),
        servers: { pay: { url: upstream.url.href } },
        timings: { decision: `${DECISION_MS}ms`, hold: '20s', comment: '300ms' },
      }
      gateway = await startGateway(options)
      approvals = await startWorker('approvals', options)
      agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
      minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
      mina = aPerson(gateway.url, minaToken)
    })
    afterAll(async () => {
      await approvals?.stop()
      await gateway?.stop()
      await upstream?.close()
      await database?.drop()
    })

    let charges = 0
    const aCharge = () => ({ amount: 5, charge: `outage_${++charges}` })
    const hits = ({ charge }: { charge: string }) =>
      upstream.executed.filter(({ args }) => JSON.stringify(args).includes(`"${charge}"`)).length

    async function ask(charge = aCharge(), at = gateway) {
      const client = await connectV1(`${at.url}/mcp/pay`, agent)
      const startedMs = performance.now()
      const result = client.call('create_refund', charge).finally(() => client.close())
      const [id = ''] = await mina.waitForPending()
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
      await expect.poll(settled, { timeout: DECISION_MS + 2 * LATE_MS_MAX }).toBeDefined()
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
      const { id, result } = await ask()
      expect(await lateness(id)).toBeLessThan(1_500)
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
      const paused = await ask()
      await redis.kill()
      await redis.start()
      await redis.command('FLUSHALL')
      expect(await lateness(paused.id)).toBeLessThan(LATE_MS_MAX)
      expect(textOf(await paused.result)).toContain('Nobody decided in time')
      expect(hits(paused.charge)).toBe(0)
    })

    test('Redis killed over the deadline: the call expires without it', async () => {
      const paused = await ask()
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
      ['its process stopped', () => redis.freeze(), () => redis.thaw()],
      ['its clients paused', () => redis.command('CLIENT', 'PAUSE', '4000', 'ALL'), () => undefined],
    ])('Redis frozen (%s): people and agents do not wait for it', async (_how, freeze, thaw) => {
      const paused = await ask()
      await freeze()
      const { decidedMs, answeredMs } = await approved(paused)
      expect(decidedMs).toBeLessThan(1_500)
      expect(answeredMs).toBeLessThan(LATE_MS_MAX)
      const during = await ask()
      expect(during.askedMs).toBeLessThan(2_000)
      thaw()
      await approved(during)
      await approved(await ask())
    })

    test('the worker killed: its gateway keeps the deadline; another worker takes over', async () => {
      const paused = await ask()
      await approvals.kill()
      expect(await lateness(paused.id)).toBeLessThan(LATE_MS_MAX)
      await paused.result
      approvals = await startWorker('approvals', options)
      const next = await ask()
      expect(await lateness(next.id)).toBeLessThan(LATE_MS_MAX)
      await next.result
    })

    test('without Redis a gateway and a worker start, say so, are ready, and work; a stop is quick', async () => {
      const nowhere = `redis://:secret@127.0.0.1:${await freePort()}`
      const poor = { ...options, env: { REDIS_URL: nowhere, HOLDPOINT_ROLES: 'gateway' } }
      const other = await startGateway(poor)
      const worker = await startWorker('approvals', poor)
      expect(other.output()).toMatch(/queue +BullMQ on Redis; not now: nothing listens at/)
      expect(other.output()).not.toContain('secret')
      const ready = await fetch(`${other.url}/readyz`)
      expect([ready.status, await ready.json()]).toMatchObject([
        200,
        { ready: true, impaired: [{ name: 'queue', missing: expect.stringContaining('nothing listens') }] },
      ])
      await approved(await ask(aCharge(), other))
      const startedMs = performance.now()
      expect(await Promise.all([other.stop(), worker.stop()])).toEqual([0, 0])
      expect(performance.now() - startedMs).toBeLessThan(10_000)
    })

    test('a worker ends within ten seconds on SIGTERM, also with a frozen Redis', async () => {
      const worker = await startWorker('approvals', options)
      redis.freeze()
      const startedMs = performance.now()
      expect(await worker.stop()).toBe(0)
      expect(performance.now() - startedMs).toBeLessThan(10_000)
      redis.thaw()
    })
  })

  test('a worker answers probes at PORT', async () => {
    const database = await freshDatabaseOn(postgres.url)
    const port = await freePort()
    const worker = await startWorker('approvals', {
      databaseUrl: database.connectionString,
      // Only gateways hold upstream credentials: that this one is not here must not matter.
      servers: { pay: { url: 'http://127.0.0.1:9/mcp', headers: { 'x-key': `\${NOT_SET_HERE}` } } },
      env: { REDIS_URL: redis.url, PORT: String(port) },
    })
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, missing: [], impaired: [] }])
    expect(await worker.stop()).toBe(0)
    await database.drop()
  })

  test('a worker without DATABASE_URL says what it needs', async () => {
    await expect(startWorker('approvals', { databaseUrl: null })).rejects.toThrow(
      /ended with 2 .*needs the database that the gateways use.*set DATABASE_URL/s,
    )
  })
})
