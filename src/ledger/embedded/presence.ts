/**
 * Being a guest of a running server. Every process that uses it holds a shared lock for as long as it does; the last to leave
 * takes the lock for itself and may stop the server. So nobody stops it under another, and no killed process counts.
 */
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { PORT, SUPERUSER } from './cluster.ts'
import { errorCode } from './unavailable.ts'

export type Greeting =
  | { readonly kind: 'present'; readonly presence: Presence }
  /** No server listens there. */
  | { readonly kind: 'absent' }
  /** One does, and it cannot be talked to at this moment: it starts, stops or recovers. */
  | { readonly kind: 'busy'; readonly reason: string }
  /** One does, and it serves other data. */
  | { readonly kind: 'foreign' }

export interface Presence {
  readonly socketDir: string
  /** @returns whether we were the last; if so, newcomers wait until `end` */
  leave(): Promise<boolean>
  end(): Promise<void>
}

/** Advisory locks share one number space with all who use this database: eight letters of our name, nobody's choice by chance. */
const PRESENCE_LOCK = Buffer.from('holdpoin').readBigInt64BE().toString()

const CONNECT_MS_MAX = 5_000

export async function greet(cluster: string, socketDir: string): Promise<Greeting> {
  const socket = new Socket()
  const client = new pg.Client({
    host: socketDir,
    port: PORT,
    user: SUPERUSER,
    database: 'postgres',
    ssl: false,
    application_name: `holdpoint ${process.pid}`,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    stream: () => socket,
  })
  // The server may go while nobody asks it anything; the next query will say so.
  client.on('error', () => {})
  try {
    await client.connect()
    if (!(await servesThis(cluster, client))) {
      await client.end()
      return { kind: 'foreign' }
    }
    // Waits while the last guest is stopping the server, and then fails with it.
    await client.query('select pg_advisory_lock_shared($1)', [PRESENCE_LOCK])
  } catch (error) {
    await client.end().catch(() => null)
    return failure(error)
  }
  // A guest must not keep its process alive.
  socket.unref()
  return { kind: 'present', presence: presenceOf(client, socket, socketDir) }
}

/** Proved by a file that we put in the directory and the server reads: paths lie after a copy, a move, or in a container. */
async function servesThis(cluster: string, client: pg.Client): Promise<boolean> {
  const name = `holdpoint-proof-${randomBytes(8).toString('hex')}`
  await writeFile(join(cluster, name), name, { mode: 0o644, flag: 'wx' })
  try {
    const { rows } = await client.query<{ text: string | null }>(
      'select pg_read_file($1, 0, 64, true) as text',
      [name],
    )
    return rows[0]?.text === name
  } finally {
    await rm(join(cluster, name), { force: true })
  }
}

function failure(error: unknown): Greeting {
  switch (errorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ECONNREFUSED':
      return { kind: 'absent' }
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOSPC':
      throw error
    default:
      return { kind: 'busy', reason: error instanceof Error ? error.message : String(error) }
  }
}

function presenceOf(client: pg.Client, socket: Socket, socketDir: string): Presence {
  return {
    socketDir,
    async leave() {
      socket.ref()
      await client.query('select pg_advisory_unlock_shared($1)', [PRESENCE_LOCK])
      const { rows } = await client.query<{ last: boolean }>('select pg_try_advisory_lock($1) as last', [
        PRESENCE_LOCK,
      ])
      return rows[0]?.last === true
    },
    async end() {
      socket.ref()
      await client.end().catch(() => null)
    },
  }
}
