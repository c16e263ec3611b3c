/** Who may decide about anything at all by the rules in force: named by a server, in one of its groups, or an owner who may confirm. */
import type { Config } from '../config.ts'
import { type ApproverChain, chainOf, withShadow } from '../domain/policy.ts'
import type { Person } from '../domain/principal.ts'
import type { Rules, ServerRules } from '../ports/rules.ts'

export function approversOf(
  { servers, agents, localPrincipal }: Pick<Config, 'servers' | 'agents' | 'localPrincipal'>,
  rules: Rules,
): (person: Person) => boolean {
  const owners = new Set([...agents.values(), localPrincipal].map((agent) => agent?.owner))
  return ({ id, groups }) =>
    [...servers.keys()]
      .flatMap((server) => chainsOf(rules.of(server)))
      .some(
        (chain) =>
          chain.people.includes(id) ||
          groups.some((group) => chain.groups.includes(group)) ||
          (chain.selfConfirm && owners.has(id)),
      )
}

/** Of the server, and of those rules that name their own. */
function chainsOf(serverRules: ServerRules | null): ApproverChain[] {
  if (serverRules === null) return []
  const { policy, approvers } = serverRules
  const own = withShadow(policy).rules.flatMap(({ terms }) => {
    const later = (terms.escalation ?? []).map((step) => ({ ...step, selfConfirm: false }))
    return terms.approvers === null && terms.selfConfirm === null
      ? later
      : [chainOf(terms, approvers), ...later]
  })
  return [approvers, ...own]
}

/** Who is named by this server: its tools are accepted by the people who decide about its calls, not by those who own agents. */
export function isApproverOf(rules: Rules, { id, groups }: Person, server: string): boolean {
  const chain = rules.of(server)?.approvers
  if (chain === undefined) return false
  return chain.people.includes(id) || groups.some((group) => chain.groups.includes(group))
}
