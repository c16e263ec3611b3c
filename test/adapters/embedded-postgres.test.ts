/** The embedded server against what happens to real ones: kills, races, foreign users, bad directories. No part of it is faked. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { installedPackage, usableBinaries } from '../../src/ledger/embedded/binaries.ts'
import { type Host, thisHost } from '../../src/ledger/embedded/host.ts'
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
  startEmbeddedPostgresOn,
} from '../../src/ledger/embedded/start.ts'
import { EmbeddedPostgresUnavailable } from '../../src/ledger/embedded/unavailable.ts'

const isRoot = process.getuid?.() === 0
const nobody = thisHost().unprivileged ?? { uid: -1, gid: -1 }
const log = { debug() {}, info() {}, warn() {}, error() {} }

const root = process.cwd()
/** Inside the project, so that the compiled files find its packages. */
const compiledDir = join(root, 'node_modules', '.cache', `holdpoint-embedded-${process.pid}`)

const dirs: string[] = []
const servers: EmbeddedPostgres[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  await mkdir(compiledDir, { recursive: true })
  const project = join(compiledDir, 'tsconfig.json')
  await writeFile(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, rootDir: root, outDir: compiledDir, types: ['node'] },
      files: [join(root, 'src/ledger/embedded/start.ts')],
      include: [],
    }),
  )
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
    cwd: root,
  })
  await writeFile(join(compiledDir, 'package.json'), '{"type":"module"}')
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(servers.splice(0).map((server) => server.stop().catch(() => null)))
  for (const dir of dirs.splice(0)) {
    for (const cluster of await clustersUnder(dir)) await killServer(cluster)
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  }
})

afterAll(() => rm(compiledDir, { recursive: true, force: true }))

async function aDir(): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'holdpoint-embedded-')))
  chmodSync(dir, 0o755)
  dirs.push(dir)
  return dir
}

async function start(dataDir: string, host: Host = thisHost()): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgresOn(host, { dataDir, log })
  servers.push(server)
  return server
}

/** Starts the server in a process of its own, which stops it when its input ends, and can be killed. */
async function startInChild(dataDir: string, account: { uid?: number; gid?: number } = {}) {
  const module = pathToFileURL(join(compiledDir, 'src/ledger/embedded/start.js')).href
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)})
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    try {
      const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log })
      console.log(JSON.stringify({ how: server.how, connectionString: server.connectionString }))
      process.stdin.resume().once('end', () => server.stop().then(() => process.exit(0)))
    } catch (error) {
      console.log(JSON.stringify({ how: String(error), connectionString: '' }))
      process.exit(1)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    ...account,
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const answer = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      const { how, connectionString } = JSON.parse(line)
      return { how: String(how), connectionString: String(connectionString) }
    }
    throw new Error('the child ended without an answer')
  })()
  return {
    child,
    answer,
    ended,
    async stop() {
      child.stdin.end()
      await ended
    },
    async kill(signal: NodeJS.Signals) {
      // The whole group, as a terminal does.
      if (child.pid !== undefined) process.kill(-child.pid, signal)
      await ended
    },
  }
}

async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const remember = (server: { connectionString: string }) =>
  query(server.connectionString, "create table kept as select 'still here' as note")
const recall = async (server: { connectionString: string }) =>
  (await query(server.connectionString, 'select note from kept'))[0]
const kept = { note: 'still here' }

async function clustersUnder(dir: string): Promise<string[]> {
  const found = await readdir(dir, { recursive: true }).catch(() => [])
  return found.filter((name) => name.endsWith('postmaster.pid')).map((name) => join(dir, name, '..'))
}

const pidOf = async (cluster: string): Promise<number> =>
  Number.parseInt(await readFile(join(cluster, 'postmaster.pid'), 'utf8'), 10)

function family(pid: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return rows
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number))
    .flatMap(([child = -1, parent = -1]) => (child === pid || parent === pid ? [child] : []))
}

/** No shutdown, no clean-up: as the kernel does when memory runs out. */
async function killServer(cluster: string): Promise<void> {
  const pid = await pidOf(cluster).catch(() => 0)
  if (!(await commandLine(pid)).includes(cluster)) return
  for (const one of family(pid)) process.kill(one, 'SIGKILL')
  await expect.poll(() => commandLine(pid)).toBe('')
}

const commandLine = (pid: number): Promise<string> =>
  readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() =>
    process.platform === 'linux'
      ? ''
      : execFileSync('sh', ['-c', `ps -ww -o command= -p ${pid} || :`]).toString(),
  )

async function refusal(starting: Promise<unknown>): Promise<EmbeddedPostgresUnavailable> {
  const error = await starting.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof EmbeddedPostgresUnavailable) return error
  throw new Error(`expected a refusal, got ${error}`)
}

describe('a server of our own', () => {
  test('the first start makes it, private and durable, and stop leaves nothing running', async () => {
    const dataDir = join(await aDir(), 'project', '.holdpoint')
    const server = await start(dataDir)
    expect(server.how).toBe('initialised')
    const [settings] = await query(
      server.connectionString,
      `select current_setting('fsync') as fsync, current_setting('data_checksums') as checksums,
              current_setting('listen_addresses') as tcp, current_setting('server_encoding') as encoding,
              current_setting('server_version_num')::int / 10000 as major`,
    )
    expect(settings).toEqual({ fsync: 'on', checksums: 'on', tcp: '', encoding: 'UTF8', major: 18 })
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(dataDir, 'socket'))).mode & 0o777).toBe(0o700)

    const pid = await pidOf(join(dataDir, 'postgres'))
    await server.stop()
    await server.stop()
    expect(await commandLine(pid)).toBe('')
    expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false)
  })

  test('a restart keeps the data', async () => {
    const dataDir = await aDir()
    const first = await start(dataDir)
    await remember(first)
    await first.stop()

    const second = await start(dataDir)
    expect(second.how).toBe('restarted')
    expect(await recall(second)).toEqual(kept)
  })

  test('a pool that was left open does not keep the server from stopping', async () => {
    const server = await start(await aDir())
    const pool = new pg.Pool({ connectionString: server.connectionString })
    pool.on('error', () => {})
    await pool.query('select 1')
    await server.stop()
    await expect(query(server.connectionString, 'select 1')).rejects.toThrow()
    await pool.end()
  })

  test('a data directory with a path too long for a socket is served from a short one', async () => {
    const dataDir = join(
      await aDir(),
      'a-rather-long-name-'.repeat(6),
      "with 'quotes' and $money",
      '.holdpoint',
    )
    const first = await start(dataDir)
    await remember(first)
    const socketDir = decodeURIComponent(new URL(first.connectionString).host.replace(/:\d+$/, ''))
    expect(socketDir.length).toBeLessThan(89)
    expect((await stat(socketDir)).mode & 0o777).toBe(0o700)
    dirs.push(socketDir)
    await first.stop()

    const second = await start(dataDir)
    expect(second.connectionString).toBe(first.connectionString)
    expect(await recall(second)).toEqual(kept)
  })
})

describe('kills', () => {
  test('a server that survived the kill -9 of its process is adopted with its data', async () => {
    const dataDir = await aDir()
    const before = await startInChild(dataDir)
    const answer = await before.answer
    expect(answer.how).toBe('initialised')
    await remember(answer)
    const pid = await pidOf(join(dataDir, 'postgres'))
    await before.kill('SIGKILL')

    const server = await start(dataDir)
    expect(server.how).toBe('adopted')
    expect(await pidOf(join(dataDir, 'postgres'))).toBe(pid)
    expect(await recall(server)).toEqual(kept)
    await server.stop()
    expect(await commandLine(pid)).toBe('')
  })

  test('Ctrl-C in the terminal reaches our process group and not the server', async () => {
    const dataDir = await aDir()
    const before = await startInChild(dataDir)
    const answer = await before.answer
    await before.kill('SIGINT')
    expect(await query(answer.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('after a kill -9 of everything the next start recovers what was committed', async () => {
    const dataDir = await aDir()
    const before = await startInChild(dataDir)
    await remember(await before.answer)
    await before.kill('SIGKILL')
    await killServer(join(dataDir, 'postgres'))
    expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(true)

    const server = await start(dataDir)
    expect(server.how).toBe('restarted')
    expect(await recall(server)).toEqual(kept)
  })

  test('a stale pid file whose number is now another program does not block the start', async () => {
    const dataDir = await aDir()
    const cluster = join(dataDir, 'postgres')
    await remember(await start(dataDir))
    await killServer(cluster)
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    children.push(bystander)
    const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8')
    await writeFile(join(cluster, 'postmaster.pid'), text.replace(/^\d+/, String(bystander.pid)))

    const server = await start(dataDir)
    expect(await recall(server)).toEqual(kept)
    expect(bystander.exitCode).toBeNull()
  })

  test('an initialisation killed in the middle is redone and leaves nothing behind', async () => {
    const dataDir = join(await aDir(), '.holdpoint')
    const before = await startInChild(dataDir)
    before.answer.catch(() => {})
    const drafts = async () =>
      (await readdir(dataDir).catch(() => [])).filter((name) => name.startsWith('postgres.new-'))
    await vi.waitFor(
      async () => {
        const [draft = 'none'] = await drafts()
        expect(existsSync(join(dataDir, draft, 'PG_VERSION'))).toBe(true)
      },
      { timeout: 60_000, interval: 5 },
    )
    await before.kill('SIGKILL')
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false)
    expect(await drafts()).toHaveLength(1)

    const server = await start(dataDir)
    expect(server.how).toBe('initialised')
    expect(await query(server.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await drafts()).toEqual([])
  })
})

describe('several processes', () => {
  test('of two that start at once exactly one initialises, and the server runs until the last has stopped', async () => {
    const dataDir = await aDir()
    const two = await Promise.all([startInChild(dataDir), startInChild(dataDir)])
    const answers = await Promise.all(two.map((one) => one.answer))
    expect(answers.map(({ how }) => how).filter((how) => how === 'initialised')).toHaveLength(1)
    expect(answers[0]?.connectionString).toBe(answers[1]?.connectionString)
    const [answer] = answers
    if (answer === undefined) throw new Error('no answer')
    await remember(answer)

    await two[0].stop()
    expect(await recall(answer)).toEqual(kept)
    await two[1].stop()
    await expect(recall(answer)).rejects.toThrow()
  })

  test('of several that stop at once one stops the server', async () => {
    const dataDir = await aDir()
    const all = await Promise.all([start(dataDir), start(dataDir), start(dataDir)])
    const pid = await pidOf(join(dataDir, 'postgres'))
    await Promise.all(all.map((server) => server.stop()))
    expect(await commandLine(pid)).toBe('')
  })

  test('a start during a stop gets a server that stays', async () => {
    const dataDir = await aDir()
    const first = await start(dataDir)
    await remember(first)
    const [second] = await Promise.all([start(dataDir), first.stop()])
    await sleep(200)
    expect(await recall(second)).toEqual(kept)
  })

  test('a copy of a running data directory gets a server of its own', async () => {
    const dir = await aDir()
    const original = await start(join(dir, 'original'))
    await query(original.connectionString, 'checkpoint')
    execFileSync('cp', ['-a', join(dir, 'original'), join(dir, 'copy')])
    const copy = await start(join(dir, 'copy'))
    expect(copy.how).toBe('restarted')
    await remember(copy)
    await expect(recall(original)).rejects.toThrow(/does not exist/)
  })
})

describe('users', () => {
  test('an ordinary user runs it as itself', async ({ skip }) => {
    if (!isRoot) skip('every other test runs as one')
    const dataDir = await aDir()
    chownSync(dataDir, nobody.uid, nobody.gid)
    const child = await startInChild(dataDir, nobody)
    const answer = await child.answer
    expect(answer.how).toBe('initialised')
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(nobody.uid)
    await child.stop()

    // Root serves it as its owner, so that the owner can go on.
    await (await start(dataDir)).stop()
    const again = await startInChild(dataDir, nobody)
    expect((await again.answer).how).toBe('restarted')
    await again.stop()
  })

  test('root without user namespaces runs it as nobody, and goes on with data it made in one', async ({
    skip,
  }) => {
    if (!isRoot) skip('needs root')
    const dataDir = await aDir()
    const inNamespace = await start(dataDir)
    await remember(inNamespace)
    await inNamespace.stop()

    const server = await start(dataDir, { ...thisHost(), userNamespaces: 'forbidden' })
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(nobody.uid)
    expect((await stat(`/proc/${await pidOf(join(dataDir, 'postgres'))}`)).uid).toBe(nobody.uid)
    expect(await recall(server)).toEqual(kept)
    await server.stop()

    const later = await start(dataDir)
    expect(await recall(later)).toEqual(kept)
  })

  test('data that nobody could not reach is kept elsewhere, found again, and missed when it is gone', async ({
    skip,
  }) => {
    if (!isRoot) skip('needs root')
    const dir = await aDir()
    const dataDir = join(dir, 'private', '.holdpoint')
    await mkdir(join(dir, 'private'), { mode: 0o700 })
    const host: Host = { ...thisHost(), userNamespaces: 'forbidden', persistentDir: join(dir, 'elsewhere') }
    const first = await start(dataDir, host)
    await remember(first)
    await first.stop()
    expect(await readdir(dataDir)).toEqual(['postgres-location.txt'])

    const second = await start(dataDir, host)
    expect(second.how).toBe('restarted')
    expect(await recall(second)).toEqual(kept)
    await second.stop()

    await rm(join(dir, 'elsewhere'), { recursive: true })
    const { reason, message } = await refusal(start(dataDir, host))
    expect(reason).toBe('data')
    expect(message).toContain('postgres-location.txt')
  })

  test('a user id without a name needs a user namespace, and is told so', async () => {
    const dataDir = join(await aDir(), '.holdpoint')
    const host: Host = { ...thisHost(), uid: 54_321, isNamed: false, userNamespaces: 'forbidden' }
    const { reason, message } = await refusal(start(dataDir, host))
    expect(reason).toBe('user')
    expect(message).toMatch(/54321 has no name.*DATABASE_URL/)
    expect(existsSync(dataDir)).toBe(false)
  })

  test('a user id without a name runs it in a user namespace', async ({ skip }) => {
    if (!isRoot) skip('needs root to become another user')
    const dataDir = await aDir()
    chownSync(dataDir, 54_321, 54_321)
    const child = await startInChild(dataDir, { uid: 54_321, gid: 54_321 })
    expect((await child.answer).how).toBe('initialised')
    await child.stop()
  })
})

describe('the programs', () => {
  test('library links that no install script made are made', async () => {
    const packageDir = await aPackageWithoutLinks()
    const { uid, gid } = thisHost()
    const binaries = await usableBinaries(packageDir, await aDir(), { kind: 'self', uid, gid })
    expect(binaries.postgres).toBe(join(packageDir, 'native', 'bin', 'postgres'))
    expect(binaries.major).toBe('18')
  })

  test('programs out of reach are copied to where they can be reached', async ({ skip }) => {
    if (!isRoot) skip('needs root')
    const packageDir = await aPackageWithoutLinks()
    await chmod(packageDir, 0o700)
    const homeDir = await aDir()
    const binaries = await usableBinaries(packageDir, homeDir, { kind: 'dropped', ...nobody })
    expect(binaries.postgres.startsWith(homeDir)).toBe(true)
  })

  async function aPackageWithoutLinks(): Promise<string> {
    const packageDir = await aDir()
    await cp(installedPackage(thisHost()), packageDir, { recursive: true, verbatimSymlinks: true })
    const lib = join(packageDir, 'native', 'lib')
    for (const entry of await readdir(lib, { withFileTypes: true })) {
      if (entry.isSymbolicLink()) await rm(join(lib, entry.name))
    }
    return packageDir
  }
})

describe('where it cannot work', () => {
  test('a directory that cannot be written is named, with the remedy', async () => {
    const dir = await aDir()
    await chmod(dir, 0o555)
    if (isRoot) {
      const child = await startInChild(join(dir, '.holdpoint'), nobody)
      expect((await child.answer).how).toMatch(/may not write.*\.holdpoint.*DATABASE_URL/)
    } else {
      expect((await refusal(start(join(dir, '.holdpoint')))).message).toMatch(/may not write.*DATABASE_URL/)
    }
    expect(await readdir(dir)).toEqual([])
  })

  test('another user’s data is named as such', async ({ skip }) => {
    if (!isRoot) skip('needs root to become another user')
    const dataDir = await aDir()
    await (await start(dataDir)).stop()
    const child = await startInChild(dataDir, nobody)
    expect((await child.answer).how).toMatch(/belongs to user 0/)
  })

  test.each([
    ['a platform without programs', { platform: 'sunos' }, 'platform', /sunos/],
    ['Windows, where Node cannot use the socket', { platform: 'win32', arch: 'x64' }, 'platform', /WSL/],
    ['a package that was not installed', otherMachine(), 'package', /not installed/],
  ] as const)('%s is named, and nothing is made', async (_, facts, reason, words) => {
    const dataDir = join(await aDir(), '.holdpoint')
    const refused = await refusal(start(dataDir, { ...thisHost(), ...facts }))
    expect(refused.reason).toBe(reason)
    expect(refused.message).toMatch(words)
    expect(refused.message).toContain('DATABASE_URL=')
    expect(existsSync(dataDir)).toBe(false)
  })

  test('a directory of something else is left alone', async () => {
    const dataDir = await aDir()
    await mkdir(join(dataDir, 'postgres'))
    await writeFile(join(dataDir, 'postgres', 'notes.txt'), 'mine')
    const { reason } = await refusal(startEmbeddedPostgres({ dataDir, log }))
    expect(reason).toBe('data')
    expect(await readdir(join(dataDir, 'postgres'))).toEqual(['notes.txt'])
  })

  test('data of another major version is left alone', async () => {
    const dataDir = await aDir()
    await (await start(dataDir)).stop()
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '17\n')
    expect((await refusal(start(dataDir))).message).toMatch(/made by PostgreSQL 17, and this is 18/)
  })

  test('a server that ends at once is quoted', async () => {
    const dataDir = await aDir()
    await (await start(dataDir)).stop()
    await writeFile(join(dataDir, 'postgres', 'postgresql.auto.conf'), "shared_buffers = 'many'\n")
    const { reason, message } = await refusal(start(dataDir))
    expect(reason).toBe('start')
    expect(message).toMatch(/shared_buffers/)
  })
})

/** A machine we have programs for, and this is not it. */
function otherMachine(): Pick<Host, 'platform' | 'arch'> {
  return { platform: process.platform === 'linux' ? 'darwin' : 'linux', arch: 'x64' }
}
