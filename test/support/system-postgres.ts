/**
 * The operating system's own PostgreSQL (apt-get install postgresql) over TCP, as a team's server would be reached. It can be
 * restarted, killed, frozen, and followed by a standby.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { atExit, query, temporaryDirectory } from './gateway-process.ts'
import { skippedHere } from './missing.ts'

export interface SystemPostgres {
  readonly url: string
  readonly port: number
  /** On the same port and the same data. Resolves when it answers. */
  start(): Promise<void>
  /** As `pg_ctl stop`: `fast` cuts clients and writes a checkpoint, `immediate` is a crash of every backend. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** SIGKILL of the postmaster and every backend: what was not flushed is gone, and its lock file stays behind. */
  kill(): Promise<void>
  /** Stops the postmaster and every backend in their tracks: connections stay open and nobody answers. */
  freeze(): void
  thaw(): void
  /** A streaming standby of it, under this name for `synchronous_standby_names`. */
  standby(name: string): Promise<SystemPostgres>
  /** Of a standby: from now on it is a primary. Resolves when it takes changes. */
  promote(): Promise<void>
}

export interface PostgresOptions {
  /** `name=value` lines for the server. */
  readonly settings?: readonly string[]
  /** Where its data go, without WAL; otherwise a temporary directory. */
  readonly dataDirectory?: string
}

const programs = '/usr/lib/postgresql'

/** As `isRedisMissing`: skipped on a newcomer's machine, a failure where every submission is tested. */
export function isPostgresMissing(): boolean {
  return newest() === null && skippedHere('PostgreSQL is not installed', 'apt-get install postgresql')
}

export async function startSystemPostgres(options: PostgresOptions = {}): Promise<SystemPostgres> {
  const directory = ownDirectory()
  const data = options.dataDirectory ?? join(directory, 'data')
  if (options.dataDirectory === undefined) mkdirSync(data)
  giveAway(data)
  const wal = join(directory, 'wal')
  const initdb = ['-D', data, '-X', wal, '-U', 'holdpoint', '-A', 'trust', '-N']
  run('initdb', initdb)
  return serve(directory, data, options.settings ?? [])
}

async function serve(directory: string, data: string, settings: readonly string[]): Promise<SystemPostgres> {
  const port = await freePort()
  const url = `postgres://holdpoint@127.0.0.1:${port}/postgres`
  const own = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`]
  let running: { child: ChildProcess; ended: Promise<void> } | null = null
  atExit.push(() => running?.child.kill('SIGQUIT'))

  async function start(): Promise<void> {
    const lines = [...own, ...settings].flatMap((line) => ['-c', line])
    const child = spawn(program('postgres'), ['-D', data, ...lines], { ...asServer(), stdio: 'ignore' })
    running = { child, ended: new Promise((done) => child.once('exit', () => done())) }
    const giveUpMs = performance.now() + 120_000
    while (performance.now() < giveUpMs && child.exitCode === null) {
      try {
        await query(url, 'SELECT 1')
        return
      } catch {
        await new Promise((done) => setTimeout(done, 50))
      }
    }
    child.kill('SIGQUIT')
    throw new Error('PostgreSQL does not answer')
  }

  /** The postmaster first, so that it starts nothing new meanwhile. */
  function signal(name: NodeJS.Signals): void {
    const pid = running?.child.pid
    if (pid === undefined) return
    for (const each of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(each, name)
      } catch {
        // It has just ended.
      }
    }
  }

  await start()
  return {
    url,
    port,
    start,
    async stop(mode = 'fast') {
      const ending = running
      running = null
      ending?.child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
      await ending?.ended
    },
    async kill() {
      const ending = running
      signal('SIGKILL')
      running = null
      await ending?.ended
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async standby(name) {
      const home = ownDirectory()
      const copy = join(home, 'data')
      const from = `host=127.0.0.1 port=${port} user=holdpoint application_name=${name}`
      run('pg_basebackup', ['-d', from, '-D', copy, '-R', '-X', 'stream', '-c', 'fast'])
      return serve(home, copy, ['hot_standby=on'])
    },
    async promote() {
      await query(url, 'SELECT pg_promote()')
    },
  }
}

function ownDirectory(): string {
  const directory = temporaryDirectory()
  giveAway(directory)
  return directory
}

/** PostgreSQL refuses to run as root; its package brings an account. */
function asServer(): SpawnOptions & { cwd: string } {
  return { cwd: '/', ...account() }
}

function account(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const idOf = (flag: string) => Number(spawnSync('id', [flag, 'postgres']).stdout.toString())
  return { uid: idOf('-u'), gid: idOf('-g') }
}

function giveAway(path: string): void {
  const to = account()
  if (to !== null) chownSync(path, to.uid, to.gid)
}

function run(name: string, args: string[]): void {
  const made = spawnSync(program(name), args, { cwd: '/', ...account() })
  if (made.status !== 0) throw new Error(`${name} failed: ${made.stderr}`)
}

function program(name: string): string {
  const bin = newest()
  if (bin === null) throw new Error('PostgreSQL is not installed')
  return join(bin, name)
}

/** Where the newest version's programs are. */
function newest(): string | null {
  if (!existsSync(programs)) return null
  const versions = readdirSync(programs).sort((a, b) => Number(b) - Number(a))
  const paths = versions.map((version) => join(programs, version, 'bin'))
  return paths.find((path) => existsSync(join(path, 'initdb'))) ?? null
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent)
}

function parentOf(pid: number): number | null {
  try {
    // After the name, which may hold anything: the state, then the parent.
    const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return Number(parent)
  } catch {
    // It has just ended.
    return null
  }
}
