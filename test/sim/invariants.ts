/** The one checker: reads what really happened and what everyone was told, and names every promise that was broken. */
import { type Approval, type Outcome, successorOf } from '../../src/domain/approval.ts'
import { CHAIN_START, chainHash } from '../../src/domain/audit.ts'
import { authorise } from '../../src/domain/authority.ts'
import { mina, owner } from '../support/builders.ts'
import { digestOfHit, type SimWorld } from './world.ts'

/** Outcomes that say "nothing was executed". */
const unexecuted: readonly Outcome['kind'][] = [
  'rejected',
  'expired',
  'lapsed',
  'cancelled',
  'invalidated',
  'not_sent',
]

/** @returns broken promises in words; empty when all hold */
export async function brokenPromises(world: SimWorld): Promise<string[]> {
  const { ledger, hits, told, history } = world
  const broken: string[] = []
  const approvals = await ledger.list({ statuses: null, principal: null, limit: 1_000, after: null })
  const byId = new Map<string, Approval>(approvals.map((approval) => [approval.id, approval]))

  broken.push(...wrongDecisions(world))
  broken.push(...world.underOldRules.map((what) => `I2: ${what} under a rule that was not in force any more`))

  for (const approval of approvals) {
    const own = hits.filter((hit) => hit.approvalId === approval.id)
    if (own.length > 1) broken.push(`I1: ${approval.id} was sent ${own.length} times`)
    for (const hit of own) {
      const before = history.filter(
        (entry) => entry.approval.id === approval.id && entry.atStep <= hit.atStep,
      )
      const decided = before.map((entry) => entry.approval).find((state) => state.status === 'approved')
      const digest = digestOfHit(approval, hit.canonicalParams)
      if (decided?.status !== 'approved') broken.push(`I2: ${approval.id} was sent without a decision`)
      else if (decided.decision.digest !== digest)
        broken.push(`I2: ${approval.id} was sent with other bytes than decided`)
      const over = before.find(
        (entry) => entry.approval.status === 'settled' && unexecuted.includes(entry.approval.outcome.kind),
      )
      if (over !== undefined) broken.push(`I3: ${approval.id} was sent after it had ended`)
    }
    if (approval.status !== 'settled') {
      broken.push(`I4: ${approval.id} has no outcome, it is ${approval.status}`)
      continue
    }
    const next = successorOf(approval)
    if (next !== null && byId.get(next)?.predecessor?.id !== approval.id)
      broken.push(`I4: ${approval.id} names the successor ${next}, which is not there`)
    const { kind } = approval.outcome
    if (unexecuted.includes(kind) && own.length > 0) broken.push(`I5: ${approval.id} is ${kind} and was sent`)
    if (kind === 'answered') {
      const text = await ledger.replyText(approval.id)
      if (own.length !== 1 || own[0]?.reply !== text)
        broken.push(`I5: ${approval.id} has an answer that the upstream did not give`)
    }
    const ends = history.filter(
      (entry) => entry.approval.id === approval.id && entry.approval.status === 'settled',
    )
    const kinds = new Set(
      ends.map((entry) => (entry.approval.status === 'settled' ? entry.approval.outcome.kind : '')),
    )
    if (kinds.size > 1) broken.push(`I4: ${approval.id} ended in ${[...kinds].join(' and ')}`)

    let head = CHAIN_START
    const trail = await ledger.auditTrail(approval.id)
    for (const { payload, hash } of trail) {
      if (chainHash(head, payload) !== hash) broken.push(`I10: the audit chain of ${approval.id} is broken`)
      head = hash
    }
    if (trail.length !== approval.version || approval.auditHead !== head)
      broken.push(`I10: the audit of ${approval.id} is incomplete`)
  }

  for (const { principal, approval, replyText, atStep } of told) {
    const truth = byId.get(approval.id)
    if (approval.asked.requester.name !== principal.name)
      broken.push(`I8: ${principal.name} was told about ${approval.id}`)
    if (approval.status !== 'settled') continue
    const { kind } = approval.outcome
    if (truth?.status === 'settled' && truth.outcome.kind !== kind)
      broken.push(`I5: ${approval.id} was told as ${kind}, it is ${truth.outcome.kind}`)
    if (unexecuted.includes(kind) && hits.some((hit) => hit.approvalId === approval.id)) {
      broken.push(`I3: ${principal.name} was told ${kind} at step ${atStep}, but ${approval.id} was sent`)
    }
    if (
      kind === 'answered' &&
      !hits.some((hit) => hit.approvalId === approval.id && hit.reply === replyText)
    ) {
      broken.push(`I5: ${principal.name} got an answer to ${approval.id} that the upstream did not give`)
    }
  }

  // Of the same unsettled call there is never more than one approval.
  const open = new Map<string, string>()
  for (const { approval } of history) {
    const { requester, server, tool } = approval.asked
    const key = JSON.stringify([requester.name, server, tool, approval.proposed.canonicalParams])
    if (approval.status === 'settled') {
      if (open.get(key) === approval.id) open.delete(key)
    } else {
      const other = open.get(key)
      if (other !== undefined && other !== approval.id)
        broken.push(`I1: ${other} and ${approval.id} are the same call`)
      open.set(key, approval.id)
    }
  }
  return [...new Set(broken)]
}

/** Every decision ever written, by the record as it was when it was asked: who, with what right, and in time. */
function wrongDecisions({ history }: SimWorld): string[] {
  const broken: string[] = []
  const asked = new Map<string, Approval>()
  for (const { approval, atMs } of history) {
    const original = asked.get(approval.id) ?? approval
    asked.set(approval.id, original)
    if (JSON.stringify(approval.asked) !== JSON.stringify(original.asked))
      broken.push(`I2: what ${approval.id} asked for changed`)
    if (approval.status === 'executing') continue
    const decision =
      approval.status === 'approved'
        ? approval.decision
        : approval.status === 'settled' && approval.outcome.kind === 'rejected'
          ? approval.outcome.decision
          : null
    if (decision === null) continue
    const person = [mina, owner].find(({ id }) => id === decision.by)
    const answer = decision.kind === 'reject' ? 'reject' : 'approve'
    const right = person && authorise(person, answer, original.asked, original.asking)
    if (right?.ok !== true || right.value !== decision.kind)
      broken.push(`I6: ${approval.id} was decided without the right`)
    if (atMs >= original.expiresAtMs) broken.push(`I6: ${approval.id} was decided after its time`)
  }
  return broken
}
