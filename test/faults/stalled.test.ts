/**
 * A job queue takes a job whose worker is silent for longer than its lock (BullMQ's 30 s, which nothing here shortens) for stalled,
 * and gives it to somebody else. With a job of which a call is being sent that must mean neither "failed" nor "once more": in one
 * gateway that is stopped, and in one whose event loop is blocked, for as long as it takes.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Queue, QueueEvents } from 'bullmq'
import { afterEach, describe, expect, test } from 'vitest'
import { aPerson, type GatewayProcess, startGateway, temporaryDirectory } from '../support/gateway-process.ts'
import { aTeam, isTeamMissing } from '../support/team.ts'
import { measured } from './measured.ts'
import { aSite } from './site.ts'

/** Longer than the lock lasts. */
const BLOCKED_MS = 40_000
/** The lock runs out, and the look that follows the next one finds it: about a minute. */
const STALLED_MS_MAX = 240_000

describe.skipIf(isTeamMissing())('jobs on Redis', () => {
  const team = aTeam()
  // Before the server that they listen to.
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()))
  })

  test('that stall while their calls are being sent run nothing again, and nobody calls them failed', {
    timeout: 15 * 60_000,
  }, async () => {
    const site = await aSite(team().postgresUrl, { env: { REDIS_URL: team().redis.url } })
    const place = { connection: { host: '127.0.0.1', port: team().redis.port }, prefix: '{holdpoint}' }
    const executions = new Queue('executions', place)
    const events = new QueueEvents('executions', place)
    const stalled = new Set<string>()
    const failed: string[] = []
    events.on('stalled', ({ jobId }) => stalled.add(approvalOf(jobId)))
    events.on('failed', ({ jobId, failedReason }) => failed.push(`${jobId}: ${failedReason}`))
    closing.push(
      () => events.close(),
      () => executions.close(),
    )
    await events.waitUntilReady()
    const inWork = async () => (await executions.getActive()).map(({ id }) => approvalOf(id ?? ''))

    /** A call that this gateway is sending, by a job that only it can have taken. */
    async function sendingAt(gateway: GatewayProcess) {
      const call = await site.ask(await site.client(gateway), gateway)
      site.upstream.misbehave('tools/call', { kind: 'never_answer' })
      const mina = aPerson(gateway.url, site.minaToken)
      await expect.poll(async () => (await mina.decide(call.id, 'approve')).ok).toBe(true)
      await expect.poll(call.hits).toBe(1)
      await expect.poll(inWork).toContain(call.id)
      return call
    }

    const stopped = site.gateway
    const first = await sendingAt(stopped)
    stopped.child.kill('SIGSTOP')
    const until = join(temporaryDirectory(), 'until')
    const preload = pathToFileURL(join(import.meta.dirname, 'blocking.mjs')).href
    const blocked = await startGateway({
      ...site.gatewayOptions,
      env: { ...site.gatewayOptions.env, NODE_OPTIONS: `--import=${preload}`, BLOCKED_UNTIL: until },
    })
    const second = await sendingAt(blocked)
    blocked.child.kill('SIGUSR2')
    await expect.poll(() => existsSync(`${until}.begun`)).toBe(true)
    const blockedMs = performance.now()

    const third = await startGateway(site.gatewayOptions)
    const calls = [first, second]
    const ids = calls.map(({ id }) => id).sort()
    // Long before the jobs are missed, the third gateway has seen that those who sent are silent.
    for (const { id } of calls) await expect.poll(() => site.outcome(id)).toBe('indeterminate')
    await expect.poll(() => [...stalled].sort(), { timeout: STALLED_MS_MAX }).toEqual(ids)
    const stalledMs = performance.now() - blockedMs
    // Taken once more, by the one that is left, and done with.
    await expect.poll(inWork).toEqual([])
    await new Promise((done) => setTimeout(done, Math.max(0, BLOCKED_MS - stalledMs)))
    for (const { hits } of calls) expect(hits()).toBe(1)

    // The upstream answers after all, and those who were silent go on as if nothing had been.
    site.upstream.behave()
    writeFileSync(until, '')
    stopped.child.kill('SIGCONT')
    for (const { result } of calls) expect(JSON.stringify(await result)).toContain('MAY OR MAY NOT')
    for (const { id, hits } of calls) {
      await expect.poll(() => lateRepliesOf(id)).toBe(1)
      expect(await site.outcome(id)).toBe('indeterminate')
      expect(hits()).toBe(1)
    }
    await site.untilWhole()
    await site.approved(await site.ask(await site.client(blocked), blocked))
    expect(failed).toEqual([])
    measured('jobs of calls that are being sent stall', { 'found after ms': stalledMs })

    expect(await Promise.all([third.stop(), blocked.stop()])).toEqual([0, 0])
    expect(await site.close()).toBe(0)

    async function lateRepliesOf(id: string): Promise<number | undefined> {
      const [row] = await site.sql<{ n: number }>(
        `SELECT json_array_length(record #> '{outcome,evidence,lateReplies}') AS n
         FROM holdpoint.approval WHERE id = $1`,
        [id],
      )
      return row?.n
    }
  })
})

/** Job ids are `<approval id>.<version>`. */
const approvalOf = (jobId: string) => jobId.slice(0, jobId.lastIndexOf('.'))
