/** What `npm start` prints: what runs where, how a client is pointed at it, and what is not configured. */
import { dirname, join } from 'node:path'
import pc from 'picocolors'
import { type Config, roles, type ServerConfig } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { askForEverything, type Policy } from '../domain/policy.ts'
import { packageRoot } from '../files/package-root.ts'
import { connectLines } from './connect-lines.ts'
import { slackMissing } from './slack.ts'

export interface BannerFacts {
  readonly config: Config
  readonly url: string
  readonly ledger: string
  readonly queue: string
  /** A fresh token of the built-in local person. */
  readonly localToken: string | null
  /** A one-time link by which that person signs in to the console. */
  readonly signInLink: string | null
}

export function banner({ config, url, ledger, queue, localToken, signInLink }: BannerFacts): string {
  const lines = [
    '',
    `${pc.bold('Holdpoint')} is running at ${pc.cyan(url)}`,
    '',
    row('configuration', config.file ?? 'built-in defaults: no holdpoint.yaml here'),
    row('ledger', ledger),
    row('queue', queue),
    ...(config.roles.size === roles.length ? [] : [row('elsewhere', elsewhere(config))]),
    ...(slackMissing(config) === null ? [row('Slack', slackText(config))] : []),
    '',
  ]
  for (const server of config.servers.values()) lines.push(...serverLines(server, config, url), '')
  lines.push(...deciding(config, url, localToken, signInLink), ...whereToRun(config), '')
  lines.push(...notConfigured(config), '')
  return lines.join('\n')
}

const elsewhere = (config: Config) =>
  roles
    .filter((role) => !config.roles.has(role))
    .map((role) => `node dist/workers/${role}.js`)
    .join(', ')

const row = (name: string, value: string) => `  ${name.padEnd(14)} ${value}`

function serverLines(server: ServerConfig, config: Config, url: string): string[] {
  const { name, upstream } = server
  const endpoint = `${url}/mcp/${name}`
  const what = upstream.kind === 'http' ? upstream.url.origin + upstream.url.pathname : commandLine(upstream)
  const needsToken = config.localPrincipal === null
  return [
    `${pc.bold(name)}  ${what}`,
    row('policy', policyText(name, server.rules.policy)),
    ...connectLines(name, endpoint, needsToken ? 'hpa_…' : null).map(({ client, line }) => row(client, line)),
    ...(needsToken ? [row('token', `hpa_… is what \`${CLI} agents add <name>\` prints`)] : []),
  ]
}

function policyText(name: string, policy: Policy): string {
  return policy === askForEverything
    ? `none: its calls are refused until somebody accepts one (${CLI} set-up ${name})`
    : `${policy.source}; otherwise ${policy.fallback.action}`
}

function commandLine({ command, args }: Extract<ServerConfig['upstream'], { kind: 'stdio' }>): string {
  return [command, ...args].join(' ')
}

function deciding(
  config: Config,
  url: string,
  localToken: string | null,
  signInLink: string | null,
): string[] {
  const environment = url === 'http://127.0.0.1:8484' ? '' : `HOLDPOINT_URL=${url} `
  if (localToken === null) {
    return [
      pc.bold('To decide'),
      `  in the browser: ${CLI} people link <person>`,
      `  ${CLI} people token <person>, then HOLDPOINT_TOKEN=hpp_… ${environment}${CLI} approvals list`,
    ]
  }
  const person = [...config.people.values()][0]
  return [
    `${pc.bold('To decide')} as ${person?.name ?? 'you'} (your own agent's calls: you confirm them, which is weaker than an approval)`,
    ...(signInLink === null
      ? []
      : [`  in the browser: ${pc.cyan(signInLink)} (works once, within 10 minutes)`, '  or here:']),
    `  export HOLDPOINT_TOKEN=${localToken}`,
    `  ${environment}${CLI} approvals list`,
  ]
}

/** npx finds the command in one directory only, and there it may find another configuration than this gateway's. */
export function whereToRun({ file, dataDir, databaseUrl }: WhereFacts, root = packageRoot()): string[] {
  const usual = join(root, 'holdpoint.yaml')
  const settings = [
    ...(file === null || file === usual ? [] : [`HOLDPOINT_CONFIG=${quoted(file)}`]),
    ...(dataDir === join(dirname(file ?? usual), '.holdpoint') ? [] : [`HOLDPOINT_DATA=${quoted(dataDir)}`]),
    ...(databaseUrl === null ? [] : ['the same DATABASE_URL']),
  ]
  const withThem = settings.length === 0 ? '' : `, with ${settings.join(' and ')}`
  return [`  (run these in ${root}${withThem})`]
}

type WhereFacts = Pick<Config, 'file' | 'dataDir' | 'databaseUrl'>

/** As a shell takes it, blanks and all. */
const quoted = (path: string) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`)

function slackText({ channels, slack }: Config): string {
  const doors = [
    ...(slack.appToken === null ? [] : ['Socket Mode']),
    ...(slack.signingSecret === null ? [] : ['HTTP at /slack/events']),
  ]
  return `cards in ${channels.slack?.channel ?? 'no channel'}, clicks over ${doors.join(' and ')}; \`${CLI} doctor slack\` checks it`
}

function notConfigured(config: Config): string[] {
  const lines: string[] = []
  const add = (what: string, how: string) => lines.push(row(what, how))
  if (config.file === null)
    add('your servers', 'write holdpoint.yaml (README, "Your own servers"); until then the sample runs')
  if (config.localPrincipal !== null) {
    add(
      'people',
      'name people and agents in holdpoint.yaml; until then everyone on this machine is one local agent',
    )
  }
  if (config.databaseUrl === null)
    add('database', 'set DATABASE_URL to use your own PostgreSQL (14 or later)')
  if (config.redisUrl === null) add('Redis', 'set REDIS_URL to move the queue to Redis')
  const slack = slackMissing(config)
  if (slack !== null) add('Slack', slack)
  // Without people it would be refused: whoever came through the proxy would be the local agent.
  if (config.publicUrl === null && config.localPrincipal === null)
    add('public address', 'set HOLDPOINT_PUBLIC_URL when clients reach this gateway under another name')
  return lines.length === 0 ? [] : [pc.bold('Not configured'), ...lines]
}
