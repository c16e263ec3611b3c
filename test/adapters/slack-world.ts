/** The real Bolt, the real services and a real PostgreSQL against the Slack double: a channel, people in it, and doors by which their clicks come in. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDirectory } from '../../src/auth/directory.ts'
import { issueLinkCode } from '../../src/auth/link-code.ts'
import { type Config, formatProblems, loadConfig } from '../../src/config.ts'
import { bindingDigest, type Pending } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { type ApproverChain, effectiveRuleDigest } from '../../src/domain/policy.ts'
import type { Principal } from '../../src/domain/principal.ts'
import type { Risk } from '../../src/domain/risk.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { clock } from '../../src/launch/clock.ts'
import { openLedger } from '../../src/launch/ledger.ts'
import { type Listener, listen } from '../../src/launch/listen.ts'
import { silentLog } from '../../src/launch/log.ts'
import { random } from '../../src/launch/random.ts'
import { openSlackChannel, openSlackDoor } from '../../src/launch/slack.ts'
import type { SlackDoor } from '../../src/launch/slack-open.ts'
import type { Log } from '../../src/ports/log.ts'
import { createAnnounce, createChange } from '../../src/services/change.ts'
import { createPeople } from '../../src/services/decide.ts'
import { createDeliver, keepReconciling } from '../../src/services/deliver.ts'
import { createGrants } from '../../src/services/grants.ts'
import { createPostNudges, keepNudging } from '../../src/services/nudge.ts'
import { createTell, keepTelling } from '../../src/services/tell.ts'
import { createUseGrant } from '../../src/services/use-grant.ts'
import { anApproval, aVerdict } from '../support/builders.ts'
import { temporaryDirectory } from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'
import { type SlackDouble, type SlackDoubleOptions, startSlackDouble } from '../support/slack/double.ts'

export type Mode = 'http' | 'socket'

export interface SlackWorldOptions {
  readonly mode: Mode
  readonly gateways?: number
  readonly publicUrl?: string
  readonly double?: SlackDoubleOptions
  /** Outcomes are told, too. */
  readonly tells?: boolean
  /** Before the app starts, for a Slack that is away from the beginning. */
  readonly before?: (slack: SlackDouble) => Promise<void>
}

export interface Asking {
  readonly args?: JsonObject
  readonly tool?: string
  readonly risk?: Risk
  readonly approvers?: ApproverChain
  readonly decisionMs?: number
  /** What else the rule says. */
  readonly terms?: Partial<Pending['asking']>
  /** Of the agent that asks. */
  readonly owner?: string
}

export async function aSlackWorld(options: SlackWorldOptions) {
  const slack = await startSlackDouble({ messageRate: null, ...options.double })
  const channel = slack.addChannel({ name: 'approvals' }).id
  const users = Object.fromEntries(
    ['mina', 'jun', 'lee', 'stranger'].map((name) => [name, slack.addUser({ name }).id]),
  )
  const database = await freshDatabase()
  const logged: string[] = []
  const note = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`)
  const log: Log = { debug() {}, info: note, warn: note, error: note }

  const config = readConfig(options, slack, channel, database.connectionString)
  const store = await openLedger(config, silentLog)
  const { ledger, cards, identities, notices, nudges, wakeUps } = store
  const approversInForce = { groups: ['ops'], people: [], selfConfirm: false }
  await store.revisions.putInForce(
    {
      ...{
        server: 'github',
        source: 'policies/github.yaml',
        text: 'default: require_approval',
        approvers: approversInForce,
      },
      ...{ textOrigin: null, approversOrigin: null, putBy: { kind: 'file_at_start' } },
    },
    null,
  )
  const directory = createDirectory(config.people)
  await options.before?.(slack)

  const slackChannel = await openSlackChannel({ config, store, directory, log })
  if (slackChannel === null) throw new Error('Slack is configured here')
  const channels = [slackChannel]
  const deliver = createDeliver({ ledger, cards, channels, log })
  const tell = createTell({ ledger, notices, channels, log })
  const nudging = { ledger, nudges, directory, channels, log }
  const postNudges = createPostNudges(nudging)
  const announce = createAnnounce({
    queue: {
      async setAlarm() {},
      async requestExecution() {},
      // As the queue does: at once, and a failure is left to the reconciler.
      async requestDelivery(id) {
        deliver(id)
          .then(() => (options.tells === true ? tell(id) : undefined))
          .then(() => postNudges(id))
          .catch(() => {})
      },
    },
    wakeUps,
    hasChannels: true,
    log,
  })
  const change = createChange({ ledger, announce, timings: config.timings, log })
  const rejudge = async () => null
  const people = createPeople({
    ledger,
    announce,
    timings: config.timings,
    change,
    directory,
    judge: async () => ({
      verdict: aVerdict(),
      approvers: { groups: ['ops'], people: [], selfConfirm: false },
      revision: 1,
      hasPast: false,
      asIf: null,
    }),
    rejudge,
    random,
    log,
  })
  const grants = createGrants({ ledger, change, rejudge, directory, log })
  const useGrant = createUseGrant({ ledger, change, directory, log })

  const listeners: Listener[] = []
  const doors: SlackDoor[] = []
  for (let number = 0; number < (options.gateways ?? 1); number++) {
    const door = await openSlackDoor({ config, store, directory, people, grants, log })
    if (door === null) throw new Error('the door is configured here')
    doors.push(door)
    const listener = await listen('127.0.0.1', 0)
    if (door.routes !== null) listener.serve(door.routes.fetch)
    listeners.push(listener)
  }
  const useGateway = (number: number) =>
    slack.useHttp(new URL(`http://127.0.0.1:${listeners[number]?.port}/slack/events`))
  if (options.mode === 'http') useGateway(0)
  const stopping = new AbortController()
  const loop = { ledger, channels, clock, stopping: stopping.signal, log }
  const loops = [
    keepReconciling({ ...loop, cards }),
    keepNudging({ ...loop, nudges, directory }),
    ...(options.tells === true ? [keepTelling({ ...loop, notices })] : []),
  ]

  async function ask(asking: Asking = {}): Promise<Pending> {
    const nowMs = await ledger.nowMs()
    const call = {
      ...(asking.tool === undefined ? {} : { tool: asking.tool }),
      arguments: asking.args ?? { n: ++asked },
      ...(asking.owner === undefined ? {} : { principal: { name: 'day-agent', owner: asking.owner } }),
    }
    const made = anApproval({
      nowMs,
      call: withParams(call),
      ...(asking.decisionMs === undefined ? {} : { decisionMs: asking.decisionMs }),
    })
    const approvers = asking.approvers ?? { groups: ['ops'], people: [], selfConfirm: false }
    const approval = bound({
      ...made.approval,
      asking: {
        ...made.approval.asking,
        approvers,
        risk: asking.risk ?? 'critical',
        ruleDigest: effectiveRuleDigest(aVerdict(), approvers),
        ...asking.terms,
      },
    })
    const audit = auditEvent(CHAIN_START, { kind: 'ask' }, approval, nowMs)
    const pending = { ...approval, auditHead: audit.hash }
    const created = await ledger.create({ approval: pending, audit, pendingPerPrincipalMax: 1_000 })
    if (created.kind !== 'created') throw new Error(created.kind)
    await announce(pending, nowMs)
    return pending
  }

  /** The card of an approval, as soon as it is there. */
  const card = (id: ApprovalId, limitMs?: number) =>
    slack.waitForMessage((message) => slack.textOf(message).includes(id), limitMs)
  /** The card once it says this. */
  const cardSaying = (id: ApprovalId, words: string, limitMs?: number) =>
    slack.waitForMessage(
      (message) => slack.textOf(message).includes(id) && slack.textOf(message).includes(words),
      limitMs,
    )

  async function link(name: 'mina' | 'jun' | 'lee' | 'stranger', person: string = name): Promise<void> {
    const code = await issueLinkCode(identities, person)
    await slack.command({ command: '/holdpoint', text: `link ${code}`, user: users[name] ?? '', channel })
  }

  return {
    slack,
    channel,
    users: {
      mina: users.mina ?? '',
      jun: users.jun ?? '',
      lee: users.lee ?? '',
      stranger: users.stranger ?? '',
    },
    config,
    store,
    change,
    deliver,
    tell,
    postNudges,
    people,
    grants,
    useGrant,
    directory,
    logged,
    /** For what only time brings about. */
    databaseUrl: database.connectionString,
    useGateway,
    ask,
    card,
    cardSaying,
    link,
    async click(id: ApprovalId, actionId: string, user: string, more: object = {}) {
      const message = await card(id)
      return slack.click({ channel, ts: message.ts, actionId, user, ...more })
    },
    statusOf: async (id: ApprovalId) => (await ledger.get(id))?.approval,
    async close() {
      stopping.abort()
      await Promise.all(loops)
      for (const door of doors) await door.stop()
      for (const listener of listeners) {
        listener.close()
        await listener.closeAll()
      }
      await slack.close()
      await store.close()
      await database.drop()
    },
  }
}

export type SlackWorld = Awaited<ReturnType<typeof aSlackWorld>>

let asked = 0

function withParams({
  tool = 'delete_repository',
  arguments: args,
  ...more
}: {
  tool?: string
  arguments: JsonObject
  principal?: Principal
}) {
  return { tool, arguments: args, canonicalParams: canonicalParams(tool, args, {}), ...more }
}

function bound(approval: Pending): Pending {
  const {
    asked: { server, tool, requester },
    proposed,
    asking,
    nonce,
  } = approval
  const digest = bindingDigest({
    nonce,
    server,
    tool,
    canonicalParams: proposed.canonicalParams,
    toolDefinitionDigest: proposed.toolDefinitionDigest,
    ruleDigest: asking.ruleDigest,
    requester,
  })
  return { ...approval, proposed: { ...proposed, digest } }
}

function readConfig(
  options: SlackWorldOptions,
  slack: SlackDouble,
  channel: string,
  databaseUrl: string,
): Config {
  const directory = temporaryDirectory()
  const file = join(directory, 'holdpoint.yaml')
  writeFileSync(
    file,
    `people:\n  mina: { name: 김미나 }\n  jun: {}\n  lee: {}\ngroups:\n  ops: [mina]\n  leads: [lee]\nagents:\n  night-agent: { owner: jun }\nchannels:\n  slack: { channel: ${channel} }\nservers:\n  github: { url: "https://mcp.example.com/", approvers: [ops] }\n`,
  )
  const loaded = loadConfig({
    cwd: directory,
    env: {
      HOLDPOINT_CONFIG: file,
      DATABASE_URL: databaseUrl,
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.slackApiUrl,
      ...(options.mode === 'http'
        ? { SLACK_SIGNING_SECRET: slack.signingSecret }
        : { SLACK_APP_TOKEN: slack.tokens.app }),
      ...(options.publicUrl === undefined ? {} : { HOLDPOINT_PUBLIC_URL: options.publicUrl }),
    },
  })
  if (!loaded.ok) throw new Error(formatProblems(loaded.error))
  return loaded.value
}
