/**
 * The embedded server: real PostgreSQL from npm, on a unix socket only, under the data directory. It outlives us when we are
 * killed, and the next start adopts it. It runs, or one sentence says why it cannot and nothing half-made is left.
 */
import { mkdir, realpath, rmdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../ports/log.ts'
import { type Binaries, installedPackage, usableBinaries } from './binaries.ts'
import { initialise, PORT, SUPERUSER, writeSettings } from './cluster.ts'
import { type Home, makeSocketDir, recordedHome, recordHome } from './home.ts'
import { type Host, thisHost } from './host.ts'
import { defuseStaleLocks, isPostgres, type Launch, launch, readPidFile, stopPostgres } from './postmaster.ts'
import { type Greeting, greet, type Presence } from './presence.ts'
import { refuseAnothersData, type Settled, settle } from './settle.ts'
import { explain, failed } from './unavailable.ts'

export interface EmbeddedPostgres {
  readonly connectionString: string
  readonly how: 'initialised' | 'restarted' | 'adopted'
  /**
   * Stops the server, unless another process uses it too; then the last one does. Close pools first: open ones are cut.
   * May be called again.
   */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string
  readonly log: Log
}

/** Long enough for recovery after a power cut and for a dying server to let go; a healthy start takes a second at most. */
const START_MS_MAX = 120_000

export const startEmbeddedPostgres = (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgresOn(thisHost(), options)

/** @throws EmbeddedPostgresUnavailable with the reason and the remedy */
export async function startEmbeddedPostgresOn(
  host: Host,
  { dataDir, log }: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const startedAtMs = performance.now()
  const packageDir = installedPackage(host)
  let made: string | undefined
  try {
    // Others may pass, for a server under another account, and see nothing: every directory in it is private by itself.
    made = await mkdir(dataDir, { recursive: true, mode: 0o711 })
    const { home, presence, how } = await arrive(host, packageDir, await realpath(dataDir), log)
    const tookMs = Math.round(performance.now() - startedAtMs)
    log.info({ how, cluster: home.cluster, tookMs }, 'the embedded PostgreSQL is up')
    let stopping: Promise<void> | null = null
    return {
      connectionString: connectionStringOf(presence),
      how,
      stop() {
        stopping ??= depart(home, presence, log)
        return stopping
      },
    }
  } catch (error) {
    // Goes only while it is empty.
    if (made !== undefined) await rmdir(dataDir).catch(() => null)
    throw explain(error)
  }
}

/** The host of a URL may be a socket's directory, percent-encoded: `pg` and libpq both read it so. */
function connectionStringOf({ socketDir }: Presence): string {
  // Explicit, because PGPORT and PGSSLMODE in the environment would otherwise apply.
  return `postgresql://${SUPERUSER}@${encodeURIComponent(socketDir)}:${PORT}/postgres?sslmode=disable`
}

interface Arrival {
  readonly home: Home
  readonly presence: Presence
  readonly how: EmbeddedPostgres['how']
}

async function arrive(host: Host, packageDir: string, dataDir: string, log: Log): Promise<Arrival> {
  const known = await recordedHome(host, dataDir)
  await refuseAnothersData(host, known)
  const greeting = await greetAny(known)
  if (greeting.kind === 'present') return { home: known, presence: greeting.presence, how: 'adopted' }

  const settled = await settle(host, known, log)
  const { home, identity } = settled
  await mkdir(home.dir, { recursive: true, mode: 0o711 })
  const binaries = await usableBinaries(packageDir, home.dir, identity)
  const isNew = await initialise(home, binaries, identity)
  await recordHome(dataDir, home)
  await makeSocketDir(host, home, identity)
  const { presence, isOurs } = await startOrJoin(settled, binaries)
  return { home, presence, how: isNew ? 'initialised' : isOurs ? 'restarted' : 'adopted' }
}

/** The running server may listen where an earlier version, or a process with another TMPDIR, put its socket. */
async function greetAny(home: Home): Promise<Greeting> {
  const recorded = (await readPidFile(home))?.socketDir ?? null
  if (recorded !== null && recorded !== home.socketDir) {
    const greeting = await greet(home.cluster, recorded)
    if (greeting.kind === 'present') return greeting
  }
  return greet(home.cluster, home.socketDir)
}

/** Starts a server unless one is there, in a loop, because another process may do the same or stop it at any moment. */
async function startOrJoin(
  { home, identity }: Settled,
  binaries: Binaries,
): Promise<{ presence: Presence; isOurs: boolean }> {
  const deadline = performance.now() + START_MS_MAX
  let launched: Launch | null = null
  for (;;) {
    const greeting = await greetAny(home)
    if (greeting.kind === 'present') {
      const isOurs = launched !== null && (await readPidFile(home))?.pid === launched.pid
      return { presence: greeting.presence, isOurs }
    }
    const ended = (await launched?.ended()) ?? null
    if (ended !== null) {
      if (!ended.isPassing) throw failed('start', 'PostgreSQL ended at once', ended.said)
      launched = null
      await sleep(100)
    }
    if (performance.now() > deadline) {
      const why = ended?.said ?? ('reason' in greeting ? greeting.reason : greeting.kind)
      throw failed('start', 'PostgreSQL did not answer in time', why)
    }
    if (greeting.kind !== 'busy' && launched === null) {
      // A server of other data on our socket would take it along when it ends; its lock is to be waited for.
      if (greeting.kind === 'absent') await defuseStaleLocks(home)
      await writeSettings(home)
      launched = await launch(home, binaries, identity)
    }
    await sleep(20)
  }
}

async function depart(home: Home, presence: Presence, log: Log): Promise<void> {
  // A lost connection means that the server went down under us; if it is up again, we still owe it a stop.
  const isLast = await presence.leave().catch(() => null)
  if (isLast === null) {
    const greeting = await greetAny(home)
    if (greeting.kind === 'present') await depart(home, greeting.presence, log)
    return
  }
  try {
    if (!isLast) {
      log.info({ cluster: home.cluster }, 'the embedded PostgreSQL stays up: another process uses it')
      return
    }
    const found = await readPidFile(home)
    if (found === null || !(await isPostgres(found.pid))) {
      log.warn(
        { cluster: home.cluster },
        'the embedded PostgreSQL stays up: its process is not visible from here',
      )
      return
    }
    await stopPostgres(found.pid)
    log.info({ cluster: home.cluster }, 'the embedded PostgreSQL has stopped')
  } finally {
    await presence.end()
  }
}
