/** A real gateway in a process of its own: `node dist/src/main.js` with a configuration file, and people and agents with tokens. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, expect } from 'vitest'
import { stringify } from 'yaml'
import { hashToken, newToken } from '../../src/auth/tokens.ts'
import { createClient } from '../../src/commands/client.ts'
import { type ApprovalId, parseApprovalId } from '../../src/domain/approval-id.ts'

const repository = resolve(import.meta.dirname, '../..')
/** A process starts in a second or two; on an overloaded machine it has taken twenty. */
const START_MS_MAX = 120_000
/** After its end, for what it has written and nobody has read yet; children of its own may keep the pipes open. */
const LAST_WORDS_MS_MAX = 5_000
export const sampleMain = join(repository, 'dist/src/sample/main.js')
export const everythingMain = join(
  repository,
  'node_modules/@modelcontextprotocol/server-everything/dist/index.js',
)
export const filesystemMain = join(
  repository,
  'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js',
)

export interface GatewayOptions {
  readonly databaseUrl: string | null
  /** The content of holdpoint.yaml; people `mina` (ops) and `jun`, agent `night-agent` of jun are added. */
  readonly servers?: Record<string, object>
  readonly timings?: Record<string, string>
  readonly limits?: Record<string, number>
  readonly channels?: Record<string, object>
  /** What is said of `night-agent` besides its owner. */
  readonly agent?: Record<string, string>
  /** Further sections of holdpoint.yaml; `people` replaces the usual ones. */
  readonly more?: Record<string, object>
  readonly env?: Record<string, string>
  /** Another gateway's, to run two side by side. */
  readonly dataDir?: string
}

export interface GatewayProcess {
  readonly url: string
  readonly dataDir: string
  readonly child: ChildProcess
  output(): string
  /** SIGKILL, as a crash would. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>
}

/** What must not outlive a test file, in the reverse order. */
export const atExit: (() => void)[] = []
const leave = () => {
  for (const step of atExit.splice(0).reverse()) step()
}
afterAll(leave)
process.on('exit', leave)

/** A directory that is removed with this run. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'e2e-'))
}

export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const { env, dataDir } = configure(options)
  return startProcess(env, dataDir)
}

/** Writes a holdpoint.yaml, and names the environment that goes with it. */
export function configure(options: GatewayOptions): { env: Record<string, string>; dataDir: string } {
  const directory = temporaryDirectory()
  const dataDir = options.dataDir ?? join(directory, 'data')
  const file = join(directory, 'holdpoint.yaml')
  writeFileSync(
    file,
    stringify({
      people: { mina: { name: '김미나' }, jun: {} },
      groups: { ops: ['mina'] },
      agents: { 'night-agent': { owner: 'jun', ...options.agent }, 'day-agent': { owner: 'jun' } },
      servers: withPolicies(options.servers ?? {}, directory),
      ...(options.timings === undefined ? {} : { timings: options.timings }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.channels === undefined ? {} : { channels: options.channels }),
      ...options.more,
    }),
  )
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    HOLDPOINT_CONFIG: file,
    HOLDPOINT_DATA: dataDir,
    PORT: '0',
    LOG_LEVEL: 'debug',
    ...(options.databaseUrl === null ? {} : { DATABASE_URL: options.databaseUrl }),
    ...options.env,
  }
  return { env, dataDir }
}

export type RoleProcess = Omit<GatewayProcess, 'url' | 'dataDir'>

/** A server without a policy asks about everything here; `policy: null` leaves it for people to set up. */
function withPolicies(servers: Record<string, object>, directory: string): Record<string, object> {
  const asking = join(directory, 'asking.yaml')
  writeFileSync(asking, 'default: require_approval\n')
  return Object.fromEntries(
    Object.entries(servers).map(([name, { policy = asking, ...server }]: [string, Configured]) => [
      name,
      policy === null ? server : { ...server, policy },
    ]),
  )
}
type Configured = { readonly policy?: string | null }

/** `npm start` without npm, in an environment of its own. */
export async function startProcess(env: Record<string, string>, dataDir: string): Promise<GatewayProcess> {
  const started = spawnRole('src/main.js', env)
  const url = await Promise.race([
    started.failed,
    readyUrl(dataDir, started.child.pid ?? 0, () => started.output()),
  ])
  return { ...started, url, dataDir }
}

/** `node dist/workers/<role>.js`. */
export async function startWorker(
  role: 'approvals' | 'deliveries',
  options: GatewayOptions,
): Promise<RoleProcess> {
  const { env } = configure(options)
  const started = spawnRole(`workers/${role}.js`, env)
  const ready = new Promise<void>((done) => {
    started.child.stdout.on('data', () => {
      if (started.output().includes('worker is running')) done()
    })
  })
  await Promise.race([started.failed, ready])
  return started
}

function spawnRole(program: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(repository, 'dist', program)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
  atExit.push(() => child.kill('SIGKILL'))
  const saidAll = new Promise<void>((done) => child.once('close', () => done()))
  const failed = exited.then(async (code) => {
    await Promise.race([saidAll, new Promise((done) => setTimeout(done, LAST_WORDS_MS_MAX).unref())])
    throw new Error(`${program} ended with ${code} before it was ready:\n${output}`)
  })
  // Of interest only until it is ready.
  failed.catch(() => {})
  return {
    child,
    failed,
    output: () => output,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    stop() {
      child.kill('SIGTERM')
      return exited
    },
  }
}

async function readyUrl(dataDir: string, pid: number, output: () => string): Promise<string> {
  const giveUpMs = performance.now() + START_MS_MAX
  while (performance.now() < giveUpMs) {
    try {
      const instance = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8'))
      if (instance.pid === pid) return String(instance.url)
    } catch {
      // Not there yet.
    }
    await new Promise((done) => setTimeout(done, 25))
  }
  throw new Error(`the gateway was not ready in time:\n${output()}`)
}

/**
 * Puts a token into the ledger as `holdpoint agents add` and `people token` do.
 * Resolves when every one of the gateways knows it: each learns of it by itself.
 */
export async function mintToken(
  databaseUrl: string,
  gateways: Pick<GatewayProcess, 'url'> | readonly Pick<GatewayProcess, 'url'>[],
  kind: 'agent' | 'person',
  name: string,
): Promise<string> {
  const { token, hint } = newToken(kind)
  await query(
    databaseUrl,
    `WITH added AS (
       INSERT INTO holdpoint.credential (token_hash, kind, name, owner, hint) VALUES ($1, $2, $3, $4, $5)
     ) SELECT pg_notify('holdpoint_credentials', $3)`,
    [hashToken(token), kind, name, kind === 'agent' ? 'jun' : name, hint],
  )
  for (const { url } of [gateways].flat()) {
    const headers = { authorization: `Bearer ${token}` }
    const isUnknown = async () =>
      (await fetch(`${url}/api/v1/calls/HP-0000000000`, { headers })).status === 401
    for (const giveUpMs = performance.now() + START_MS_MAX; await isUnknown(); ) {
      if (performance.now() > giveUpMs) throw new Error('the gateway does not learn of a new token')
      await new Promise((done) => setTimeout(done, 20))
    }
  }
  return token
}

export async function query<Row extends object>(
  databaseUrl: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  // A server that is killed by the test ends this connection as well: whoever asked learns it from the query.
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}

/** What a person does, with the client that the command line uses. */
export function aPerson(gatewayUrl: string, token: string) {
  const client = createClient({ url: gatewayUrl, token })
  async function pending() {
    const page = await client.list({ statuses: ['pending'], limit: 100, after: null })
    if (!page.ok) throw new Error(page.error.message)
    return page.value.approvals
  }
  async function show(id: string) {
    const shown = await client.show(ticket(id), true)
    if (!shown.ok) throw new Error(shown.error.message)
    return shown.value
  }
  return {
    pending,
    show,
    /** Looks at it first, as a person does: the digest sent is the one shown. */
    async decide(id: string, decision: 'approve' | 'reject', reason: string | null = null) {
      const { approval } = await show(id)
      return client.decide(ticket(id), { decision, digest: approval.digest, reason })
    },
    /** Waits until exactly this many calls wait, and gives the newest first. */
    async waitForPending(count = 1): Promise<string[]> {
      let seen: string[] = []
      const look = async () => {
        seen = (await pending()).map(({ id }) => id)
        return seen.length
      }
      await expect.poll(look).toBe(count)
      return seen
    },
    /** Waits until somebody is there for this call, as the ledger knows it, or until nobody is. */
    async waitForRequester(id: string, isThere: boolean): Promise<void> {
      await expect.poll(async () => (await show(id)).isRequesterWaiting).toBe(isThere)
    },
  }
}

function ticket(text: string): ApprovalId {
  const id = parseApprovalId(text)
  if (!id.ok) throw new Error(`${text} is no ticket`)
  return id.value
}
