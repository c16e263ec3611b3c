/** The policies of a gateway: its files are put in force as far as they may be, watched, and compared with what is in force. */
import { hostname } from 'node:os'
import type { Config, ServerConfig } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { type ApproverChain, askForEverything } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { type Offer, type PutBy, putByText, textDigest } from '../domain/revision.ts'
import { readPolicy, readPolicyInForce } from '../files/policy-file.ts'
import { formatProblems, type Problem } from '../files/problem.ts'
import { undecidable } from '../files/undecidable.ts'
import { watchFile } from '../files/watch-files.ts'
import type { Log } from '../ports/log.ts'
import type { Revisions } from '../ports/revisions.ts'
import type { ReadPolicy, Rules, ServerRules } from '../ports/rules.ts'
import { createPutInForce } from '../services/put-in-force.ts'
import { createRulesInForce, type RulesInForce } from '../services/rules-in-force.ts'
import { clock } from './clock.ts'

export interface Policies {
  readonly rules: RulesInForce
  /** Whom the configuration names, as far as no revision does. */
  usualApprovers(server: string): { approvers: ApproverChain; origin: string } | null
  /** Where this gateway's files are not what is in force, and what people can do; `null`: nowhere. */
  gap(): Promise<string | null>
  /** Watches and keeps fresh until `stopping` aborts; never rejects. */
  keep(stopping: AbortSignal): Promise<void>
}

/** What the file of a server says now, if it can be read. */
interface Local {
  offer: Offer
  problem: string | null
}

/** Of a text that is in force. */
export const readPolicyText: ReadPolicy = (source, text) => {
  if (text === null) return ok(askForEverything)
  const read = readPolicyInForce(source, text)
  return read.ok ? ok({ ...read.value, source }) : err(formatProblems(read.error))
}

/** For a text that a person wants in force here: it may name only people and groups that exist. */
export const readNewPolicy =
  (known: Pick<Config, 'people' | 'servers'>): ReadPolicy =>
  (source, text) => {
    if (text === null) return ok(askForEverything)
    const read = readPolicy(source, text, namesOf(known))
    return read.ok ? ok({ ...read.value, source }) : err(formatProblems(read.error))
  }

export async function openPolicies(deps: {
  config: Pick<Config, 'servers' | 'file' | 'dataDir' | 'people' | 'agents' | 'localPrincipal'>
  revisions: Revisions
  tools: Required<Pick<Rules, 'facts' | 'quarantineOf' | 'isAccepted'>>
  log: Log
}): Promise<Policies> {
  const { config, revisions, tools, log } = deps
  const putInForce = createPutInForce({ revisions, log })
  const servers = [...config.servers.keys()]
  const rules = createRulesInForce({ revisions, servers, readPolicy: readPolicyText, tools, clock, log })
  const locals = new Map<string, Local>()

  for (const server of config.servers.values()) {
    const local: Local = { offer: offerOf(server, config), problem: null }
    locals.set(server.name, local)
    await putInForce(local.offer, { kind: 'file_at_start' })
  }
  await rules.refresh()
  for (const server of servers) {
    const gap = await gapOf(server)
    if (gap !== null) log.warn({ server }, gap)
  }

  async function gapOf(server: string): Promise<string | null> {
    const local = locals.get(server)
    const inForce = rules.held(server)
    if (local === undefined || inForce === null) return null
    const { offer, problem } = local
    const now = `in force is revision ${inForce.number} (by ${putByText(inForce.putBy)}, ${new Date(inForce.putAtMs).toISOString()})`
    if (problem !== null) return `${problem}; ${now}`
    if (offer.text === null || textDigest(offer.text) === textDigest(inForce.text)) return null
    const number = await revisions.lastWithText(server, textDigest(offer.text))
    const which = number === null ? 'not in force yet' : `revision ${number} of ${server}`
    const remedy = number === null ? '' : `; \`${CLI} policy rollback ${server} ${number}\` brings it back`
    return `this gateway's ${offer.source} is ${which}, ${now}${remedy}`
  }

  async function watch(server: ServerConfig, stopping: AbortSignal): Promise<void> {
    const { policyFile, name } = server
    const local = locals.get(name)
    if (policyFile === null || local === undefined) return
    let said = ''
    const say = (problem: string) => {
      if (problem !== said) log.error({ server: name }, problem)
      said = problem
    }
    await watchFile(
      policyFile,
      async (content) => {
        const text = content.ok ? checked(server, config, policyFile.name, content.value) : content
        if (!text.ok) {
          local.problem = `${formatProblems(text.error)}\nThe last good policy of ${name} stays in force.`
          say(local.problem)
          return
        }
        local.problem = null
        local.offer = { ...local.offer, text: text.value }
        try {
          const putBy: PutBy = { kind: 'file_changed' }
          const number = await putInForce(local.offer, putBy)
          if (number !== null) await rules.refresh()
        } catch (error) {
          say(`${policyFile.name} was changed, and the ledger cannot take it now; it is tried again`)
          throw error
        }
        said = ''
        const gap = await gapOf(name)
        if (gap !== null) log.warn({ server: name }, gap)
      },
      stopping,
    )
  }

  return {
    rules,
    usualApprovers(server) {
      const offer = locals.get(server)?.offer
      return offer === undefined ? null : { approvers: offer.approvers, origin: offer.approversOrigin }
    },
    async gap() {
      const unreadable = rules
        .unreadable()
        .map(
          ({ server, problem }) =>
            `the policy in force for ${server} cannot be read by this version: ${problem}`,
        )
      const gaps = await Promise.all(servers.map(gapOf))
      const all = [...unreadable, ...gaps.filter((gap) => gap !== null)]
      return all.length === 0 ? null : all.join('\n')
    },
    async keep(stopping) {
      const watched = [...config.servers.values()].map((server) => watch(server, stopping))
      await Promise.all([rules.keepFresh(stopping), ...watched])
    },
  }
}

type Known = Pick<Config, 'people' | 'agents' | 'localPrincipal' | 'servers'>

/** Everything that a start would have found: names that nobody has, and calls that nobody could decide. */
function checked(server: ServerConfig, known: Known, name: string, text: string): Result<string, Problem[]> {
  const read = readPolicy(name, text, namesOf(known))
  if (!read.ok) return read
  const stuck = stuckUnder(known, server.name, { ...server.rules, policy: read.value })
  return stuck.length === 0 ? ok(text) : err(stuck)
}

type Decided = Pick<ServerRules, 'policy' | 'approvers'>

function stuckUnder({ people, agents, localPrincipal }: Known, name: string, rules: Decided): Problem[] {
  const asking = [...agents.values(), ...(localPrincipal === null ? [] : [localPrincipal])]
  return undecidable({ name, rules }, asking, people, null)
}

/** Which calls nobody of these people could ever decide, in words; `null`: none. */
export const undecidableBy =
  (known: Known) =>
  (server: string, rules: Decided): string | null => {
    const stuck = stuckUnder(known, server, rules)
    return stuck.length === 0 ? null : formatProblems(stuck)
  }

function namesOf({ people, servers }: Pick<Config, 'people' | 'servers'>) {
  const groups = [
    ...[...people.values()].flatMap((person) => person.groups),
    ...[...servers.values()].flatMap(({ rules }) => rules.approvers.groups),
  ]
  return { people: [...people.keys()], groups: [...new Set(groups)] }
}

function offerOf(
  { name, rules, policyFile }: ServerConfig,
  { file, dataDir }: Pick<Config, 'file' | 'dataDir'>,
): Offer {
  const origin = (path: string) => `${hostname()}:${path}`
  const approversOrigin = origin(file ?? dataDir)
  return {
    server: name,
    source: rules.policy.source,
    text: policyFile?.text ?? null,
    approvers: rules.approvers,
    textOrigin: policyFile === null ? approversOrigin : origin(policyFile.path),
    approversOrigin,
  }
}
