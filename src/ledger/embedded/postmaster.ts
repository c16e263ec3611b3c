/** The server process: started apart from our process group, so that Ctrl-C reaches only us, and known by its pid file. */
import { execFile, spawn } from 'node:child_process'
import { constants, open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { PORT } from './cluster.ts'
import type { Home } from './home.ts'
import { commandAs, type Identity } from './identity.ts'
import { errorCode, unless } from './unavailable.ts'

/** Root must not follow links that the owner of the data may have put there. */
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC, O_WRONLY } = constants

const STOP_MS_MAX = 60_000
const START_LOG_BYTES_MAX = 1_000_000
/** Above every pid a kernel hands out. */
const NO_PID = 2_147_483_647

export interface PidFile {
  readonly pid: number
  readonly socketDir: string | null
}

/** PostgreSQL's own record of who serves this directory: pid, directory, start time, port, socket directory, … */
export async function readPidFile(home: Home): Promise<PidFile | null> {
  const text = await readFile(join(home.cluster, 'postmaster.pid'), 'utf8').catch(unless('ENOENT'))
  const [pid, , , , socketDir] = text?.split('\n') ?? []
  if (pid === undefined || !/^[1-9]\d*$/.test(pid)) return null
  return { pid: Number(pid), socketDir: socketDir?.startsWith('/') ? socketDir : null }
}

/** Asks the process table: a pid file outlives `kill -9`, and its number is soon another program's, in containers at once. */
export async function isPostgres(pid: number): Promise<boolean> {
  return (await commandLineOf(pid)).includes('postgres')
}

async function commandLineOf(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    // Empty for a zombie, which a container without an init process keeps for ever.
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unless('ENOENT', 'ESRCH'))) ?? ''
  }
  const ps = promisify(execFile)('/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)])
  return ps.then(
    ({ stdout }) => stdout,
    () => '',
  )
}

/**
 * Makes lock files whose number is now somebody else's, or a zombie's, harmless: PostgreSQL would take it for a server. The
 * files stay: one names the shared memory by which PostgreSQL finds out whether orphans of the dead server still write.
 */
export async function defuseStaleLocks(home: Home): Promise<void> {
  await defuse(home, join(home.cluster, 'postmaster.pid'))
  await defuse(home, join(home.socketDir, `.s.PGSQL.${PORT}.lock`))
}

async function defuse(home: Home, path: string): Promise<void> {
  const file = await open(path, O_RDWR | O_NOFOLLOW).catch(unless('ENOENT'))
  if (file === null) return
  try {
    const text = await file.readFile('utf8')
    const pid = Number.parseInt(text, 10)
    if (Number.isNaN(pid) || pid === NO_PID) return
    const command = await commandLineOf(pid)
    if (command.includes('postgres') && command.includes(home.cluster)) return
    // Into the opened file: if another process starts the server meanwhile, that one has replaced it and is not touched.
    await file.write(text.replace(/^\d+/, String(NO_PID)), 0)
  } finally {
    await file.close()
  }
}

export interface Launch {
  readonly pid: number | undefined
  /** Null while the server runs. */
  readonly ended: () => Promise<Ended | null>
}

export interface Ended {
  /** The cause lies with other processes and passes by itself, so that another start may succeed. */
  readonly isPassing: boolean
  readonly said: string
}

/** Spawned by us and not through pg_ctl, which passes the paths through a shell. */
export async function launch(home: Home, binaries: Binaries, identity: Identity): Promise<Launch> {
  const path = join(home.cluster, 'start.log')
  const earlier = await newestLog(home)
  const size = (await stat(path).catch(unless('ENOENT')))?.size ?? 0
  const isTooLong = size > START_LOG_BYTES_MAX
  const log = await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | (isTooLong ? O_TRUNC : O_APPEND), 0o600)
  const command = commandAs(identity, binaries.postgres, ['-D', home.cluster])
  const child = spawn(command.file, command.args, {
    ...command.options,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  let exit: { how: string; isOthersDoing: boolean } | null = null
  child.once('error', (error) => {
    exit = { how: error.message, isOthersDoing: false }
  })
  child.once('exit', (code, signal) => {
    // Told to stop by a process that was the last to leave, or killed.
    exit ??= { how: `exit ${code ?? signal}`, isOthersDoing: code === 0 || signal === 'SIGKILL' }
  })
  child.unref()
  await log.close()
  return {
    pid: child.pid,
    async ended() {
      if (exit === null) return null
      const early = (await readFile(path)).subarray(isTooLong ? 0 : size).toString()
      const { path: latePath, text } = await newestLog(home)
      const late = latePath === earlier.path ? text.slice(earlier.text.length) : text
      const said = [exit.how, early, late].join('\n')
      // Another server holds the directory or the socket, or orphans of a killed one hold its memory.
      return { isPassing: exit.isOthersDoing || /lock file "|shared memory block/.test(said), said }
    },
  }
}

/** The file the log collector wrote to last; one for each hour, so what other servers said earlier may be in it too. */
async function newestLog(home: Home): Promise<{ path: string; text: string }> {
  const dir = join(home.cluster, 'log')
  let newest = { path: '', mtimeMs: 0 }
  for (const name of (await readdir(dir).catch(unless('ENOENT'))) ?? []) {
    const { mtimeMs } = await stat(join(dir, name))
    if (mtimeMs > newest.mtimeMs) newest = { path: join(dir, name), mtimeMs }
  }
  return { path: newest.path, text: newest.path === '' ? '' : await readFile(newest.path, 'utf8') }
}

/** "Fast": sessions are cut, everything committed is safe. Signalled by us: pg_ctl would need an identity for it. */
export async function stopPostgres(pid: number): Promise<void> {
  const deadline = performance.now() + STOP_MS_MAX
  try {
    process.kill(pid, 'SIGINT')
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error
  }
  while (await isPostgres(pid)) {
    if (performance.now() > deadline) {
      throw new Error(`PostgreSQL (process ${pid}) did not stop within ${STOP_MS_MAX / 1_000} s`)
    }
    await sleep(20)
  }
}
