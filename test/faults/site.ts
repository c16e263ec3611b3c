/** A gateway whose ways to its stores and to its upstream lead through fault proxies, and the people and agents around it. */
import pg from 'pg'
import { expect } from 'vitest'
import { connectV1, type TestClient, textOf } from '../support/clients.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  startGateway,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabaseOn } from '../support/postgres.ts'

/**
 * Only what hangs is caught by these: the longest time-out that a call could wait for instead is a minute. The figures that were
 * measured are printed; that they are below one second follows from the timings (test/domain/timings.test.ts).
 */
export const REFUSED_MS_MAX = 15_000
/** After a store is back. */
export const WHOLE_MS_MAX = 30_000

export type Site = Awaited<ReturnType<typeof aSite>>

/** @param serverUrl of the real PostgreSQL; over TCP the gateway goes there through `site.database` */
export async function aSite(serverUrl: string, options: Partial<GatewayOptions> = {}) {
  const fresh = await freshDatabaseOn(serverUrl)
  const direct = new URL(fresh.connectionString)
  const database = await startFaultProxy(Number(direct.port))
  const upstream = await startHttpUpstream()
  const way = await startFaultProxy(Number(upstream.url.port))
  const wayUp = new URL(upstream.url)
  wayUp.port = String(way.port)
  const through = new URL(direct)
  // The embedded one is reached by a socket in the file system, which no proxy stands in front of.
  if (/^[\w.-]+$/.test(direct.hostname)) through.port = String(database.port)
  const gatewayOptions: GatewayOptions = {
    databaseUrl: through.href,
    servers: {
      pay: { url: wayUp.href, policy: `${import.meta.dirname}/pay.yaml`, approvers: ['mina'] },
    },
    ...options,
    timings: { hold: '180s', comment: '500ms', ...options.timings },
    limits: { pending_per_principal: 500, ...options.limits },
  }
  const gateway = await startGateway(gatewayOptions)
  const agent = await mintToken(direct.href, gateway, 'agent', 'night-agent')
  const minaToken = await mintToken(direct.href, gateway, 'person', 'mina')
  const clients: TestClient[] = []
  let charges = 0

  async function client(at: Pick<GatewayProcess, 'url'> = gateway): Promise<TestClient> {
    const connected = await connectV1(`${at.url}/mcp/pay`, agent)
    clients.push(connected)
    return connected
  }

  let pool = poolAt(direct)
  let hasMoved = false
  const sql = async <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
    (await pool.query<Row>(text, values)).rows
  async function idOf(charge: string): Promise<string> {
    const [row] = await sql<{ id: string }>(
      `SELECT id FROM holdpoint.approval WHERE record #>> '{proposed,canonicalParams}' LIKE $1`,
      [`%"${charge}"%`],
    )
    return row?.id ?? ''
  }

  const site = {
    gateway,
    gatewayOptions,
    database,
    /** Between the gateway and the upstream. */
    way,
    upstream,
    agent,
    minaToken,
    mina: aPerson(gateway.url, minaToken),
    client,
    sql,
    /** Of the call with this charge; empty while there is none. */
    idOf,

    /**
     * A critical call that is held. Resolves when people can see it, and the gateway knows that they can: in between it
     * would still refuse the call if its ledger went away.
     */
    async ask(from?: TestClient, at: Pick<GatewayProcess, 'url' | 'output'> = gateway) {
      // Of one length, so that cuts of the request fall on the same places.
      const charge = `charge_${String(++charges).padStart(6, '0')}`
      const connected = from ?? (await client(at))
      // Its fate is looked at by whoever awaits it.
      const result = connected.call('create_refund', { amount: 5, charge })
      let isOver = false
      result.then(
        () => (isOver = true),
        () => (isOver = true),
      )
      let id = ''
      const isHeld = () => id !== '' && at.output().includes(`"approval":"${id}"`)
      for (const giveUpMs = performance.now() + 60_000; !isHeld(); ) {
        if (isOver) throw new Error('it was refused')
        if (performance.now() > giveUpMs) throw new Error('it never came to wait')
        await new Promise((done) => setTimeout(done, 40))
        if (id === '') id = await idOf(charge).catch(() => '')
      }
      return { id, charge, result, hits: () => hitsOf(upstream, charge) }
    },

    /** One allowed call: how long it took. */
    async allowed(from: TestClient): Promise<number> {
      const startedMs = performance.now()
      expect(textOf(await from.call('echo', { message: 'still here' }))).toContain('still here')
      return performance.now() - startedMs
    },

    /** A new critical call while the ledger is away: how long until it was refused, and in which words. */
    async refused(from: TestClient): Promise<{ ms: number; words: string; upstreamHits: number }> {
      const charge = `refused_${++charges}_${performance.now()}`
      const startedMs = performance.now()
      const words = await from.call('create_refund', { amount: 5, charge }).then(
        (result) => `ANSWERED ${textOf(result)}`,
        (error: unknown) => String(error),
      )
      return { ms: performance.now() - startedMs, words, upstreamHits: hitsOf(upstream, charge) }
    },

    /** From now until a new critical call is taken, approved and answered: the queue is whole. */
    async untilWhole(): Promise<number> {
      const startedMs = performance.now()
      const from = await client()
      for (;;) {
        // One that was refused in the moment of the return may be in the ledger all the same: nobody waits for it.
        const call = await site.ask(from).catch(() => null)
        const isAnswered = call !== null && (await site.approved(call).catch(() => null)) !== null
        if (isAnswered) return performance.now() - startedMs
        if (performance.now() - startedMs > 120_000) throw new Error('not whole after two minutes')
        await new Promise((done) => setTimeout(done, 100))
      }
    },

    /** Says yes and waits for the result: it ran once. */
    async approved(call: { id: string; result: Promise<unknown>; hits: () => number }) {
      const startedMs = performance.now()
      await expect.poll(async () => (await site.mina.decide(call.id, 'approve')).ok).toBe(true)
      expect(JSON.stringify(await call.result)).toContain('re_')
      expect(call.hits()).toBe(1)
      return performance.now() - startedMs
    },

    async outcome(id: string): Promise<string | undefined> {
      const [row] = await site.sql<{ outcome: string | null; status: string }>(
        `SELECT status, record #>> '{outcome,kind}' AS outcome FROM holdpoint.approval WHERE id = $1`,
        [id],
      )
      return row?.outcome ?? row?.status
    },

    async ready(at: Pick<GatewayProcess, 'url'> = gateway) {
      const response = await fetch(`${at.url}/readyz`)
      const body: unknown = await response.json()
      return { status: response.status, text: JSON.stringify(body) }
    },

    /** After a failover: where the records are read from now on, by those who do not go through the proxy. */
    async goTo(newServerUrl: string) {
      const former = pool
      const there = new URL(newServerUrl)
      there.pathname = direct.pathname
      pool = poolAt(there)
      hasMoved = true
      await former.end()
    },

    async close() {
      await Promise.all(clients.map((each) => each.close().catch(() => {})))
      const code = await gateway.stop()
      await pool.end()
      await way.close()
      await upstream.close()
      await database.close()
      // What is left goes with its server.
      if (!hasMoved) await fresh.drop()
      return code
    },
  }
  return site
}

/** By which the server knows the connections of the test itself. */
export const OWN_APPLICATION = 'the test'

function poolAt(url: URL): pg.Pool {
  const own = { connectionString: url.href, application_name: OWN_APPLICATION }
  const pool = new pg.Pool({ ...own, max: 2, connectionTimeoutMillis: 30_000 })
  // Servers are killed here.
  pool.on('error', () => {})
  return pool
}

export const hitsOf = (upstream: HttpUpstream, charge: string) =>
  upstream.executed.filter(({ args }) => JSON.stringify(args).includes(`"${charge}"`)).length
