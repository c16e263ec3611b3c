/**
 * PostgreSQL fails over to its standby, under a real gateway whose address for it stays the same. With a synchronous standby
 * nothing that was acknowledged is lost; while the standby is away nothing new is promised; an asynchronous one is named as what
 * it is.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { query } from '../support/gateway-process.ts'
import { isPostgresMissing, type SystemPostgres, startSystemPostgres } from '../support/system-postgres.ts'
import { measured } from './measured.ts'
import { aSite, REFUSED_MS_MAX, type Site, WHOLE_MS_MAX } from './site.ts'

/** Longer than the pulse's patience with a standby. */
const HINT_MS_MAX = 60_000

describe.skipIf(isPostgresMissing())('a standby', () => {
  let primary: SystemPostgres
  let standby: SystemPostgres
  let site: Site

  beforeAll(async () => {
    primary = await startSystemPostgres()
    standby = await primary.standby('second')
    site = await aSite(primary.url)
  })
  afterAll(async () => {
    expect(await site?.close()).toBe(0)
    await primary?.stop('immediate')
    await standby?.stop('immediate')
  })
  afterEach(() => standby?.thaw())

  const readyText = async () => (await site.ready()).text

  test('that is asynchronous is named: a failover to it can forget a claim', async () => {
    await expect.poll(readyText, { timeout: HINT_MS_MAX }).toContain('no standby is synchronous')
    expect(await readyText()).toContain('synchronous_standby_names')
    expect((await site.ready()).status).toBe(200)
  })

  test('that is synchronous takes the hint away', async () => {
    await query(primary.url, "ALTER SYSTEM SET synchronous_standby_names = 'second'")
    await query(primary.url, 'SELECT pg_reload_conf()')
    await expect.poll(readyText, { timeout: HINT_MS_MAX }).not.toContain('no standby is synchronous')
  })

  test('that is away: nothing new is promised, readiness says what is missing, allowed calls go on; back, all goes on', async () => {
    const client = await site.client()
    const held = await site.ask()
    standby.freeze()
    const first = await site.refused(client)
    await expect.poll(async () => (await site.ready()).status, { timeout: HINT_MS_MAX }).toBe(503)
    await expect.poll(readyText).toContain('commits wait for a synchronous standby that does not answer')
    const later = await site.refused(client)
    for (const { ms, words, upstreamHits } of [first, later]) {
      expect(words).toMatch(/Approvals are unavailable right now|503/)
      expect(ms).toBeLessThan(REFUSED_MS_MAX)
      expect(upstreamHits).toBe(0)
    }
    expect(await site.allowed(client)).toBeLessThan(REFUSED_MS_MAX)
    standby.thaw()
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
    measured('synchronous standby away', {
      'first refusal ms': first.ms,
      'later refusal ms': later.ms,
      'whole after ms': wholeMs,
    })
  })

  test('takes over while calls are held, decided and being sent: no acknowledged decision, claim or outcome is forgotten', async () => {
    const client = await site.client()
    const waiting = await Promise.all(Array.from({ length: 5 }, () => site.ask(client)))
    const done = await site.ask(client)
    await site.approved(done)
    const denied = await site.ask(client)
    expect(await site.mina.decide(denied.id, 'reject')).toMatchObject({ ok: true })
    const sent = await site.ask(client)
    // The claim is durable, the upstream has run it, and nobody has an answer yet when the primary dies.
    site.upstream.misbehave('tools/call', { kind: 'never_answer' })
    expect(await site.mina.decide(sent.id, 'approve')).toMatchObject({ ok: true })
    await expect.poll(sent.hits, { timeout: WHOLE_MS_MAX }).toBe(1)
    const before = await records()

    // Clicks in the very moment: what people were told of them has to hold.
    const clicked = await Promise.all(Array.from({ length: 6 }, () => site.ask(client)))
    const clicks = clicked.map((call) =>
      site.mina.decide(call.id, 'reject').then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    await Promise.any(clicks)
    const startedMs = performance.now()
    await primary.stop('immediate')
    const { ms, words } = await site.refused(client)
    expect(words).toMatch(/Approvals are unavailable right now|503/)
    expect(ms).toBeLessThan(REFUSED_MS_MAX)
    await standby.promote()
    site.database.target(standby.port)
    site.database.cut()
    await site.goTo(standby.url)
    site.upstream.behave()
    const wholeMs = await site.untilWhole()
    const tookMs = performance.now() - startedMs
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)

    // All that was acknowledged is there, at least as far as it was.
    const after = new Map((await records()).map((each) => [each.id, each]))
    for (const { id, status, version, decision } of before) {
      expect(after.get(id)?.version ?? 0).toBeGreaterThanOrEqual(version)
      if (status === 'settled') expect(after.get(id)).toMatchObject({ status, version })
      if (decision !== null) expect(after.get(id)?.decision).toBe(decision)
    }
    // The claim was not forgotten: it never runs again, and its agent is told what came of it.
    expect(JSON.stringify(await sent.result)).toMatch(/re_|may or may not|may have|not known/i)
    expect(sent.hits()).toBe(1)
    expect(await site.outcome(sent.id)).toMatch(/answered|indeterminate/)
    expect(await site.outcome(done.id)).toBe('answered')
    expect(await site.outcome(denied.id)).toBe('rejected')
    const acknowledged = await Promise.all(clicks)
    for (const [index, call] of clicked.entries()) {
      expect(call.hits()).toBe(0)
      if (acknowledged[index] === true) expect(await site.outcome(call.id)).toBe('rejected')
    }
    expect(done.hits() + denied.hits()).toBe(1)
    // The held clients are the same, on the same requests.
    for (const call of waiting) await site.approved(call)
    await expect
      .poll(() => site.ready())
      .toEqual({ status: 200, text: expect.not.stringContaining('commits wait') })
    measured('failover', {
      'clicks acknowledged in that moment': acknowledged.filter(Boolean).length,
      'refusal ms': ms,
      'from the death of the primary to whole ms': tookMs,
      'whole after promotion ms': wholeMs,
    })
  })

  async function records() {
    return site.sql<{ id: string; status: string; version: number; decision: string | null }>(
      `SELECT id, status, version::int AS version,
              coalesce(record #>> '{decision,by}', record #>> '{outcome,decision,by}') AS decision
       FROM holdpoint.approval`,
    )
  }
})
