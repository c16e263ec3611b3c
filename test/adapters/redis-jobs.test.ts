/** The queue's Redis at its worst: away at the start, frozen, killed, emptied, full, too strict. Adding answers soon; work goes on after. */
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { Log } from '../../src/ports/log.ts'
import { openJobStore } from '../../src/queue/job-store.ts'
import { createQueue, createWorkers } from '../../src/queue/queues.ts'
import { aTicket } from '../support/builders.ts'
import { freePort } from '../support/free-port.ts'
import { isRedisMissing, type RedisServer, startRedis, startRedisAt } from '../support/redis.ts'

/** A decision or a new critical call waits this long at most, with a lot of room for a busy machine:
 * what hangs, hangs for good. */
const SOON_MS = 10_000

async function anOffice(url: string) {
  const lines: string[] = []
  const note = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  }
  const log: Log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') }
  const store = await openJobStore({ kind: 'redis', url }, log)
  const queue = await createQueue(store)
  const workers = createWorkers(store, log)
  const attended: ApprovalId[] = []
  workers.attend(async (id) => {
    attended.push(id)
  })
  return {
    store,
    queue,
    attended,
    lines,
    async close() {
      await workers.close()
      await queue.close()
      await store.close()
    },
  }
}

/** What adding an alarm came to, and how long it took. */
async function timed(adding: Promise<unknown>): Promise<{ error: string | null; ms: number }> {
  const startedMs = performance.now()
  const error = await adding.then(
    () => null,
    (fault: Error) => fault.message,
  )
  return { error, ms: performance.now() - startedMs }
}

/** Carries bytes to Redis until told to swallow those of the connections it has; new ones work. */
async function aNetwork(redisPort: number) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const target = connect(redisPort, '127.0.0.1')
    client.pipe(target).pipe(client)
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
  })
  const port = await freePort()
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    port,
    swallow() {
      for (const socket of sockets) socket.unpipe().resume()
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe.skipIf(isRedisMissing())('the queue on Redis', () => {
  let redis: RedisServer
  let office: Awaited<ReturnType<typeof anOffice>>
  const unhandled: unknown[] = []
  const keep = (reason: unknown) => unhandled.push(reason)
  beforeEach(() => {
    process.on('unhandledRejection', keep)
  })
  afterEach(async () => {
    const startedMs = performance.now()
    await office.close()
    expect(performance.now() - startedMs).toBeLessThan(30_000)
    await redis?.stop()
    process.off('unhandledRejection', keep)
    expect(unhandled).toEqual([])
  })

  /** Adds alarms until one is taken and heard. */
  const works = () =>
    expect
      .poll(async () => {
        const id = aTicket()
        await office.queue.setAlarm(id, 1, 0).catch(() => {})
        await new Promise((done) => setTimeout(done, 50))
        return office.attended.includes(id)
      })
      .toBe(true)

  test('a Redis that is away at the start is told in words; when it comes, everything works', async () => {
    const port = await freePort()
    office = await anOffice(`redis://:secret@127.0.0.1:${port}`)
    expect(office.store.trouble()).toBe(`nothing listens at 127.0.0.1:${port} (REDIS_URL)`)
    const { error, ms } = await timed(office.queue.setAlarm(aTicket(), 1, 0))
    expect(error).toContain('nothing listens')
    expect(ms).toBeLessThan(SOON_MS)
    expect(office.lines.join('\n')).not.toContain('secret')
    redis = await startRedisAt(port, '--requirepass', 'secret')
    await works()
    expect(office.store.trouble()).toBeNull()
  })

  test('killed and restarted: adding fails at once meanwhile, the alarms set before ring', async () => {
    redis = await startRedis()
    office = await anOffice(redis.url)
    await works()
    const before = aTicket()
    await office.queue.setAlarm(before, 1, 2_000)
    await redis.kill()
    const { error, ms } = await timed(office.queue.setAlarm(aTicket(), 1, 0))
    expect(error).toMatch(/broke|nothing listens|closed/)
    expect(ms).toBeLessThan(SOON_MS)
    await redis.start()
    await works()
    await expect.poll(() => office.attended).toContain(before)
    // One line when it went, one when it came back, however many attempts there were.
    expect(office.lines.filter((line) => line.includes('is away'))).toHaveLength(1)
  })

  test('frozen: adding gives up soon, then fails at once; thawed, it goes on', async () => {
    redis = await startRedis()
    office = await anOffice(redis.url)
    await works()
    redis.freeze()
    const first = await timed(office.queue.setAlarm(aTicket(), 1, 0))
    expect(first.error).not.toBeNull()
    expect(first.ms).toBeLessThan(SOON_MS)
    const second = await timed(office.queue.setAlarm(aTicket(), 1, 0))
    expect(second.error).toContain('does not answer')
    // Longer than the silence after which a connection is taken for dead.
    await new Promise((done) => setTimeout(done, 6_500))
    redis.thaw()
    await works()
  })

  test('closing does not wait for a frozen Redis', async () => {
    redis = await startRedis()
    office = await anOffice(redis.url)
    await works()
    redis.freeze()
  })

  test('a connection that is dead without a word is given up and made anew', async () => {
    redis = await startRedis()
    const network = await aNetwork(redis.port)
    office = await anOffice(`redis://127.0.0.1:${network.port}`)
    await works()
    network.swallow()
    expect((await timed(office.queue.setAlarm(aTicket(), 1, 0))).ms).toBeLessThan(SOON_MS)
    await works()
    network.close()
  })

  test('emptied, its scripts forgotten, all connections cut: the next alarm rings', async () => {
    redis = await startRedis()
    office = await anOffice(redis.url)
    await works()
    await redis.command('FLUSHALL')
    await works()
    await redis.command('SCRIPT', 'FLUSH')
    await works()
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
    await works()
  })

  test('full: it is said, and it works again once there is room', async () => {
    redis = await startRedis()
    office = await anOffice(redis.url)
    await works()
    await redis.command('CONFIG', 'SET', 'maxmemory', '1mb')
    await expect
      .poll(async () => (await timed(office.queue.setAlarm(aTicket(), 1, 0))).error)
      .toContain('out of memory')
    expect(office.store.trouble()).toContain('out of memory')
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await works()
    expect(office.store.trouble()).toBeNull()
  })

  test('a wrong password is told as one, and never repeated', async () => {
    redis = await startRedis('--requirepass', 'right')
    office = await anOffice(`redis://:wrong-one@127.0.0.1:${redis.port}`)
    expect(office.store.trouble()).toContain('refuses the user or password')
    expect((await timed(office.queue.setAlarm(aTicket(), 1, 0))).ms).toBeLessThan(SOON_MS)
    expect(office.lines.join('\n')).not.toContain('wrong-one')
  })

  test('a server that evicts, or keeps nothing, is named with the remedy, and used all the same', async () => {
    redis = await startRedis('--maxmemory-policy', 'allkeys-lru', '--appendonly', 'no')
    office = await anOffice(redis.url)
    await works()
    const said = office.lines.join('\n')
    expect(said).toMatch(/error .*evicts.*set maxmemory-policy noeviction/)
    expect(said).toMatch(/warn .*set appendonly yes/)
  })

  test('a managed server that hides its configuration is tolerated', async () => {
    redis = await startRedis('--rename-command', 'CONFIG', '', '--appendonly', 'no')
    office = await anOffice(redis.url)
    await works()
    expect(office.lines.join('\n')).toMatch(/warn .*configuration may not be read here/)
  })
})
