/**
 * Environment and `holdpoint.yaml` → Config. The only place that reads the environment and the
 * user; it lists every problem at once and never starts on half of what was written.
 *
 * | variable             | default                            | meaning                                              |
 * |----------------------|------------------------------------|------------------------------------------------------|
 * | HOLDPOINT_CONFIG     | holdpoint.yaml, if it is there     | the configuration file                               |
 * | HOLDPOINT_DATA       | .holdpoint beside the file, or here| embedded database, sample state                      |
 * | HOLDPOINT_PUBLIC_URL | none: cards carry no links         | how people's browsers reach this process             |
 * | HOST, PORT           | 127.0.0.1, 8484                    | where to listen; port 0 takes a free one (tests).    |
 * |                      |                                    | A worker answers probes there, if PORT is set        |
 * | DATABASE_URL         | embedded PostgreSQL                | the ledger                                           |
 * | REDIS_URL            | the queue lives in the ledger      | the queue                                            |
 * | HOLDPOINT_ROLES      | gateway,approvals,deliveries       | what `npm start` runs; others run in workers/        |
 * | SLACK_BOT_TOKEN      | none: no cards in Slack            | posts cards (xoxb-…)                                 |
 * | SLACK_APP_TOKEN      | none                               | clicks over Socket Mode (xapp-…), no inbound address |
 * | SLACK_SIGNING_SECRET | none                               | clicks over HTTP, at /slack/events                   |
 * | SLACK_API_URL        | Slack's own                        | another address of Slack's Web API                   |
 * | HOLDPOINT_ACCOUNTS_KEY | accounts.key in the data  | 32 bytes in base64: seals accounts at servers (`oauth`). |
 * |                      | directory                          | The same for every gateway on one database           |
 * | LOG_LEVEL            | info                               | trace, debug, info, warn, error, fatal or silent     |
 *
 * Besides these, every variable that the file refers to as `${NAME}`. Empty counts as not set.
 */
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { defaultLimits, type Limits } from './domain/limits.ts'
import type { Person, Principal } from './domain/principal.ts'
import { err, ok, type Result } from './domain/result.ts'
import { defaultTimings, type Timings } from './domain/timings.ts'
import {
  type AgentSettings,
  type ChannelsConfig,
  type ConfigFile,
  type OAuthConfig,
  readConfigFile,
} from './files/config-file.ts'
import { type Document, readDocument, readTextFile } from './files/document.ts'
import type { Named } from './files/known-names.ts'
import { ENVIRONMENT, type Problem } from './files/problem.ts'
import { SAMPLE_SERVER, sampleServer } from './files/sample-server.ts'
import type { ServerConfig } from './files/server-config.ts'
import { undecidable } from './files/undecidable.ts'

export { readTextFile } from './files/document.ts'
export { durationMs } from './files/duration.ts'
export { jointlyUndecidable } from './files/jointly-undecidable.ts'
export { packageVersion } from './files/package-root.ts'
export { policyJsonSchema } from './files/policy/json-schema.ts'
export { unknownTools } from './files/policy/unknown-tools.ts'
export {
  converted,
  notListedBeside,
  readPolicyDocument,
  runTestsBeside,
  spellingOf,
} from './files/policy-documents.ts'
export { type PolicyTestReport, policyTestsJsonSchema } from './files/policy-tests.ts'
export { formatProblems, type Problem } from './files/problem.ts'
export type { ServerConfig } from './files/server-config.ts'

export interface Config {
  /** Absolute; `null`: no file, built-in defaults. */
  readonly file: string | null
  readonly host: string
  readonly port: number
  /** Where a worker answers probes; `null`: nowhere, PORT is not set. */
  readonly probePort: number | null
  /** What this process does. A gateway always is one; workers have entry points of their own. */
  readonly roles: ReadonlySet<Role>
  readonly publicUrl: URL | null
  /** Absolute. */
  readonly dataDir: string
  readonly databaseUrl: string | null
  readonly redisUrl: string | null
  /** Empty where it was read without upstreams. */
  readonly servers: ReadonlyMap<string, ServerConfig>
  /** The names of all servers, known in either case. */
  readonly serverNames: readonly string[]
  readonly people: ReadonlyMap<string, Person>
  readonly agents: ReadonlyMap<string, Principal>
  /** Who may put policies in force. */
  readonly operators: Named
  readonly agentSettings: ReadonlyMap<string, AgentSettings>
  /** The one agent that needs no token, on loopback, while no people are configured. */
  readonly localPrincipal: Principal | null
  readonly channels: ChannelsConfig
  readonly oauth: OAuthConfig
  readonly slack: SlackSecrets
  /** Seals connected accounts; `null`: a key in the data directory does. */
  readonly accountsKey: Uint8Array | null
  readonly timings: Timings
  readonly limits: Limits
  readonly logLevel: LogLevel
}

/** What only the environment may hold. Cards need the bot token; clicks need one of the other two. */
export interface SlackSecrets {
  readonly botToken: string | null
  readonly appToken: string | null
  readonly signingSecret: string | null
  /** Ends with a slash. */
  readonly apiUrl: string | null
}

export const roles = ['gateway', 'approvals', 'deliveries'] as const
export type Role = (typeof roles)[number]

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** Reads the surroundings of this process; `loadConfig` takes them as an argument so that tests can make their own. */
export const surroundings = (): Surroundings => ({ env: process.env, cwd: process.cwd() })

export function loadConfig(surroundings: Surroundings): Result<Config, Problem[]> {
  return load(surroundings, true)
}

/**
 * For whatever sends nothing upstream, workers and most commands: of `servers` only the names are read, because only gateways
 * hold upstream credentials, and an environment without them must not keep anybody from making a token.
 */
export function loadConfigWithoutUpstreams(surroundings: Surroundings): Result<Config, Problem[]> {
  return load(surroundings, false)
}

function load({ env, cwd }: Surroundings, hasUpstreams: boolean): Result<Config, Problem[]> {
  const variable = (name: string) => {
    const value = env[name]
    return value === undefined || value === '' ? null : value
  }
  const nameOf = (path: string) => {
    const below = relative(cwd, path)
    return below.startsWith('..') || isAbsolute(below) ? path : below
  }
  const problems: Problem[] = []
  const collect = <T>(result: Result<T, Problem[]>): T | null => {
    if (result.ok) return result.value
    problems.push(...result.error)
    return null
  }

  const settings = collect(readEnvironment(variable))
  const file = collect(findFile(variable('HOLDPOINT_CONFIG'), cwd))
  const path = file?.path ?? null
  const directory = path === null ? cwd : dirname(path)
  const dataDir = resolve(cwd, variable('HOLDPOINT_DATA') ?? join(directory, '.holdpoint'))

  const localPerson: Person = { id: 'local', name: userName(), groups: [] }
  let document: Document | null = null
  let written: ConfigFile | null = path === null ? nothingWritten : null
  if (path !== null) {
    const text = collect(readTextFile(path, nameOf(path)))
    document = text === null ? null : collect(readDocument(nameOf(path), text, ifEmpty))
    const variables = (name: string) => env[name]
    const context = { directory, nameOf, variable: variables, localPerson, hasUpstreams }
    if (document !== null) written = collect(readConfigFile(document, context))
  }
  const isLocal = written !== null && written.people.size === 0
  const people = isLocal ? new Map([[localPerson.id, localPerson]]) : (written?.people ?? new Map())
  const servers =
    written === null || !hasUpstreams
      ? new Map<string, ServerConfig>()
      : (written.servers ?? collect(sampleServer(dataDir, [...people.keys()], isLocal)))

  // Whoever reaches this gateway without a token is the local agent: then nobody else may reach it, by a proxy neither.
  const exposed = (variable: string, who: string, remedy: string) => {
    problems.push({
      file: document?.file ?? ENVIRONMENT,
      line: document === null ? null : 1,
      column: document === null ? null : 1,
      path: document === null ? variable : '/people',
      message: `${who}, and nobody is named who may decide`,
      remedy: `name people and agents in holdpoint.yaml, or ${remedy}`,
    })
  }
  if (settings !== null && isLocal) {
    const { host, publicUrl } = settings
    if (!isLoopback(host)) exposed('HOST', `others can reach ${host}`, 'listen on 127.0.0.1')
    if (publicUrl !== null && !isLoopback(publicUrl.hostname.replace(/^\[(.*)\]$/, '$1'))) {
      const who = `HOLDPOINT_PUBLIC_URL says that others reach this gateway as ${publicUrl.host}`
      exposed('HOLDPOINT_PUBLIC_URL', who, 'unset HOLDPOINT_PUBLIC_URL')
    }
  }
  const localPrincipal =
    isLocal && settings !== null && isLoopback(settings.host)
      ? { name: 'local-agent', owner: localPerson.id }
      : null
  if (written !== null && servers !== null) {
    const agents = [...written.agents.values(), ...(localPrincipal === null ? [] : [localPrincipal])]
    for (const server of servers.values()) problems.push(...undecidable(server, agents, people, document))
  }

  if (
    settings !== null &&
    settings.publicUrl === null &&
    written !== null &&
    written.oauth.issuers.length > 0
  ) {
    problems.push({
      file: ENVIRONMENT,
      line: null,
      column: null,
      path: 'HOLDPOINT_PUBLIC_URL',
      message: 'tokens of `oauth` are issued for the address of this gateway, and it is not set',
      remedy: 'set it to the address that clients use, as https://holdpoint.example.com',
    })
  }

  if (problems.length > 0 || settings === null || written === null || servers === null) return err(problems)
  return ok({
    ...settings,
    file: path,
    dataDir,
    servers,
    serverNames: written.serverNames ?? [SAMPLE_SERVER],
    people,
    agents: written.agents,
    agentSettings: written.agentSettings,
    localPrincipal,
    operators: isLocal ? { people: [localPerson.id], groups: [] } : written.operators,
    channels: written.channels,
    oauth: written.oauth,
    timings: written.timings,
    limits: written.limits,
  })
}

const ifEmpty = 'name your `servers`, or remove the file to run the built-in sample'

const nothingWritten: ConfigFile = {
  channels: { slack: null },
  oauth: { issuers: [], logins: new Map(), privateNetworks: [] },
  people: new Map(),
  agents: new Map(),
  agentSettings: new Map(),
  servers: null,
  serverNames: null,
  operators: { people: [], groups: [] },
  timings: defaultTimings,
  limits: defaultLimits,
}

type Settings = Pick<
  Config,
  | 'host'
  | 'port'
  | 'probePort'
  | 'roles'
  | 'publicUrl'
  | 'databaseUrl'
  | 'redisUrl'
  | 'slack'
  | 'accountsKey'
  | 'logLevel'
>

function readEnvironment(variable: (name: string) => string | null): Result<Settings, Problem[]> {
  const problems: Problem[] = []
  const refuse = (path: string, message: string, remedy: string) => {
    problems.push({ file: ENVIRONMENT, line: null, column: null, path, message, remedy })
  }

  const writtenPort = variable('PORT') ?? '8484'
  const port = /^\d{1,5}$/.test(writtenPort) ? Number(writtenPort) : Number.NaN
  if (!(port <= 65_535)) refuse('PORT', `"${writtenPort}" is not a port`, 'set a number from 0 to 65535')

  const written =
    variable('HOLDPOINT_ROLES')
      ?.split(',')
      .map((name) => name.trim()) ?? roles
  const wanted = new Set(roles.filter((role) => written.includes(role)))
  const unknown = written.find((name) => !roles.some((role) => role === name))
  if (unknown !== undefined) {
    refuse('HOLDPOINT_ROLES', `"${unknown}" is not a role`, `name some of ${roles.join(',')}`)
  } else if (!wanted.has('gateway')) {
    const workers = [...wanted].map((role) => `node dist/workers/${role}.js`).join(' and ')
    refuse('HOLDPOINT_ROLES', 'this process always is a gateway', `run ${workers} instead`)
  }

  const writtenLevel = variable('LOG_LEVEL') ?? 'info'
  const logLevel = logLevels.find((level) => level === writtenLevel.toLowerCase())
  if (logLevel === undefined) {
    refuse('LOG_LEVEL', `"${writtenLevel}" is not a log level`, `set one of: ${logLevels.join(', ')}`)
  }

  // Addresses are not repeated in messages: they may carry passwords.
  const address = (name: string, protocols: readonly string[], example: string) => {
    const text = variable(name)
    if (text === null) return null
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text
    refuse(name, 'this is not an address holdpoint can use', `set it like ${example}, or unset it`)
    return null
  }
  const databaseUrl = address(
    'DATABASE_URL',
    ['postgres:', 'postgresql:'],
    'postgres://user@host:5432/holdpoint',
  )
  const redisUrl = address('REDIS_URL', ['redis:', 'rediss:'], 'redis://host:6379')
  const publicText = address('HOLDPOINT_PUBLIC_URL', ['http:', 'https:'], 'https://holdpoint.example.com')
  const publicUrl = publicText === null ? null : new URL(publicText)
  if (
    publicUrl !== null &&
    `${publicUrl.username}${publicUrl.password}${publicUrl.search}${publicUrl.hash}` !== ''
  ) {
    refuse(
      'HOLDPOINT_PUBLIC_URL',
      'the address carries more than host and path',
      'remove its user, ? and # parts',
    )
  }

  // Secrets are never repeated in messages.
  const secret = (name: string, shape: RegExp, remedy: string) => {
    const text = variable(name)?.trim() ?? null
    if (text === null || shape.test(text)) return text
    refuse(name, 'this is not such a secret', remedy)
    return null
  }
  const apiUrl = address('SLACK_API_URL', ['http:', 'https:'], 'https://slack.com/api/')
  const slack: SlackSecrets = {
    botToken: secret(
      'SLACK_BOT_TOKEN',
      /^xoxb-\S+$/,
      'copy the Bot User OAuth Token, which begins with xoxb-',
    ),
    appToken: secret('SLACK_APP_TOKEN', /^xapp-\S+$/, 'copy an App-Level Token, which begins with xapp-'),
    signingSecret: secret('SLACK_SIGNING_SECRET', /^\S{8,}$/, 'copy the Signing Secret of the app'),
    apiUrl: apiUrl === null ? null : apiUrl.replace(/\/*$/, '/'),
  }

  const writtenKey = secret(
    'HOLDPOINT_ACCOUNTS_KEY',
    /^[A-Za-z0-9+/]{43}=$/,
    'set 32 random bytes in base64, as `openssl rand -base64 32` prints them',
  )
  const accountsKey = writtenKey === null ? null : Buffer.from(writtenKey, 'base64')

  if (problems.length > 0 || logLevel === undefined) return err(problems)
  const host = variable('HOST') ?? '127.0.0.1'
  const probePort = variable('PORT') === null ? null : port
  return ok({
    host,
    port,
    probePort,
    roles: wanted,
    publicUrl,
    databaseUrl,
    redisUrl,
    slack,
    accountsKey,
    logLevel,
  })
}

/** `path` is absolute, or `null` where built-in defaults apply. */
function findFile(named: string | null, cwd: string): Result<{ readonly path: string | null }, Problem[]> {
  if (named !== null) return ok({ path: resolve(cwd, named) })
  const usual = join(cwd, 'holdpoint.yaml')
  if (existsSync(usual)) return ok({ path: usual })
  // Nearly the right name: to run the defaults instead of what someone wrote would be a surprise.
  const near = ['holdpoint.yml', 'holdpoint.json'].find((name) => existsSync(join(cwd, name)))
  if (near === undefined) return ok({ path: null })
  const message = 'this file is not read under this name'
  const remedy = `rename it to holdpoint.yaml, or set HOLDPOINT_CONFIG=${near}`
  return err([{ file: near, line: null, column: null, path: '', message, remedy }])
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a user id that has no entry in its user database.
    return 'local user'
  }
}
