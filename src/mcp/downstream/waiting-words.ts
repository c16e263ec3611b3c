/** Whom a paused call waits for, how long it has, and when that ends: for progress and for the status of tasks. */
import { type Approval, decidersOf } from '../../domain/approval.ts'
import { calledBy } from '../../domain/nudges.ts'
import type { EscalationStep } from '../../domain/policy/rule.ts'
import type { ApproverChain } from '../../domain/policy.ts'
import { namesText, progressText, stagesText } from '../../domain/quorum-text.ts'

export function waitingInWords(approval: Approval, waitedMs: number): string {
  const { id, status, expiresAtMs, predecessor, like } = approval
  const waited = durationInWords(waitedMs)
  switch (status) {
    case 'pending': {
      const until = `${new Date(expiresAtMs).toISOString().slice(0, 16)}Z`
      if (predecessor !== null && predecessor.why === 'rule_changed') {
        return `The rule changed, so people are asked again: ${id} instead of ${predecessor.id} (${waited} so far). Asked now: ${askedInWords(approval)}`
      }
      // Before the approvers: it is cut at the end where there are many.
      const alike =
        like === null ? '' : ` Like ${like.id}, differs in ${like.differs.slice(0, 2).join(', ')}.`
      return `Waiting for approval ${id} (${waited} so far, can be decided until ${until}).${alike} ${askedText(approval)}`
    }
    case 'approved':
      return `${id} was approved by ${namesText(decidersOf(approval.decision))} and is about to run (${waited}).`
    case 'executing':
      return `${id} was approved by ${namesText(decidersOf(approval.decision))} and is running (${waited}).`
    case 'settled':
      return `${id} is decided (${waited}).`
  }
}

function durationInWords(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes === 0) return `${Math.floor(ms / 1_000)} s`
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Whom it asks, with how far several yeses have come. */
export function askedText(approval: Approval): string {
  const progress = progressText(approval.asking.stages, approval.votes)
  if (progress === null) return `Asked: ${askedInWords(approval)}`
  const again = calledAgain(approval)
  return again.length === 0 ? progress : `${progress} (${again.join('; ')})`
}

/** Whom a call asks, and who was called again when, as agents and their users read it. */
function askedInWords(approval: Approval): string {
  const { asking } = approval
  const asked = stagesText(asking.stages) || approversInWords(asking.approvers)
  return [asked, ...calledAgain(approval)].join('; ')
}

function calledAgain(approval: Approval): readonly string[] {
  const { nudges } = approval
  const reminded = nudges.filter(({ kind }) => kind === 'reminder')
  const escalated = nudges
    .filter(({ kind }) => kind === 'escalation')
    .map((nudge) => `since ${clockTime(nudge.atMs)} also ${calledBy(nudge, approval).map(named).join(', ')}`)
  const times = reminded.map(({ atMs }) => clockTime(atMs)).join(', ')
  return [...escalated, ...(reminded.length === 0 ? [] : [`reminded ${times}`])]
}

const clockTime = (atMs: number) => `${new Date(atMs).toISOString().slice(11, 16)}Z`

const named = ({ groups, people }: EscalationStep) =>
  [...groups.map((group) => `group ${group}`), ...people].join(', ')

function approversInWords({ groups, people, selfConfirm }: ApproverChain): string {
  const named = [...groups.map((group) => `group ${group}`), ...people]
  if (selfConfirm) named.push('the owner of this agent, who can confirm')
  return named.length === 0 ? 'nobody yet, an operator must name approvers' : named.join(', ')
}
