/** One PostgreSQL for the whole run, one database of its own for whoever asks. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/ledger/embedded/start.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Vitest's global setup: once before all files; what it returns runs after them. Whatever tests put into the temporary
 * directory goes into one of this run, and goes with it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runDirectory = await mkdtemp(join(tmpdir(), 'holdpoint-tests-'))
  // Like /tmp itself: some servers run under another account.
  await chmod(runDirectory, 0o1777)
  process.env.TMPDIR = runDirectory
  const elsewhere = process.env.HOLDPOINT_TEST_DATABASE_URL ?? ''
  const server =
    elsewhere === ''
      ? await startEmbeddedPostgres({ dataDir: join(runDirectory, 'data'), log: silent })
      : null
  project.provide('postgresUrl', server?.connectionString ?? elsewhere)
  return async () => {
    await server?.stop()
    await rm(runDirectory, { recursive: true, force: true })
  }
}

export interface FreshDatabase {
  readonly connectionString: string
  /** Cuts whatever is still connected. */
  drop(): Promise<void>
}

export const freshDatabase = (): Promise<FreshDatabase> => freshDatabaseOn(inject('postgresUrl'))

export async function freshDatabaseOn(serverUrl: string): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await runOn(serverUrl, `create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    connectionString: url.href,
    drop: () => runOn(serverUrl, `drop database if exists ${name} with (force)`),
  }
}

async function runOn(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
