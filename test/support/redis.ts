/** A real Redis of one's own, which can be killed, frozen, emptied and started again on the same data. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { atExit, temporaryDirectory } from './gateway-process.ts'
import { skippedHere } from './missing.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** SIGKILL: nothing is flushed, clients see a reset. Resolves when it is gone. */
  kill(): Promise<void>
  /** On the same port and the same data. Resolves when it answers. */
  start(): Promise<void>
  /** SIGSTOP and SIGCONT: connections stay open and nobody answers. */
  freeze(): void
  thaw(): void
  /** One command by a client of its own. */
  command(name: string, ...args: string[]): Promise<unknown>
  stop(): Promise<void>
}

const hasServer = spawnSync('redis-server', ['--version']).status === 0

/**
 * Whether the tests that need a Redis must be skipped: somebody who has just cloned the project may have none.
 * Where every submission is tested, its absence is a failure.
 */
export function isRedisMissing(): boolean {
  return !hasServer && skippedHere('redis-server is not installed', 'apt-get install redis-server')
}

export async function startRedis(...settings: string[]): Promise<RedisServer> {
  return startRedisAt(await freePort(), ...settings)
}

export async function startRedisAt(port: number, ...settings: string[]): Promise<RedisServer> {
  const directory = temporaryDirectory()
  let child: ChildProcess | null = null
  const exits = new WeakMap<ChildProcess, Promise<void>>()
  atExit.push(() => child?.kill('SIGKILL'))

  async function command(name: string, ...args: string[]): Promise<unknown> {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => {})
    try {
      await client.connect()
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }

  async function start(): Promise<void> {
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
    const started = spawn('redis-server', [...own, ...durable, ...settings], { stdio: 'ignore' })
    child = started
    exits.set(started, new Promise((done) => started.once('exit', () => done())))
    const giveUpMs = performance.now() + 60_000
    while (performance.now() < giveUpMs) {
      // A server that asks for a password is up as well; one that is still loading is not.
      if (/PONG|NOAUTH/.test(await ping(port))) return
      await new Promise((done) => setTimeout(done, 25))
    }
    started.kill('SIGKILL')
    throw new Error('redis-server does not answer')
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child
    if (ending === null) return
    child = null
    ending.kill(signal)
    // A stopped process takes signals other than SIGKILL only when it goes on.
    ending.kill('SIGCONT')
    await exits.get(ending)
  }

  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill: () => end('SIGKILL'),
    start,
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    command,
    stop: () => end('SIGKILL'),
  }
}

function ping(port: number): Promise<string> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', (answer) => {
      socket.destroy()
      done(answer.toString())
    })
    socket.once('error', (error) => done(error.message))
  })
}
