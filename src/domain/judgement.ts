/** What becomes of an open approval under the policy in force now. Looser is never a reason to end it: people were asked already. */
import type { Asking } from './approval.ts'
import { grantTermsText } from './grant-text.ts'
import { type ApproverChain, effectiveRuleDigest, stagesOf, type Verdict } from './policy.ts'
import { stagesText } from './quorum-text.ts'
import { risks } from './risk.ts'

export type Judgement =
  | { readonly kind: 'keeps' }
  /** Another rule asks: whoever said yes said it to the earlier one. */
  | {
      readonly kind: 'asks_anew'
      readonly asking: Asking
      readonly difference: string
      /** How long people have, where the rule says so. */
      readonly timeoutMs: number | null
    }
  | { readonly kind: 'forbids'; readonly change: string }

export function judgementOf(asking: Asking, verdict: Verdict, approvers: ApproverChain): Judgement {
  switch (verdict.kind) {
    case 'allow':
      return { kind: 'keeps' }
    case 'hide':
      return { kind: 'forbids', change: 'the policy hides this tool now' }
    case 'deny':
      return {
        kind: 'forbids',
        change: `the policy forbids this call now${verdict.reason === null ? '' : `: ${verdict.reason}`} (${verdict.rule})`,
      }
    case 'require_approval': {
      const ruleDigest = effectiveRuleDigest(verdict, approvers)
      if (ruleDigest === asking.ruleDigest || isOnlyMilder(asking, verdict, approvers))
        return { kind: 'keeps' }
      const anew = askingOf(verdict, approvers)
      const { timeoutMs } = verdict.terms
      return { kind: 'asks_anew', asking: anew, difference: differenceOf(asking, anew), timeoutMs }
    }
  }
}

/** Why it asks, and whom, as it is kept with an approval. */
export function askingOf(
  verdict: Extract<Verdict, { kind: 'require_approval' }>,
  approvers: ApproverChain,
): Asking {
  const { rule, reason, risk, terms } = verdict
  const ruleDigest = effectiveRuleDigest(verdict, approvers)
  const { onClientGone, reasonRequired } = terms
  return {
    ...{ rule, reason, risk, approvers, ruleDigest },
    onClientGone: onClientGone ?? 'wait',
    reasonRequired: reasonRequired === true,
    remindersMs: terms.remindersMs ?? [],
    escalation: terms.escalation ?? [],
    lookups: terms.lookups ?? [],
    stages: stagesOf(terms, approvers),
    grants: terms.grants,
  }
}

/** The same rule, of a tool that is less grave than it was taken for: more is known of it by now. */
function isOnlyMilder(
  asking: Asking,
  verdict: Extract<Verdict, { kind: 'require_approval' }>,
  approvers: ApproverChain,
): boolean {
  if (risks.indexOf(verdict.risk) > risks.indexOf(asking.risk)) return false
  return effectiveRuleDigest({ ...verdict, risk: asking.risk }, approvers) === asking.ruleDigest
}

function differenceOf(before: Asking, after: Asking): string {
  const said = (reason: string | null) => (reason === null ? 'none' : `“${reason}”`)
  const differences = [
    ['approvers', approversWords(before.approvers), approversWords(after.approvers)],
    ['escalation', escalationWords(before.escalation), escalationWords(after.escalation)],
    // Milder is no other rule: more is known of the tool by now.
    ['yeses', stagesText(before.stages) || 'one', stagesText(after.stages) || 'one'],
    ['risk', before.risk, risks.indexOf(after.risk) > risks.indexOf(before.risk) ? after.risk : before.risk],
    ['without the agent', before.onClientGone, after.onClientGone],
    ['reason', said(before.reason), said(after.reason)],
    ['people give a reason', yesNo(before.reasonRequired), yesNo(after.reasonRequired)],
    ['grants', grantTermsText(before.grants), grantTermsText(after.grants)],
  ].flatMap(([what, was, is]) => (was === is ? [] : [`${what}: ${was} → ${is}`]))
  return differences.join('; ') || `another rule asks: ${before.rule} → ${after.rule}`
}

const yesNo = (is: boolean) => (is ? 'yes' : 'no')

/** Whom a chain names, in an order of its own. */
export function approversWords({ groups, people, selfConfirm }: ApproverChain): string {
  const named = [...[...groups].sort(), ...[...people].sort(), ...(selfConfirm ? ['the owner confirms'] : [])]
  return named.join(', ') || 'nobody'
}

function escalationWords(steps: Asking['escalation']): string {
  const words = steps.map(
    ({ afterMs, groups, people }) =>
      `after ${Math.round(afterMs / 1_000)} s ${[...[...groups].sort(), ...[...people].sort()].join(', ')}`,
  )
  return words.join('; then ') || 'none'
}
