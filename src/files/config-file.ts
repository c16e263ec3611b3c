/** Reads `holdpoint.yaml`: people, groups, agents, servers with their policies, timings and limits; all problems at once. */
import { resolve } from 'node:path'
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import { didYouMean } from '../domain/did-you-mean.ts'
import { defaultLimits, type Limits } from '../domain/limits.ts'
import { clientGoneWays, type OnClientGone } from '../domain/policy/rule.ts'
import { type ApproverChain, askForEverything, type Policy } from '../domain/policy.ts'
import type { Person, Principal } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { defaultTimings, type Timings } from '../domain/timings.ts'
import { type Document, type Path, readTextFile } from './document.ts'
import { type IssuerConfig, readIssuers, readPrivateNetworks, scopesShape } from './oauth-config.ts'
import { type PolicyReading, readPolicyWithNotes } from './policy-file.ts'
import type { Problem } from './problem.ts'
import { readDuration, readLimits, readTimings } from './settings.ts'
import { checkShape, problemAt, problemAtKey, says } from './shape.ts'
import { readUpstream, type UpstreamConfig, type UpstreamContext, upstreamShape } from './upstream-config.ts'

export interface ServerConfig {
  readonly name: string
  /** What the files say, which need not be what is in force. */
  readonly rules: { readonly policy: Policy; readonly approvers: ApproverChain }
  /** `null`: the server has no policy. */
  readonly policyFile: PolicyFile | null
  /** What the policy says that is probably not meant. */
  readonly notes: readonly Problem[]
  /** JSON-RPC methods that may pass although no MCP revision names them. */
  readonly extraMethods: readonly string[]
  /** A token of an OAuth issuer must carry these here, besides those of its issuer. */
  readonly scopes: readonly string[]
  /** The decision log keeps the arguments of its calls, not only their names. */
  readonly recordsArguments: boolean
  readonly upstream: UpstreamConfig
}

export interface PolicyFile {
  /** Absolute. */
  readonly path: string
  /** As people know it, from where they are. */
  readonly name: string
  readonly text: string
}

export interface ConfigFile {
  /** Empty: the file configures nobody, and `localPerson` stands in. */
  readonly people: ReadonlyMap<string, Person>
  readonly agents: ReadonlyMap<string, Principal>
  /** Of those agents that have any. */
  readonly agentSettings: ReadonlyMap<string, AgentSettings>
  /** `null`: the file names no servers. */
  readonly servers: ReadonlyMap<string, ServerConfig> | null
  /** Their names, also where the servers themselves stay unread. */
  readonly serverNames: readonly string[] | null
  /** Who may put policies in force. */
  readonly operators: Named
  readonly channels: ChannelsConfig
  readonly oauth: OAuthConfig
  readonly timings: Timings
  readonly limits: Limits
}

/** Whose tokens are accepted besides our own. */
export interface OAuthConfig {
  readonly issuers: readonly IssuerConfig[]
  /** Person by what the owner claim of an issuer may say, besides their ids. */
  readonly logins: ReadonlyMap<string, string>
  /** Networks beyond the public internet where keys and token endpoints may lie, as 10.0.0.0/8. */
  readonly privateNetworks: readonly string[]
}

/** People, by themselves and by their groups. */
export interface Named {
  readonly people: readonly string[]
  readonly groups: readonly string[]
}

/** What an operator set for one agent. */
export interface AgentSettings {
  /** How long its requests are held; `null`: as its client is known to wait. */
  readonly holdMs: number | null
  /** Whether its approved calls run without it, where no rule says anything; `null`: as usual. */
  readonly onClientGone: OnClientGone | null
}

/** Where people are asked, besides the console. Secrets are not here: they come from the environment. */
export interface ChannelsConfig {
  /** `channel`: the id (or #name) of the Slack channel that gets the cards. */
  readonly slack: { readonly channel: string } | null
}

export interface ConfigFileContext extends Omit<UpstreamContext, 'hasPeople'> {
  /** Owns and decides where the file configures no people. */
  readonly localPerson: Person
  /** `false`: this process sends nothing upstream; of `servers` only the names are read. */
  readonly hasUpstreams: boolean
}

export function readConfigFile(
  document: Document,
  context: ConfigFileContext,
): Result<ConfigFile, Problem[]> {
  const problems: Problem[] = []
  collect(checkShape(document, topShape))
  const namesIn = (section: string) =>
    Object.keys(collect(checkShape(document, sectionShape, [section])) ?? {})

  // Names count as known even where their entry is broken, so that one mistake is one problem.
  const written = namesIn('people')
  const groupNames = namesIn('groups')
  const isLocal = written.length === 0
  const known: Known = { people: isLocal ? [context.localPerson.id] : written, groups: groupNames, isLocal }

  const groupsOf = new Map<string, string[]>()
  for (const name of groupNames) {
    const path = ['groups', name]
    collect(checkName(document, path, idShape))
    if (known.people.includes(name)) {
      const message = `"${name}" is a person and a group`
      problems.push(problemAtKey(document, path, message, 'give the group another name'))
    }
    const members = collect(checkShape(document, z.array(z.string()), path)) ?? []
    members.forEach((member, index) => {
      if (known.people.includes(member)) groupsOf.set(member, [...(groupsOf.get(member) ?? []), name])
      else problems.push(unknownPerson(document, [...path, index], member, known))
    })
  }

  const people = new Map<string, Person>()
  const logins = new Map<string, string>()
  for (const id of written) {
    const path = ['people', id]
    collect(checkName(document, path, idShape))
    const person = collect(checkShape(document, personShape.nullable(), path))
    people.set(id, { id, name: person?.name ?? id, groups: groupsOf.get(id) ?? [] })
    person?.logins?.forEach((login, index) => {
      const other = written.includes(login) ? login : logins.get(login)
      if (other === undefined || other === id) logins.set(login, id)
      else {
        const message = `"${login}" is ${other} already`
        problems.push(
          problemAt(document, [...path, 'logins', index], message, 'a login belongs to one person'),
        )
      }
    })
  }

  const agents = new Map<string, Principal>()
  const agentSettings = new Map<string, AgentSettings>()
  for (const name of namesIn('agents')) {
    const path = ['agents', name]
    collect(checkName(document, path, idShape))
    // The one thing an agent has to say is whose it is; what that means is not what a schema could explain.
    const isBare = document.get(path) === null
    const missing = isBare || (isMap(document.get(path)) && document.get([...path, 'owner']) === undefined)
    if (missing) {
      const message = `it is not said which person answers for the agent "${name}"`
      problems.push(problemAtKey(document, path, message, `add it: owner: ${choices(known.people)}`))
    }
    const agent = isBare
      ? null
      : collect(checkShape(document, missing ? agentShape.partial() : agentShape, path))
    if (agent?.owner === undefined) continue
    agents.set(name, { name, owner: agent.owner })
    const { hold, on_client_gone: onClientGone = null } = agent
    if (hold !== undefined || onClientGone !== null) {
      const holdMs = hold === undefined ? null : collect(readDuration(document, [...path, 'hold']))
      agentSettings.set(name, { holdMs, onClientGone })
    }
    if (!known.people.includes(agent.owner)) {
      problems.push(unknownPerson(document, [...path, 'owner'], agent.owner, known))
    }
  }

  const servers = new Map<string, ServerConfig>()
  const serverNames = namesIn('servers')
  for (const name of context.hasUpstreams ? serverNames : []) {
    const server = collect(readServer(document, name, known, { ...context, hasPeople: !isLocal }))
    if (server !== null) servers.set(name, server)
  }
  const hasServers = document.get(['servers']) !== undefined
  if (context.hasUpstreams && hasServers && serverNames.length === 0) {
    const remedy = 'name one, or remove `servers` to run the sample'
    problems.push(problemAtKey(document, ['servers'], 'there is no server', remedy))
  }

  const timings = collect(readTimings(document)) ?? defaultTimings
  const limits = collect(readLimits(document)) ?? defaultLimits
  const channels = { slack: collect(checkShape(document, channelsShape, ['channels']))?.slack ?? null }
  const issuers = collect(readIssuers(document)) ?? []
  const privateNetworks = collect(readPrivateNetworks(document)) ?? []
  const operators = collect(readOperators(document, known)) ?? { people: [], groups: [] }
  if (problems.length > 0) return err(problems)
  const oauth = { issuers, logins, privateNetworks }
  const named = hasServers ? { servers, serverNames } : { servers: null, serverNames: null }
  return ok({ people, agents, agentSettings, ...named, operators, channels, oauth, timings, limits })

  function collect<T>(result: Result<T, Problem[]>): T | null {
    if (result.ok) return result.value
    problems.push(...result.error)
    return null
  }
}

const isMap = (value: JsonValue | undefined) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Names to choose from, as far as a line goes. */
const choices = (names: readonly string[]) =>
  `${names.slice(0, 8).join(' or ')}${names.length > 8 ? ' or another of `people`' : ''}`

interface Known {
  readonly people: readonly string[]
  readonly groups: readonly string[]
  /** Nobody is configured; the local person stands in. */
  readonly isLocal: boolean
}

const section = z.unknown().optional()
const topShape = z.strictObject({
  people: section,
  groups: section,
  agents: section,
  servers: section,
  operators: section,
  channels: section,
  oauth: section,
  private_networks: section,
  timings: section,
  limits: section,
})
const channelsShape = z
  .strictObject({
    slack: z
      .strictObject({
        channel: z
          .string()
          .regex(
            /^([CG][A-Z0-9]{6,}|#[^\s#@]{1,80})$/,
            says('this is not a Slack channel', 'write its id (C…), or #name'),
          ),
      })
      .nullable()
      .optional(),
  })
  .nullable()
  .optional()
/** `people:` with nothing below it is what remains when every entry was commented out. */
const sectionShape = z.record(z.string(), z.unknown()).nullable().optional()

const idShape = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/,
    says('a name here has 1 to 64 letters, digits, ".", "_", "@" or "-"', 'choose another name'),
  )
const personShape = z.strictObject({
  name: z.string().min(1, says('the name is empty', 'write a name, or remove the line')).optional(),
  logins: z.array(z.string().min(1, says('the login is empty', 'write one, or remove the line'))).optional(),
})
const agentShape = z.strictObject({
  owner: z.string(),
  // Read as a duration, with its own words for what is wrong.
  hold: z.unknown().optional(),
  on_client_gone: z.enum(clientGoneWays).optional(),
})

const serverNameShape = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    says(
      'a server name has 1 to 64 of a-z 0-9 _ -',
      'rename it; the name is part of its address /mcp/<name>',
    ),
  )
const serverShape = z.strictObject({
  ...upstreamShape.shape,
  policy: z.string().min(1, says('the path is empty', 'write one, or remove the line')).optional(),
  approvers: z
    .array(z.string())
    .min(
      1,
      says('nobody is named', 'name a person or a group, or remove the line: then everybody may decide'),
    )
    .optional(),
  self_confirm: z.boolean().optional(),
  scopes: scopesShape.optional(),
  record: z.enum(['keys', 'full']).optional(),
  methods: z
    .array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9$_.-]+(\/[A-Za-z0-9$_.-]+)*$/,
          says(
            'this is not a JSON-RPC method name',
            'write it as `vendor/thing`; patterns are not supported',
          ),
        ),
    )
    .optional(),
})

function readServer(
  document: Document,
  name: string,
  known: Known,
  context: ConfigFileContext & UpstreamContext,
): Result<ServerConfig, Problem[]> {
  const path = ['servers', name]
  const shape = checkShape(document, serverShape, path)
  const checkedName = checkName(document, path, serverNameShape)
  const problems: Problem[] = checkedName.ok ? [] : [...checkedName.error]
  if (!shape.ok) return err([...problems, ...shape.error])
  const server = shape.value

  const upstream = readUpstream(document, path, server, context)
  if (!upstream.ok) problems.push(...upstream.error)

  let policy: Policy = askForEverything
  let policyFile: PolicyFile | null = null
  let notes: readonly Problem[] = []
  if (server.policy !== undefined) {
    const place = [...path, 'policy']
    const read = readPolicyAt(server.policy, context, known)
    if (read.ok) {
      policy = read.value.policy
      policyFile = read.value.policyFile
      notes = read.value.notes
    } else {
      // A policy that cannot be opened is a mistake in this file; one that cannot be read, a mistake in its own.
      const unplaced = read.error.filter((problem) => problem.line === null)
      problems.push(...read.error.filter((problem) => problem.line !== null))
      problems.push(
        ...unplaced.map(({ file, message, remedy }) =>
          problemAt(document, place, `${file}: ${message}`, remedy),
        ),
      )
    }
  }

  const named = readNamed(document, [...path, 'approvers'], server.approvers ?? [], known)
  if (!named.ok) problems.push(...named.error)
  server.methods?.forEach((method, index) => {
    if (method !== 'tools/call') return
    const message = '`tools/call` is what the policy decides about; it never passes by itself'
    problems.push(problemAt(document, [...path, 'methods', index], message, 'remove it'))
  })
  if (problems.length > 0 || !upstream.ok || !named.ok) return err(problems)

  const everybody = server.approvers === undefined
  return ok({
    name,
    rules: {
      policy,
      approvers: {
        groups: named.value.groups,
        people: everybody ? known.people : named.value.people,
        // The local person is alone and could otherwise decide nothing; configured people opt in.
        selfConfirm: server.self_confirm ?? known.isLocal,
      },
    },
    policyFile,
    notes,
    extraMethods: server.methods ?? [],
    scopes: server.scopes ?? [],
    recordsArguments: server.record === 'full',
    upstream: upstream.value,
  })
}

/** @param written the path as the file has it, which is also the name under which approvals remember the policy */
function readPolicyAt(
  written: string,
  context: ConfigFileContext,
  known: Known,
): Result<PolicyReading & { policyFile: PolicyFile }, Problem[]> {
  const path = resolve(context.directory, written)
  const name = context.nameOf(path)
  const read = readTextFile(path, name)
  if (!read.ok) return read
  const reading = readPolicyWithNotes(name, read.value, known)
  if (!reading.ok) return reading
  const { policy, notes } = reading.value
  return ok({ policy: { ...policy, source: written }, notes, policyFile: { path, name, text: read.value } })
}

/** Nobody by default: whoever changes a policy decides about every call. Where nobody is configured, the local person is alone. */
function readOperators(document: Document, known: Known): Result<Named, Problem[]> {
  const shape = checkShape(document, z.array(z.string()).nullable().optional(), ['operators'])
  if (!shape.ok) return shape
  if (known.isLocal) return ok({ people: known.people, groups: [] })
  return readNamed(document, ['operators'], shape.value ?? [], known)
}

function readNamed(
  document: Document,
  path: Path,
  names: readonly string[],
  known: Known,
): Result<Named, Problem[]> {
  const problems = names.flatMap((name, index) => {
    if (known.groups.includes(name) || known.people.includes(name)) return []
    const candidates = [...known.people, ...known.groups]
    const remedy = didYouMean(name, candidates) ?? 'add it under `people` or `groups`'
    return [problemAt(document, [...path, index], `"${name}" is neither a person nor a group`, remedy)]
  })
  if (problems.length > 0) return err(problems)
  return ok({
    groups: names.filter((name) => known.groups.includes(name)),
    people: names.filter((name) => !known.groups.includes(name)),
  })
}

function checkName(document: Document, path: Path, shape: z.ZodType<string>): Result<string, Problem[]> {
  const checked = shape.safeParse(path.at(-1))
  if (checked.success) return ok(checked.data)
  const [message = '', remedy = ''] = checked.error.issues[0]?.message.split('\n') ?? []
  return err([problemAtKey(document, path, message, remedy)])
}

function unknownPerson(document: Document, path: Path, name: string, known: Known): Problem {
  const remedy = known.groups.includes(name)
    ? 'name a person; a group cannot stand here'
    : (didYouMean(name, known.people) ?? `add "${name}" under \`people\``)
  return problemAt(document, path, `nobody under \`people\` is called "${name}"`, remedy)
}
