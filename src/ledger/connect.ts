/** Connections to PostgreSQL: one bounded pool per process, and the schema brought up to date before first use. */
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { LedgerAway } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import { createSockets, type Sockets } from './sockets.ts'

/** `synchronous_standby_names` came long before; `sha256`, `gen_random_uuid` and identity columns need 13. We test on 14 and later. */
const SERVER_VERSION_MIN = 140_000

/** Enough for a gateway's bursts; PostgreSQL's default of 100 connections leaves room for several processes. */
const POOL_CONNECTIONS_MAX = 10
/** Whether the ledger answers at all is known sooner (pulse.ts); these end what waits for a single statement of it. */
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 10_000
/** Between two statements of a transaction there is nothing to wait for: whoever does stands still, and holds what others need. */
const IDLE_IN_TRANSACTION_MS = 5_000

/** Who watches over the connections (pulse.ts). */
export interface Watched {
  readonly sockets: Sockets
  /** Why it is of no use to wait for a connection now; `null`: it may be. */
  readonly silence: () => string | null
}

const unwatched = (): Watched => ({ sockets: createSockets(), silence: () => null })

export function createPool(
  connectionString: string,
  log: Log,
  { sockets, silence }: Watched = unwatched(),
  connectionsMax = POOL_CONNECTIONS_MAX,
): pg.Pool {
  const pool = new PromptPool(silence, {
    connectionString,
    stream: sockets.open,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    application_name: 'holdpoint',
    keepAlive: true,
    // Before a new connection is used for the first time.
    verify(client, done) {
      makeDurable(client).then(() => done(), done)
    },
  })
  // An idle connection that breaks must not end the process; the next query takes a new one.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle connection to the ledger broke'))
  // Nor may one that breaks between two statements of a transaction; the next statement says so.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

type Connected = Parameters<pg.Pool['connect']>[0]

/** Refuses at once while the ledger is silent: a queue in front of it would only grow, and be worked off for nobody. */
class PromptPool extends pg.Pool {
  readonly #silence: () => string | null

  constructor(silence: () => string | null, config: pg.PoolConfig) {
    super(config)
    this.#silence = silence
  }

  override connect(): Promise<pg.PoolClient>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const silence = this.#silence()
    if (silence !== null) {
      const away = new LedgerAway(silence)
      if (callback === undefined) return Promise.reject(away)
      callback(away, undefined, () => {})
      return undefined
    }
    if (callback === undefined) return super.connect()
    super.connect(callback)
    return undefined
  }
}

/**
 * A commit that is not on disk is no decision and no claim: a database that is set otherwise, for speed, is overruled. So is one
 * with another isolation: what looks once more under a lock of its own has to see what was committed meanwhile.
 */
async function makeDurable(client: pg.ClientBase): Promise<void> {
  await client.query(
    `SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
       WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
       set_config('default_transaction_isolation', 'read committed', false)`,
  )
}

/** What keeps the ledger from remembering what it has said, in words; `null` when nothing does. */
export async function durabilityGap(pool: pg.Pool): Promise<string | null> {
  const { rows } = await pool.query<{ fsync: string; pages: string; commit: string }>(`
    SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
           current_setting('synchronous_commit') AS commit`)
  const { fsync, pages, commit } = only(rows)
  if (fsync !== 'on') return 'the database runs with fsync = off; set fsync = on'
  if (pages !== 'on') return 'the database runs with full_page_writes = off; set full_page_writes = on'
  if (commit === 'on' || commit === 'remote_apply') return null
  return `the database answers before a commit is durable (synchronous_commit = ${commit})`
}

/** With asynchronous standbys alone, a failover can forget a claim, and a call could then run twice. */
export async function failoverGap(pool: pg.Pool): Promise<string | null> {
  const { rows } = await pool.query<{ standbys: number; synchronous: number }>(`
    SELECT count(*)::int AS standbys,
           count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))::int AS synchronous
    FROM pg_stat_replication`)
  const { standbys, synchronous } = only(rows)
  return standbys > 0 && synchronous === 0
    ? 'no standby is synchronous, so a failover can forget a claim; set synchronous_standby_names'
    : null
}

/** Several processes may start at once: one migrates, the others wait for it. */
export async function migrate(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  await client.connect()
  try {
    const { rows } = await client.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::int AS version",
    )
    const version = rows[0]?.version ?? 0
    if (version < SERVER_VERSION_MIN) {
      throw new Error(`the ledger needs PostgreSQL 14 or later; DATABASE_URL answers as ${version}`)
    }
    await runner({
      dbClient: client,
      dir: fileURLToPath(new URL('./migrations', import.meta.url)),
      direction: 'up',
      migrationsTable: 'migration',
      schema: 'holdpoint',
      createSchema: true,
      migrationsSchema: 'holdpoint',
      createMigrationsSchema: true,
      advisoryLockMode: 'wait',
      log: () => {},
    })
  } finally {
    await client.end()
  }
}

/** The one row a statement answers with. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`)
  return row
}
