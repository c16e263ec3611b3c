/** `validate`: every problem of configuration and policies at once, or what they mean, server by server. */
import {
  type Config,
  formatProblems,
  jointlyUndecidable,
  loadConfig,
  notListedBeside,
  type ServerConfig,
  spellingOf,
} from '../config.ts'
import { askForEverything } from '../domain/policy.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson } from './session.ts'
import { table } from './table.ts'

export function validate(
  { io, surroundings }: Parts,
  { file, json }: { file: string | null; json: boolean },
): ExitCode {
  const { env, cwd } = surroundings
  const loaded = loadConfig(file === null ? surroundings : { env: { ...env, HOLDPOINT_CONFIG: file }, cwd })
  if (!loaded.ok) {
    if (json) printJson(io, { valid: false, problems: loaded.error })
    else {
      io.err(formatProblems(loaded.error))
      io.err(`\n${loaded.error.length === 1 ? '1 problem' : `${loaded.error.length} problems`}`)
    }
    return 2
  }
  const config = loaded.value
  const servers = [...config.servers.values()].map((server) => summary(server, config))
  if (json) {
    printJson(io, {
      valid: true,
      file: config.file,
      people: config.people.size,
      agents: config.agents.size,
      servers,
    })
    return 0
  }
  io.out(config.file ?? 'No holdpoint.yaml here: the built-in defaults with the sample server.')
  const rows = servers.map(({ name, policy, spelling, otherwise, rules, notEnforced, hidden, mayDecide }) => [
    name,
    policy,
    spelling,
    notEnforced === 0 ? String(rules) : `${rules}, and ${notEnforced} NOT enforced`,
    String(hidden),
    otherwise,
    mayDecide,
  ])
  const head = ['SERVER', 'POLICY', 'SPELLING', 'RULES', 'HIDDEN', 'OTHER TOOLS', 'WHO DECIDES']
  for (const line of table([head, ...rows])) io.out(line)
  io.out(`People: ${config.people.size}. Agents: ${config.agents.size}. No problems.`)
  const notes = servers.flatMap((server) => server.notes)
  if (notes.length > 0) io.out(`\nWorth a look:\n${formatProblems(notes)}`)
  return 0
}

/** Where the tests beside the policy say what tools there are. */
const notListed = ({ rules, policyFile }: ServerConfig) =>
  policyFile === null ? [] : notListedBeside(policyFile.path, rules.policy, policyFile.text)

function summary(server: ServerConfig, { localPrincipal, agents, people: directory }: Config) {
  const { name, notes, rules } = server
  const { policy, approvers } = rules
  const asking = [...agents.values(), ...(localPrincipal === null ? [] : [localPrincipal])]
  const { groups, people, selfConfirm } = approvers
  // Where there is only the local person, the owner of every agent is known: their yes is a confirmation.
  const owner = selfConfirm ? (localPrincipal?.owner ?? null) : null
  const self = selfConfirm ? [`${owner ?? 'the owner of the agent'} may confirm as the owner`] : []
  return {
    name,
    policy: policy === askForEverything ? 'none: calls are refused' : policy.source,
    spelling: policy === askForEverything ? '' : spellingOf(policy),
    notes: [...notes, ...jointlyUndecidable(server, asking, directory), ...notListed(server)],
    rules: policy.rules.length,
    notEnforced: policy.shadow.length,
    hidden: policy.hidden.has('*') ? 'all' : policy.hidden.size,
    otherwise: policy.fallback.action,
    approvers: { groups, people, selfConfirm },
    mayDecide:
      [
        ...groups.map((group) => `group ${group}`),
        ...people.filter((person) => person !== owner),
        ...self,
      ].join(', ') || 'nobody',
  }
}
