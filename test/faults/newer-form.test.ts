/**
 * A rolling upgrade in the middle: records of a newer version lie among those of this one. This gateway does not touch them,
 * says so wherever somebody asks, never lets their calls have a second approval, and goes on with everything else.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { isPostgresMissing, type SystemPostgres, startSystemPostgres } from '../support/system-postgres.ts'
import { aSite, type Site } from './site.ts'

/** More than one round of the watch takes: if they took its places, nothing else would ever be looked at. */
const NEWER = 250

describe.skipIf(isPostgresMissing())('a rolling upgrade', () => {
  let postgres: SystemPostgres
  let site: Site
  beforeAll(async () => {
    postgres = await startSystemPostgres()
    site = await aSite(postgres.url, { env: { LOG_LEVEL: 'info' }, timings: { decision: '120s' } })
  })
  afterAll(async () => {
    await site?.close()
    await postgres?.stop()
  })

  test('250 due records of a newer form stand still and visible, and everything else goes on', async () => {
    const newer = await site.ask()
    const waiting = await site.ask()
    await site.sql('UPDATE holdpoint.approval SET form = 99, version = version + 1 WHERE id = $1', [newer.id])
    // Due for long, and before everything else: whoever took them for work would never come to anything else.
    await site.sql(
      `INSERT INTO holdpoint.approval (id, version, status, attach_key, call_key, principal, server, tool, due_at, created_at,
       record, owner, form)
     SELECT 'HP-' || lpad(n::text, 10, '0'), 1, 'pending', 'newer ' || n, 'newer ' || n, 'other', 'pay',
       'create_refund', to_timestamp(n), clock_timestamp() + n * interval '1 ms', '{"v":99,"of":"another world"}', 'jun', 99
     FROM generate_series(1, $1::int) AS n`,
      [NEWER],
    )

    // Another call expires in its time, behind all those that are due earlier.
    const late = await site.ask()
    await site.sql(
      `UPDATE holdpoint.approval SET due_at = clock_timestamp(),
       record = replace(record::text, '"expiresAtMs":' || (record ->> 'expiresAtMs'), '"expiresAtMs":1')::json
     WHERE id = $1`,
      [late.id],
    )
    await expect.poll(() => site.outcome(late.id)).toBe('expired')

    // What waits can be listed, decided and sent.
    const listed = await site.mina.pending()
    expect(listed.map(({ id }) => id)).toEqual([waiting.id])
    await site.approved(waiting)

    // Whoever asks about one of them is told what it is.
    await expect(site.mina.show(newer.id)).rejects.toThrow(
      `${newer.id} was written by a newer Holdpoint (form 99); this process does not touch it.`,
    )
    const page = await fetch(`${site.gateway.url}/api/v1/approvals/${newer.id}`, {
      headers: { authorization: `Bearer ${site.minaToken}` },
    })
    expect(page.status).toBe(409)
    expect(await page.json()).toMatchObject({ error: { code: 'newer_form' } })
    const own = await fetch(`${site.gateway.url}/api/v1/calls/${newer.id}`, {
      headers: { authorization: `Bearer ${site.agent}` },
    })
    expect(own.status).toBe(409)
    const foreign = await fetch(`${site.gateway.url}/api/v1/calls/HP-0000000001`, {
      headers: { authorization: `Bearer ${site.agent}` },
    })
    expect(foreign.status).toBe(404)

    // Whoever waits for it is told how to go on, and the same call again gets no approval of its own.
    await expect(newer.result).rejects.toThrow(
      `Ticket ${newer.id} was written by a newer Holdpoint (form 99)`,
    )
    const again = await connectV1(`${site.gateway.url}/mcp/pay`, site.agent)
    const told = textOf(await again.call('create_refund', { amount: 5, charge: newer.charge }))
    expect(told).toContain(`Ticket ${newer.id} was written by a newer Holdpoint (form 99)`)
    expect(told).toContain('nothing was executed by this request')
    await again.close()
    const [row] = await site.sql<{ n: string; forms: number[] }>(
      `SELECT count(*) AS n, array_agg(DISTINCT form) AS forms FROM holdpoint.approval
     WHERE record::text LIKE $1 OR id = $2`,
      [`%${newer.charge}%`, newer.id],
    )
    expect(row).toEqual({ n: '1', forms: [99] })
    expect(newer.hits()).toBe(0)

    await expect
      .poll(() => site.ready())
      .toEqual({
        status: 200,
        text: expect.stringContaining(
          `${NEWER + 1} records were written by a newer Holdpoint (up to form 99)`,
        ),
      })
    const lines = () =>
      site.gateway
        .output()
        .split('\n')
        .filter((line) => line.includes('written by a newer Holdpoint (up'))
    await expect.poll(lines).toHaveLength(1)
    expect(site.gateway.output()).not.toContain('could not be attended')

    // When the newer version is taken back, and its records with it, all goes on.
    await site.sql('UPDATE holdpoint.approval SET form = 1, version = version - 1 WHERE id = $1', [newer.id])
    await site.sql('DELETE FROM holdpoint.approval WHERE form = 99')
    const back = await connectV1(`${site.gateway.url}/mcp/pay`, site.agent)
    const result = back.call('create_refund', { amount: 5, charge: newer.charge })
    await site.approved({ id: newer.id, result, hits: newer.hits })
    await expect.poll(async () => (await site.ready()).text).not.toContain('newer Holdpoint')
    await back.close()
  })
})
