/** The data directory: made whole or not at all. It is prepared under another name and renamed, so a half-made one never bears its name. */
import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { type Home, isCluster } from './home.ts'
import { giveTo, type Identity, runAs } from './identity.ts'
import { EmbeddedPostgresUnavailable, errorCode, failed, unless } from './unavailable.ts'

export const SUPERUSER = 'holdpoint'
export const PORT = 5432

const DRAFT = 'postgres.new-'

/**
 * Of processes that start together, each prepares a directory of its own and one rename wins; so there is no lock that a
 * killed process could leave behind.
 * @returns whether this call made the data directory
 */
export async function initialise(home: Home, binaries: Binaries, identity: Identity): Promise<boolean> {
  await sweepDrafts(home)
  if (await isCluster(home)) {
    await checkVersion(home, binaries)
    return false
  }
  const draft = join(home.dir, `${DRAFT}${process.pid}-${randomBytes(4).toString('hex')}`)
  try {
    await mkdir(draft, { mode: 0o700 })
    await giveTo(identity, draft)
    const made = await runAs(identity, binaries.initdb, [
      `--pgdata=${draft}`,
      `--username=${SUPERUSER}`,
      // No password: the socket's directory lets nobody else in.
      '--auth=trust',
      // UTF-8 that sorts alike on every machine, whatever its C library.
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-instructions',
    ])
    if (!made.succeeded) throw failed('data', `initdb failed in ${home.dir}`, made.output)
    await appendFile(join(draft, 'postgresql.conf'), `\ninclude '${SETTINGS}'\n`)
    await rename(draft, home.cluster)
    await flushDirectory(home.dir)
    return true
  } catch (error) {
    // Another process was first.
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function checkVersion(home: Home, { major }: Binaries): Promise<void> {
  const found = await readFile(join(home.cluster, 'PG_VERSION'), 'utf8').catch(unless('ENOENT'))
  if (found === null) {
    throw new EmbeddedPostgresUnavailable('data', `${home.cluster} holds something that is not PostgreSQL's`)
  }
  if (found.trim() !== major) {
    const sentence = `${home.cluster} was made by PostgreSQL ${found.trim()}, and this is ${major}`
    throw new EmbeddedPostgresUnavailable('data', sentence)
  }
}

/** Drafts of processes that were killed. One that cannot be removed now is rubbish, not a problem. */
async function sweepDrafts(home: Home): Promise<void> {
  for (const name of await readdir(home.dir)) {
    const pid = name.startsWith(DRAFT) ? Number.parseInt(name.slice(DRAFT.length), 10) : Number.NaN
    if (Number.isNaN(pid) || isAlive(pid)) continue
    await rm(join(home.dir, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => null)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

/** The rename must outlive a power cut like everything after it. */
async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const SETTINGS = 'holdpoint.conf'

/** Written before every start, so that a newer version of this program brings its own settings to older data. */
export async function writeSettings(home: Home): Promise<void> {
  const settings = {
    listen_addresses: '',
    port: PORT,
    unix_socket_directories: home.socketDir,
    unix_socket_permissions: '0700',
    cluster_name: 'holdpoint',
    // Every pool of one machine, with room: a connection costs about 2 MB.
    max_connections: 120,
    // The ledger is small; a gigabyte of write-ahead log would be most of the directory.
    max_wal_size: '256MB',
    // One file for each hour of the day, overwritten a day later: the log has a limit. No statements, no details: those
    // hold values.
    logging_collector: 'on',
    log_filename: 'postgres-%H.log',
    log_rotation_age: '1h',
    log_rotation_size: 0,
    log_truncate_on_rotation: 'on',
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
  }
  const text = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  const draft = join(home.cluster, `${SETTINGS}.new-${randomBytes(4).toString('hex')}`)
  await writeFile(draft, text.join(''), { mode: 0o644, flag: 'wx' })
  await rename(draft, join(home.cluster, SETTINGS))
}
