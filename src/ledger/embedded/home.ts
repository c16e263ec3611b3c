/** Where the server lives: its data, and the private directory of its socket. The same data directory gives the same places again. */
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './host.ts'
import { giveTo, type Identity } from './identity.ts'
import { EmbeddedPostgresUnavailable, unless } from './unavailable.ts'

export interface Home {
  readonly dir: string
  readonly cluster: string
  /** 0700: whoever can open the socket is trusted, so nobody else may come near it. */
  readonly socketDir: string
}

/** sun_path holds 108 bytes on Linux and 104 on macOS, with `/.s.PGSQL.5432` and a final zero in it. */
const SOCKET_DIR_BYTES_MAX = 88

const fingerprint = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

export function homeAt(host: Host, dir: string): Home {
  const candidates = [
    join(dir, 'socket'),
    ...host.tmpDirs.map((tmp) => join(tmp, `holdpoint-${fingerprint(dir)}`)),
  ]
  const socketDir = candidates.find(
    // PostgreSQL takes a comma-separated list of directories, so only plain paths go in.
    (path) => Buffer.byteLength(path) <= SOCKET_DIR_BYTES_MAX && /^[\w./@+-]+$/.test(path),
  )
  if (socketDir === undefined) {
    throw new EmbeddedPostgresUnavailable(
      'directory',
      'there is no directory with a path short enough for a socket',
    )
  }
  return { dir, cluster: join(dir, 'postgres'), socketDir }
}

/** The home away from home, for an account that cannot reach `dataDir`. */
export const awayFrom = (host: Host, dataDir: string): Home =>
  homeAt(host, join(host.persistentDir, fingerprint(dataDir)))

const LOCATION = 'postgres-location.txt'

/** Where the data of `dataDir` is. */
export async function recordedHome(host: Host, dataDir: string): Promise<Home> {
  const text = await readFile(join(dataDir, LOCATION), 'utf8').catch(unless('ENOENT'))
  if (text === null) return homeAt(host, dataDir)
  const home = homeAt(host, text.trim())
  if (await isCluster(home)) return home
  // Starting with an empty ledger would forget every approval without a word.
  throw new EmbeddedPostgresUnavailable(
    'data',
    `${join(dataDir, LOCATION)} says that the data is in ${home.cluster}, and it is not (delete that file to begin anew)`,
  )
}

/** Written after the data is there, so that a recorded place which is empty means loss and not a start cut short. */
export async function recordHome(dataDir: string, home: Home): Promise<void> {
  if (home.dir === dataDir) return
  const draft = join(dataDir, `${LOCATION}.new-${process.pid}`)
  await writeFile(draft, `${home.dir}\n`)
  await rename(draft, join(dataDir, LOCATION))
}

/** A directory named `postgres` with anything in it; an empty one is as good as none. */
export async function isCluster(home: Home): Promise<boolean> {
  return ((await readdir(home.cluster).catch(unless('ENOENT'))) ?? []).length > 0
}

/** Makes the socket's directory private to the identity, and refuses one that somebody else has put there. */
export async function makeSocketDir(host: Host, home: Home, identity: Identity): Promise<void> {
  await mkdir(home.socketDir, { mode: 0o700 }).catch(unless('EEXIST'))
  const found = await lstat(home.socketDir)
  if (!found.isDirectory() || ![host.uid, identity.uid].includes(found.uid)) {
    throw new EmbeddedPostgresUnavailable('directory', `${home.socketDir} belongs to user ${found.uid}`)
  }
  await chmod(home.socketDir, 0o700)
  await giveTo(identity, home.socketDir)
}
