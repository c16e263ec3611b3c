/** Connections to PostgreSQL: one bounded pool per process, and the schema brought up to date before first use. */
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import type { Log } from '../ports/log.ts'

/** `synchronous_standby_names` came long before; `sha256`, `gen_random_uuid` and identity columns need 13. We test on 14 and later. */
const SERVER_VERSION_MIN = 140_000

/** Enough for a gateway's bursts; PostgreSQL's default of 100 connections leaves room for several processes. */
const POOL_CONNECTIONS_MAX = 10
/** A ledger that does not answer within this time counts as away: new critical calls are then refused. */
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 10_000

export function createPool(connectionString: string, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max: POOL_CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
    application_name: 'holdpoint',
    keepAlive: true,
  })
  // An idle connection that breaks must not end the process; the next query takes a new one.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle connection to the ledger broke'))
  return pool
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
