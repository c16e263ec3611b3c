/** The server process: started apart from our process group, so that Ctrl-C reaches only us, and known by its pid file. */
import { execFile, spawn } from 'node:child_process'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { PORT } from './cluster.ts'
import type { Home } from './home.ts'
import { commandAs, type Identity } from './identity.ts'
import { errorCode, unless } from './unavailable.ts'

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
  const file = await open(path, 'r+').catch(unless('ENOENT'))
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
  /** What the server said before it ended; null while it runs. */
  readonly ended: () => Promise<string | null>
}

/** Spawned by us and not through pg_ctl, which passes the paths through a shell. */
export async function launch(home: Home, binaries: Binaries, identity: Identity): Promise<Launch> {
  const path = join(home.cluster, 'start.log')
  const size = (await stat(path).catch(unless('ENOENT')))?.size ?? 0
  const isTooLong = size > START_LOG_BYTES_MAX
  const log = await open(path, isTooLong ? 'w' : 'a', 0o600)
  const command = commandAs(identity, binaries.postgres, ['-D', home.cluster])
  const child = spawn(command.file, command.args, {
    ...command.options,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  let failure: string | null = null
  child.once('error', (error) => {
    failure = error.message
  })
  child.once('exit', (code, signal) => {
    failure ??= `exit ${code ?? signal}`
  })
  child.unref()
  await log.close()
  return {
    pid: child.pid,
    async ended() {
      if (failure === null) return null
      const early = (await readFile(path)).subarray(isTooLong ? 0 : size).toString()
      // Once its log collector runs, the server says everything there.
      const late = early.includes('logging collector') ? await newestLog(home) : ''
      return [failure, early, late].join('\n')
    },
  }
}

async function newestLog(home: Home): Promise<string> {
  const dir = join(home.cluster, 'log')
  let newest = { path: '', mtimeMs: 0 }
  for (const name of await readdir(dir)) {
    const { mtimeMs } = await stat(join(dir, name))
    if (mtimeMs > newest.mtimeMs) newest = { path: join(dir, name), mtimeMs }
  }
  return newest.path === '' ? '' : await readFile(newest.path, 'utf8')
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
