/**
 * PostgreSQL fails in every way that can be made here, under a real gateway with held calls. Held calls survive, new critical
 * calls are refused within a second, allowed calls keep flowing, and after the return nobody has to do anything.
 */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestClient } from '../support/clients.ts'
import { query } from '../support/gateway-process.ts'
import { isPostgresMissing, type SystemPostgres, startSystemPostgres } from '../support/system-postgres.ts'
import { measured } from './measured.ts'
import { aSite, OWN_APPLICATION, REFUSED_MS_MAX, type Site, WHOLE_MS_MAX } from './site.ts'

describe.skipIf(isPostgresMissing())('the ledger', () => {
  let postgres: SystemPostgres
  let site: Site
  let client: TestClient

  beforeAll(async () => {
    postgres = await startSystemPostgres({ settings: ['max_connections=40'] })
    site = await aSite(postgres.url)
  })
  afterAll(async () => {
    expect(await site?.close()).toBe(0)
    await postgres?.stop()
  })
  beforeEach(async () => {
    client = await site.client()
  })
  // A test that fails must not spoil the next one.
  afterEach(() => site.database.heal())

  /** What has to hold for every way in which the ledger is away. */
  async function whileAway(what: string, strike: () => unknown, mend: () => unknown, atLeastMs = 2_500) {
    const held = await site.ask()
    const figures = await meanwhile().finally(mend)

    async function meanwhile() {
      const struckMs = performance.now()
      await strike()
      // The first ones meet the failure unprepared, the later ones are refused by whoever knows already.
      const together = await Promise.all(
        Array.from({ length: 5 }, async () => site.refused(await site.client())),
      )
      const later = await site.refused(client)
      for (const { ms, words, upstreamHits } of [...together, later]) {
        expect(words).toMatch(/Approvals are unavailable right now|503/)
        expect(ms).toBeLessThan(REFUSED_MS_MAX)
        expect(upstreamHits).toBe(0)
      }
      const allowedMs = await site.allowed(client)
      expect(allowedMs).toBeLessThan(REFUSED_MS_MAX)
      // Not because the check hangs: because what is missing is known.
      await expect
        .poll(() => site.ready())
        .toEqual({
          status: 503,
          text: expect.stringMatching(/^(?!.*did not answer within).*"ledger"/),
        })
      await new Promise((done) => setTimeout(done, Math.max(0, atLeastMs - (performance.now() - struckMs))))
      return { together, later, allowedMs }
    }
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
    await expect.poll(async () => (await site.ready()).status).toBe(200)
    measured(what, {
      'first refusal ms': Math.max(...figures.together.map(({ ms }) => ms)),
      'later refusal ms': figures.later.ms,
      'allowed call ms': figures.allowedMs,
      'whole after ms': wholeMs,
    })
  }

  test('PostgreSQL crashes and is restarted: held calls survive, new ones are refused, all goes on', async () => {
    await whileAway(
      'PostgreSQL crashed',
      () => postgres.stop('immediate'),
      () => postgres.start(),
    )
  })

  test('PostgreSQL is restarted in good order: the same', async () => {
    await whileAway(
      'PostgreSQL stopped',
      () => postgres.stop('fast'),
      () => postgres.start(),
    )
  })

  test('PostgreSQL is frozen: nobody waits for it', async () => {
    await whileAway('PostgreSQL frozen', postgres.freeze, postgres.thaw)
  })

  test('PostgreSQL is frozen for longer than leases and time-outs last: the same', async () => {
    await whileAway('PostgreSQL frozen for 13 s', postgres.freeze, postgres.thaw, 13_000)
  })

  test('PostgreSQL cannot be reached, without a word: the same', async () => {
    await whileAway(
      'PostgreSQL unreachable',
      () => site.database.blackhole('all'),
      () => site.database.heal(),
      4_000,
    )
  })

  test('PostgreSQL refuses connections: the same', async () => {
    await whileAway(
      'PostgreSQL refuses',
      () => site.database.refuse(),
      () => site.database.heal(),
    )
  })

  test('the connections to PostgreSQL are dead without a word (half-open): they are found out and replaced', async () => {
    const held = await site.ask()
    site.database.blackhole('established')
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
    await site.database.heal()
    measured('PostgreSQL half-open', { 'whole after ms': wholeMs })
  })

  test('every connection to PostgreSQL is reset at once: nothing is lost', async () => {
    const held = await site.ask()
    site.database.cut()
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
  })

  test('PostgreSQL is slow, 300 ms for each answer: calls are asked, decided and run, only later', async () => {
    const held = await site.ask()
    site.database.weather({ delayMs: 150 })
    const allowedMs = await site.allowed(client)
    expect(allowedMs).toBeLessThan(REFUSED_MS_MAX)
    const startedMs = performance.now()
    const asked = await site.ask(client)
    const askedMs = performance.now() - startedMs
    const ranMs = await site.approved(asked)
    await site.approved(held)
    await site.database.heal()
    measured('PostgreSQL slow by 300 ms', {
      'asked ms': askedMs,
      'decided and ran ms': ranMs,
      'allowed call ms': allowedMs,
    })
  })

  test('PostgreSQL has no connection left: refused or served, but soon; then all goes on', async () => {
    const held = await site.ask()
    // While the gateway is shut out, so that it finds none when it comes back.
    await site.database.refuse()
    const release = await takeAllConnections()
    await site.database.heal()
    const { ms, words, upstreamHits } = await site.refused(client)
    expect(words).toMatch(/Approvals are unavailable right now|503/)
    expect(ms).toBeLessThan(REFUSED_MS_MAX)
    expect(upstreamHits).toBe(0)
    await expect
      .poll(async () => (await site.ready()).text)
      .toMatch(/too many clients|remaining connection slots/)
    await site.allowed(client)
    await release()
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
    measured('PostgreSQL out of connections', { 'refusal ms': ms, 'whole after ms': wholeMs })
  })

  test('pieces of a few bytes are pieces of the same messages', async () => {
    site.database.weather({ sliceBytes: 7 })
    site.database.cut()
    await site.untilWhole()
    await site.database.heal()
  })

  /** Takes every one that there is, and every one that becomes free, until it is told to give them back. */
  async function takeAllConnections(): Promise<() => Promise<void>> {
    const taken: pg.Client[] = []
    let isOver = false
    let isFull = false
    const taking = (async () => {
      while (!isOver) {
        const one = new pg.Client({ connectionString: postgres.url })
        one.on('error', () => {})
        const isTaken = await one.connect().then(
          () => true,
          () => false,
        )
        isFull = !isTaken
        if (isTaken) taken.push(one)
        else await new Promise((done) => setTimeout(done, 20))
      }
    })()
    // A server takes a moment to notice that the gateway's have gone.
    const ofTheGateway = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
      AND pid <> ALL ($1) AND application_name <> '${OWN_APPLICATION}'`
    const left = async () => {
      const own = taken.flatMap((each) => ('processID' in each ? [Number(each.processID)] : []))
      return (await taken[0]?.query(ofTheGateway, [own]))?.rowCount ?? null
    }
    await expect.poll(async () => ({ left: await left(), isFull })).toEqual({ left: 0, isFull: true })
    await expect(query(postgres.url, 'SELECT 1')).rejects.toThrow(/too many|remaining/)
    return async () => {
      isOver = true
      await taking
      await Promise.all(taken.map((each) => each.end()))
    }
  }
})
