/** Reads `holdpoint.yaml`: people, groups, agents, servers with their policies, timings and limits; all problems at once. */
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import { defaultLimits, type Limits } from '../domain/limits.ts'
import { clientGoneWays, type OnClientGone } from '../domain/policy/rule.ts'
import type { Person, Principal } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { defaultTimings, type Timings } from '../domain/timings.ts'
import type { Document } from './document.ts'
import { checkName, type Known, type Named, readNamed, unknownPerson } from './known-names.ts'
import { type IssuerConfig, readIssuers, readPrivateNetworks } from './oauth-config.ts'
import type { Problem } from './problem.ts'
import { readServer, type ServerConfig } from './server-config.ts'
import { readDuration, readLimits, readTimings } from './settings.ts'
import { checkShape, problemAt, problemAtKey, says } from './shape.ts'
import type { UpstreamContext } from './upstream-config.ts'

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
  const agentNames = namesIn('agents')
  const serverNames = namesIn('servers')
  const isLocal = written.length === 0
  const timings = collect(readTimings(document)) ?? defaultTimings
  const known: Known = {
    people: isLocal ? [context.localPerson.id] : written,
    groups: groupNames,
    agents: agentNames,
    servers: serverNames,
    hasIssuers: document.get(['oauth']) !== undefined,
    decisionMs: timings.decisionMs,
    isLocal,
  }

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
  for (const name of agentNames) {
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
  for (const name of context.hasUpstreams ? serverNames : []) {
    const server = collect(readServer(document, name, known, { ...context, hasPeople: !isLocal }))
    if (server !== null) servers.set(name, server)
  }
  const hasServers = document.get(['servers']) !== undefined
  if (context.hasUpstreams && hasServers && serverNames.length === 0) {
    const remedy = 'name one, or remove `servers` to run the sample'
    problems.push(problemAtKey(document, ['servers'], 'there is no server', remedy))
  }

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

/** Nobody by default: whoever changes a policy decides about every call. Where nobody is configured, the local person is alone. */
function readOperators(document: Document, known: Known): Result<Named, Problem[]> {
  const shape = checkShape(document, z.array(z.string()).nullable().optional(), ['operators'])
  if (!shape.ok) return shape
  if (known.isLocal) return ok({ people: known.people, groups: [] })
  return readNamed(document, ['operators'], shape.value ?? [], known)
}
