/**
 * Finds pairs of rules that people can satisfy each by itself and not both at once: about a call that both match, the one of the higher
 * risk names the people, and it takes as many yeses as the stricter one wants. Whether such a call ever comes nobody knows here, so it is
 * a word and no error; at the time itself the call waits until its deadline and is not executed.
 */
import type { Condition } from '../domain/policy/condition.ts'
import { covers } from '../domain/policy/glob.ts'
import { whyNever } from '../domain/policy/impossible.ts'
import type { Rule } from '../domain/policy/rule.ts'
import { type ApproverChain, strictestTerms, withShadow, yesesOf } from '../domain/policy.ts'
import type { Person, Principal } from '../domain/principal.ts'
import { stagesText } from '../domain/quorum-text.ts'
import { risks } from '../domain/risk.ts'
import { readDocument } from './document.ts'
import type { Problem } from './problem.ts'
import type { ServerConfig } from './server-config.ts'
import { askedByRule, stuckAgents } from './undecidable.ts'

/** Comparing each with each is not done for more rules than people write. */
const COMPARED_MAX = 200

export function jointlyUndecidable(
  { name, rules: { policy, approvers }, policyFile }: Pick<ServerConfig, 'name' | 'rules' | 'policyFile'>,
  agents: readonly Principal[],
  people: ReadonlyMap<string, Person>,
): Problem[] {
  const asking = withShadow(policy)
    .rules.filter(({ action }) => action === 'require_approval')
    .slice(0, COMPARED_MAX)
    .filter((rule) => stuckAgents(askedByRule(rule, approvers), agents, people).length === 0)
  const document = policyFile === null ? null : readDocument(policyFile.name, policyFile.text, '')
  return asking.flatMap((rule, index) => {
    const found = asking.slice(0, index).flatMap((other) => {
      const together = whoIsAsked(rule, other, approvers).find(
        (asked) => stuckAgents(asked, agents, people).length > 0,
      )
      return together === undefined || !canMeet(rule, other) ? [] : [{ other, together }]
    })
    const [first] = found
    if (first === undefined) return []
    const { other, together } = first
    const path = pathOf(rule.pointer)
    const place = document?.ok ? document.value.keyAt(path) : { line: null, column: null }
    const stuck = stuckAgents(together, agents, people).join(', ')
    const wanted = together.stages.length === 0 ? 'one of them' : stagesText(together.stages)
    return [
      {
        ...{ file: policyFile?.name ?? policy.source, ...place, path: rule.pointer },
        message: `this rule and ${other.pointer} can each be satisfied, and not both at once: of the calls of ${stuck} to "${name}" that both are about, ${wanted} must say yes, and there are not so many`,
        remedy: `let both name the same people, or give each a condition that keeps it off the other's calls`,
      },
    ]
  })
}

/** Whoever is asked about a call that both are about, for each way in which one of them can go before the other. */
function whoIsAsked(a: Rule, b: Rule, approvers: ApproverChain) {
  const asked = (winner: Rule) =>
    askedByRule({ pointer: winner.pointer, terms: strictestTerms(winner, [a, b]) }, approvers)
  const more = yesesOf(a.terms) - yesesOf(b.terms)
  return [
    ...(isGraver(a, b) ? [asked(a)] : []),
    ...(isGraver(b, a) ? [asked(b)] : []),
    // Between equals the one with more yeses names the people; which one it is of equal ones is no matter of this lint.
    ...(more === 0 || (a.treatAs !== b.treatAs && a.treatAs !== null && b.treatAs !== null)
      ? []
      : [asked(more > 0 ? a : b)]),
  ]
}

/** Whether the first can be said to be of a higher risk. A rule that says nothing has at most the level of one that does. */
const isGraver = ({ treatAs: a }: Rule, { treatAs: b }: Rule): boolean =>
  a !== null && risks.indexOf(a) > (b === null ? 0 : risks.indexOf(b))

function canMeet(a: Rule, b: Rule): boolean {
  const isBoth = <T>(some: readonly T[] | null, others: readonly T[] | null) =>
    some === null || others === null || some.some((each) => others.includes(each))
  const conditions = [a.when, b.when].filter((when): when is Condition => when !== null)
  return (
    a.tools.some((one) => b.tools.some((other) => covers(one, other) || covers(other, one))) &&
    isBoth(a.categories, b.categories) &&
    isBoth(a.risks, b.risks) &&
    whyNever({ kind: 'all', of: conditions }) === null
  )
}

const pathOf = (pointer: string) =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
