/**
 * Stores without room, under real processes: a disk on which the ledger cannot grow, and a Redis that takes nothing more or
 * throws away what it has. A full ledger refuses what is new and loses nothing; a full or forgetful Redis costs time.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { textOf } from '../support/clients.ts'
import { atExit, type RoleProcess, startWorker, temporaryDirectory } from '../support/gateway-process.ts'
import { skippedHere } from '../support/missing.ts'
import { isPostgresMissing, startSystemPostgres } from '../support/system-postgres.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'
import { measured } from './measured.ts'
import { aSite, type Site, WHOLE_MS_MAX } from './site.ts'

describe.skipIf(isTeamMissing())('Redis', () => {
  const DECISION_MS = 20_000
  const team = aTeam()
  let site: Site
  let worker: RoleProcess

  beforeAll(async () => {
    site = await aSite(team().postgresUrl, {
      env: { REDIS_URL: team().redis.url, HOLDPOINT_ROLES: 'gateway,deliveries' },
      timings: { decision: `${DECISION_MS}ms` },
    })
    worker = await startWorker('approvals', {
      ...site.gatewayOptions,
      env: { REDIS_URL: team().redis.url },
    })
  })
  afterAll(async () => {
    expect(await worker?.stop()).toBe(0)
    expect(await site?.close()).toBe(0)
  })
  afterEach(async () => {
    await team().redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await team().redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  })

  /** Asked, decided and run, and another that nobody decides: both as always, only later. */
  async function onlyLater(what: string) {
    const client = await site.client()
    const startedMs = performance.now()
    const undecided = await site.ask(client)
    const call = await site.ask(client)
    const askedMs = performance.now() - startedMs
    const ranMs = await site.approved(call)
    expect(JSON.stringify(await undecided.result)).toContain('Nobody decided in time')
    const [row] = await site.sql<{ late: number }>(
      `SELECT extract(epoch FROM settled_at) * 1000 - (record ->> 'createdAtMs')::float8 - $2 AS late
       FROM holdpoint.approval WHERE id = $1`,
      [undecided.id, DECISION_MS],
    )
    expect(Number(row?.late)).toBeLessThan(WHOLE_MS_MAX)
    expect(undecided.hits()).toBe(0)
    measured(what, {
      'two asked ms': askedMs,
      'decided and ran ms': ranMs,
      'deadline late by ms': Number(row?.late),
    })
  }

  test('is full: calls are taken, decided, run and expire all the same, and readiness names it', async () => {
    await team().redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await onlyLater('Redis full')
    await expect
      .poll(() => site.ready())
      .toEqual({ status: 200, text: expect.stringMatching(/maxmemory|full|OOM/) })
  })

  test('evicts keys: the same, and readiness names the setting', async () => {
    await team().redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await team().redis.command('CONFIG', 'SET', 'maxmemory', '3mb')
    const filler = 'x'.repeat(200_000)
    for (let key = 0; key < 30; key++) await team().redis.command('SET', `filler:${key}`, filler)
    await onlyLater('Redis evicting')
    await expect.poll(async () => (await site.ready()).text).toContain('allkeys-lru')
    expect((await site.ready()).status).toBe(200)
  })
})

/** Only root may mount, and not in every container. */
function smallDisk(): string | null {
  const directory = temporaryDirectory()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', directory])
  if (mounted.status !== 0) {
    skippedHere('a full disk needs a small file system of its own', 'run as root, where mount is permitted')
    return null
  }
  atExit.push(() => spawnSync('umount', ['--lazy', directory]))
  return directory
}

const disk = isPostgresMissing() ? null : smallDisk()

describe.skipIf(disk === null)('the disk of the ledger', () => {
  test('is full: what is new is refused and never sent, allowed calls go on; with room again, all goes on', async () => {
    const home = disk ?? ''
    const dataDirectory = join(home, 'data')
    mkdirSync(dataDirectory)
    const postgres = await startSystemPostgres({ dataDirectory })
    const site = await aSite(postgres.url)
    const held = await site.ask()
    const filler = join(home, 'filler')
    // Up to the last byte: the write fails, and what went in stays.
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'])
    const client = await site.client()
    let refusals = 0
    const refusedMs: number[] = []
    const taken: Promise<unknown>[] = []
    // Pages that exist have room for some.
    for (let count = 0; count < 300 && refusals < 5; count++) {
      const startedMs = performance.now()
      const call = client.call('create_refund', {
        amount: 5,
        charge: `full_${count}`,
        note: 'n'.repeat(6_000),
      })
      const fate = call.then(
        (result) => textOf(result),
        (error: unknown) => String(error),
      )
      let answer: string | null = null
      void fate.then((words) => {
        answer = words
      })
      const isTaken = async () => (await site.idOf(`full_${count}`)) !== ''
      await expect.poll(async () => answer !== null || (await isTaken())).toBe(true)
      if (answer === null) {
        taken.push(fate)
        continue
      }
      expect(answer).toMatch(/unavailable|503|NOT EXECUTED/)
      refusals++
      refusedMs.push(performance.now() - startedMs)
    }
    expect(refusals).toBe(5)
    expect(site.upstream.callsOf('create_refund')).toHaveLength(0)
    await site.allowed(client)
    rmSync(filler)
    const wholeMs = await site.untilWhole()
    expect(wholeMs).toBeLessThan(WHOLE_MS_MAX)
    await site.approved(held)
    measured('disk full', {
      'refusal ms': Math.max(...refusedMs),
      'taken before': taken.length,
      'whole after ms': wholeMs,
    })
    expect(await site.close()).toBe(0)
    await postgres.stop()
  })
})
