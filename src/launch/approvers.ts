/** Who may decide about anything at all by the configuration: named by a server, in one of its groups, or an owner who may confirm. */
import type { Config } from '../config.ts'
import type { Person } from '../domain/principal.ts'

export function approversOf({
  servers,
  agents,
  localPrincipal,
}: Pick<Config, 'servers' | 'agents' | 'localPrincipal'>): (person: Person) => boolean {
  const chains = [...servers.values()].map(({ rules }) => rules.approvers)
  const owners = new Set([...agents.values(), localPrincipal].map((agent) => agent?.owner))
  return ({ id, groups }) =>
    chains.some(
      (chain) =>
        chain.people.includes(id) ||
        groups.some((group) => chain.groups.includes(group)) ||
        (chain.selfConfirm && owners.has(id)),
    )
}
