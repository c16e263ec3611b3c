/** Finds the calls that nobody could decide: waiting for an approver who does not exist, they would only ever expire. */
import type { EscalationStep, Stage } from '../domain/policy/rule.ts'
import { type ApproverChain, chainOf, stagesOf, withShadow } from '../domain/policy.ts'
import type { Person, Principal } from '../domain/principal.ts'
import { canBeMet } from '../domain/quorum.ts'
import { stagesText } from '../domain/quorum-text.ts'
import type { Document } from './document.ts'
import type { Problem } from './problem.ts'
import type { ServerConfig } from './server-config.ts'

type Server = Pick<ServerConfig, 'name' | 'rules'>

/** @param document where the server is written; `null`: the rule itself is named, because the policy came another way */
export function undecidable(
  server: Server,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
  document: Document | null,
): Problem[] {
  // One sentence for each chain: several rules that name the same people are one mistake.
  const asked = new Map(
    askedBy(server.rules)
      .toReversed()
      .map((one) => [JSON.stringify({ ...one, pointer: null }), one]),
  )
  return [...asked.values()].flatMap((one) => stuckWith(one, server, agents, people, document))
}

/** Who can be asked, and how many of them have to say yes; no stages: one. */
interface AskedPeople {
  readonly chain: ApproverChain
  readonly stages: readonly Stage[]
  /** JSON Pointer of the rule, in its policy. */
  readonly pointer: string
}

/** Whom the rules that ask can ask. */
function askedBy({ policy, approvers }: ServerConfig['rules']): AskedPeople[] {
  const asking = withShadow(policy).rules.filter(({ action }) => action === 'require_approval')
  const usual =
    policy.fallback.action === 'require_approval'
      ? [{ chain: approvers, stages: [], pointer: policy.fallback.pointer }]
      : []
  return [
    ...usual,
    ...asking.map(({ terms, pointer }) => {
      const chain = chainOf(terms, approvers)
      const later = terms.escalation ?? []
      const stages = stagesOf(terms, chain).map((stage) => ({ ...stage, ...withLater(stage, later) }))
      return { chain: { ...chain, ...withLater(chain, later) }, stages, pointer }
    }),
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
  { chain: approvers, stages, pointer }: AskedPeople,
  server: Server,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
  document: Document | null,
): Problem[] {
  if (approvers.selfConfirm) return []
  const deciders = [...people.values()].filter(
    ({ id, groups }) =>
      approvers.people.includes(id) || groups.some((group) => approvers.groups.includes(group)),
  )
  const withoutOwner = (owner: string) => deciders.filter(({ id }) => id !== owner)
  const isStuck = (able: readonly Person[]) =>
    stages.length === 0 ? able.length === 0 : !canBeMet(stages, able)
  const stuck = isStuck(deciders)
    ? ['any agent']
    : agents.filter(({ owner }) => isStuck(withoutOwner(owner))).map(({ name }) => name)
  if (stuck.length === 0) return []
  const path = ['servers', server.name, 'approvers']
  const place =
    document === null
      ? { file: `${server.rules.policy.source}#${pointer}`, line: null, column: null }
      : { file: document.file, ...document.at(path) }
  const isEveryone = stuck[0] === 'any agent'
  const why = deciders.length === 0 ? 'no approver is a person' : 'their owner is the only approver'
  if (stages.length > 0 && deciders.length > 0) {
    const besides = isEveryone ? '' : ' besides their owner'
    return [
      {
        ...place,
        path: `/${path.join('/')}`,
        message: `the calls of ${stuck.join(', ')} to "${server.name}" can never be approved: ${stagesText(stages)} must say yes, each a different person, and there are not so many${besides}`,
        remedy: 'ask for fewer yeses in `quorum`, or put more people into the groups',
      },
    ]
  }
  return [
    {
      ...place,
      path: `/${path.join('/')}`,
      message: `nobody may decide the calls of ${stuck.join(', ')} to "${server.name}": ${why}`,
      remedy: 'name another approver, or set `self_confirm: true` to let the owner confirm',
    },
  ]
}
