/**
 * One environment: a database, perhaps a Redis, an upstream and a Slack of their own, and real processes in slots. Trials
 * run in it one after the other; a process that died is replaced by another one in the same slot.
 */
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupedLinkCode, linkCodeHash } from '../../src/domain/link-code.ts'
import { configure, mintToken } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabaseOn } from '../support/postgres.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'
import { type AskingDatabase, createAskingDatabase } from './asking-database.ts'
import { type Launched, launch, type Role } from './launched.ts'
import { policyText, RETURN_MS } from './rules.ts'

/** `team`: gateways leave the other roles to workers. `whole`: every process does everything. */
export type Shape = 'team' | 'whole'

export interface LaneOptions {
  readonly name: string
  readonly postgresUrl: string
  readonly shape: Shape
  readonly withRedis: boolean
  readonly gateways: number
  /** Of each kind; only in a team. */
  readonly workers: number
  readonly mutant: string | null
  /** For the decision, and for the start after it. */
  readonly deadlineMs: number
}

/** The shortest that is allowed. */
export const LEASE_MS = 2_000
const timings = {
  node_lease: `${LEASE_MS}ms`,
  hold: '3s',
  comment: '1s',
  progress: '1s',
  loop: '500ms',
  return: `${RETURN_MS}ms`,
}

const policyFile = () => join(mkdtempSync(join(tmpdir(), 'crash-policy-')), 'pay.yaml')

export interface Slot {
  readonly role: Role
  readonly name: string
  running: Launched
  isFrozen: boolean
}

export interface Lane {
  readonly options: LaneOptions
  readonly pool: AskingDatabase
  readonly upstream: HttpUpstream
  readonly slack: SlackDouble
  readonly channel: string
  readonly mina: string
  readonly redis: RedisServer | null
  readonly slots: readonly Slot[]
  readonly tokens: Readonly<Record<AgentName | PersonName, string>>
  /** Called with the slot whose process has passed its armed point. */
  onLastWords: (slot: Slot, point: string) => void
  /** Edits the policy, so that calls with the note `judged anew` are judged by another rule. */
  judgeAnew(reason: string): void
  /** Those that can answer now. */
  gateways(): readonly Launched[]
  /** Puts another process into the slot of one that is gone. */
  replace(slot: Slot): Promise<void>
  close(): Promise<void>
}

export const agentNames = ['night-agent', 'day-agent'] as const
export type AgentName = (typeof agentNames)[number]

export const personNames = ['mina', 'ari', 'sora'] as const
export type PersonName = (typeof personNames)[number]

export async function openLane(options: LaneOptions): Promise<Lane> {
  const { postgresUrl, shape, withRedis, gateways, workers, mutant, deadlineMs } = options
  const database = await freshDatabaseOn(postgresUrl)
  const pool = createAskingDatabase(database.connectionString)
  const upstream = await startHttpUpstream()
  const slack = await startSlackDouble({ messageRate: null })
  const mina = slack.addUser({ name: 'mina' }).id
  const channel = slack.addChannel({ name: 'approvals' }).id
  const redis = withRedis ? await startRedis() : null
  const policy = policyFile()
  // A write may be seen half done.
  const judgeAnew = (reason: string) => {
    writeFileSync(`${policy}.new`, policyText(reason))
    renameSync(`${policy}.new`, policy)
  }
  judgeAnew('as at the start')
  const { env } = configure({
    databaseUrl: database.connectionString,
    servers: { pay: { url: upstream.url.href, policy } },
    channels: { slack: { channel } },
    timings: { ...timings, decision: `${deadlineMs}ms`, start_by: `${deadlineMs}ms` },
    limits: { pending_per_principal: 1_000 },
    more: {
      people: { mina: { name: '김미나' }, ari: {}, sora: {}, jun: {} },
      groups: { ops: ['mina', 'ari'], leads: ['sora'] },
      operators: ['mina'],
    },
    env: {
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.slackApiUrl,
      SLACK_SIGNING_SECRET: slack.signingSecret,
      LOG_LEVEL: 'info',
      ...(shape === 'team' ? { HOLDPOINT_ROLES: 'gateway' } : {}),
      ...(redis === null ? {} : { REDIS_URL: redis.url }),
    },
  })

  const slots: Slot[] = []
  const start = async (role: Role, dataDir: string): Promise<Launched> => {
    const launched = await launch({
      role,
      // Only a gateway needs an address.
      env: role === 'gateway' ? env : withoutPort(env),
      dataDir,
      mutant,
      onLastWords(point) {
        const slot = slots.find(({ running }) => running === launched)
        if (slot !== undefined) lane.onLastWords(slot, point)
      },
    })
    return launched
  }
  const dataDirs = new Map<string, string>()
  const startAt = (role: Role, name: string) => {
    const dataDir = dataDirs.get(name) ?? mkdtempSync(join(tmpdir(), `crash-${name}-`))
    dataDirs.set(name, dataDir)
    return start(role, dataDir)
  }
  async function open(role: Role, name: string): Promise<void> {
    slots.push({ role, name, running: await startAt(role, name), isFrozen: false })
  }
  // The first one brings the schema up to date, the others find it so.
  for (let n = 1; n <= gateways; n++) await open('gateway', `gateway-${n}`)
  for (let n = 1; shape === 'team' && n <= workers; n++) {
    await Promise.all([open('approvals', `approvals-${n}`), open('deliveries', `deliveries-${n}`)])
  }
  const first = slots[0]?.running
  if (first === undefined) throw new Error('a lane needs a gateway')
  const mint = (kind: 'agent' | 'person', name: string) =>
    mintToken(database.connectionString, first, kind, name)
  const tokens = {
    'night-agent': await mint('agent', 'night-agent'),
    'day-agent': await mint('agent', 'day-agent'),
    mina: await mint('person', 'mina'),
    ari: await mint('person', 'ari'),
    sora: await mint('person', 'sora'),
  }
  slack.useHttp(new URL('/slack/events', first.url))
  await link(pool, slack, { mina, channel })

  const lane: Lane = {
    options,
    pool,
    upstream,
    slack,
    channel,
    mina,
    redis,
    slots,
    tokens,
    onLastWords: () => {},
    judgeAnew,
    gateways: () =>
      slots
        .filter(({ role, running, isFrozen }) => role === 'gateway' && running.isAlive() && !isFrozen)
        .map(({ running }) => running),
    async replace(slot) {
      await slot.running.kill()
      slot.isFrozen = false
      slot.running = await startAt(slot.role, slot.name)
    },
    async close() {
      await Promise.all(slots.map(({ running }) => running.kill()))
      await pool.end()
      await upstream.close()
      await slack.close()
      await redis?.stop()
      await database.drop()
    },
  }
  return lane
}

function withoutPort({ PORT: _port, ...env }: Record<string, string>): Record<string, string> {
  return env
}

/** Mina says in Slack who she is, with a code as the command line prints it. */
async function link(
  pool: AskingDatabase,
  slack: SlackDouble,
  { mina, channel }: { mina: string; channel: string },
): Promise<void> {
  const code = groupedLinkCode('M1NA000001')
  await pool.query(
    "INSERT INTO holdpoint.link_code (code_hash, person, expires_at) VALUES ($1, 'mina', clock_timestamp() + interval '1 minute')",
    [linkCodeHash(code)],
  )
  await slack.command({ command: '/holdpoint', text: `link ${code}`, user: mina, channel })
  await slack.waitForEphemeral((one) => one.user === mina && one.text.includes('is now'))
}
