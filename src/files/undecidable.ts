/** Finds the calls that nobody could decide: waiting for an approver who does not exist, they would only ever expire. */
import type { EscalationStep, Rule, Stage } from '../domain/policy/rule.ts'
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
export interface AskedPeople {
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
  return [...usual, ...asking.map((rule) => askedByRule(rule, approvers))]
}

export function askedByRule(
  { terms, pointer }: Pick<Rule, 'terms' | 'pointer'>,
  approvers: ApproverChain,
): AskedPeople {
  const chain = chainOf(terms, approvers)
  const later = terms.escalation ?? []
  const stages = stagesOf(terms, chain).map((stage) => ({ ...stage, ...withLater(stage, later) }))
  return { chain: { ...chain, ...withLater(chain, later) }, stages, pointer }
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
  asked: AskedPeople,
  server: Server,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
  document: Document | null,
): Problem[] {
  const { stages, pointer } = asked
  const deciders = decidersOf(asked, people)
  const stuck = stuckAgents(asked, agents, people)
  if (stuck.length === 0) return []
  const path = ['servers', server.name, 'approvers']
  const place =
    document === null
      ? { file: `${server.rules.policy.source}#${pointer}`, line: null, column: null }
      : { file: document.file, ...document.at(path) }
  const isEveryone = stuck[0] === ANY_AGENT
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

const ANY_AGENT = 'any agent'

const decidersOf = ({ chain }: AskedPeople, people: ReadonlyMap<string, Person>): readonly Person[] =>
  [...people.values()].filter(
    ({ id, groups }) => chain.people.includes(id) || groups.some((group) => chain.groups.includes(group)),
  )

/** The agents whose calls nobody could decide, by name; or any agent's. */
export function stuckAgents(
  asked: AskedPeople,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
): readonly string[] {
  if (asked.chain.selfConfirm) return []
  const deciders = decidersOf(asked, people)
  const isStuck = (able: readonly Person[]) =>
    asked.stages.length === 0 ? able.length === 0 : !canBeMet(asked.stages, able)
  if (isStuck(deciders)) return [ANY_AGENT]
  return agents
    .filter(({ owner }) => isStuck(deciders.filter(({ id }) => id !== owner)))
    .map(({ name }) => name)
}
