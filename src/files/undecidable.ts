/** Finds the calls that nobody could decide: waiting for an approver who does not exist, they would only ever expire. */
import type { EscalationStep } from '../domain/policy/rule.ts'
import { type ApproverChain, withShadow } from '../domain/policy.ts'
import type { Person, Principal } from '../domain/principal.ts'
import type { ServerConfig } from './config-file.ts'
import type { Document } from './document.ts'
import { ENVIRONMENT, type Problem } from './problem.ts'

/** @param document where the server is written, `null`: nowhere, it is the sample */
export function undecidable(
  server: ServerConfig,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
  document: Document | null,
): Problem[] {
  // One sentence for each chain: several rules that name the same people are one mistake.
  const chains = new Map(chainsOf(server.rules).map((chain) => [JSON.stringify(chain), chain]))
  return [...chains.values()].flatMap((chain) => stuckWith(chain, server, agents, people, document))
}

/** Whom the rules that ask can ask. */
function chainsOf({ policy, approvers }: ServerConfig['rules']): ApproverChain[] {
  const asking = withShadow(policy).rules.filter(({ action }) => action === 'require_approval')
  const usual = policy.fallback.action === 'require_approval' ? [approvers] : []
  return [
    ...usual,
    ...asking.map(({ terms }) => ({
      ...approvers,
      ...withLater(terms.approvers ?? approvers, terms.escalation ?? []),
      selfConfirm: terms.selfConfirm ?? approvers.selfConfirm,
    })),
  ]
}

/** Whom an escalation names can decide in the end, and until then the call waits for them. */
function withLater(
  { groups, people }: Pick<ApproverChain, 'groups' | 'people'>,
  escalation: readonly EscalationStep[],
) {
  return {
    groups: [...groups, ...escalation.flatMap((step) => step.groups)],
    people: [...people, ...escalation.flatMap((step) => step.people)],
  }
}

function stuckWith(
  approvers: ApproverChain,
  server: ServerConfig,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
  document: Document | null,
): Problem[] {
  if (approvers.selfConfirm) return []
  const deciders = [...people.values()].filter(
    ({ id, groups }) =>
      approvers.people.includes(id) || groups.some((group) => approvers.groups.includes(group)),
  )
  const stuck =
    deciders.length === 0
      ? ['any agent']
      : agents.filter((agent) => deciders.every(({ id }) => id === agent.owner)).map(({ name }) => name)
  if (stuck.length === 0) return []
  const path = ['servers', server.name, 'approvers']
  const place = document?.at(path) ?? { line: null, column: null }
  const why = deciders.length === 0 ? 'no approver is a person' : 'their owner is the only approver'
  return [
    {
      file: document?.file ?? ENVIRONMENT,
      ...place,
      path: `/${path.join('/')}`,
      message: `nobody may decide the calls of ${stuck.join(', ')} to "${server.name}": ${why}`,
      remedy: 'name another approver, or set `self_confirm: true` to let the owner confirm',
    },
  ]
}
