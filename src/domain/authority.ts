/** Who may decide: an approver of the rule who is neither the requester nor its owner, or the owner where self-confirm says so. */
import type { Approval, Asked, Asking, DecisionKind, InstantMs } from './approval.ts'
import type { ApproverChain } from './policy.ts'
import { hasOwner, type Person } from './principal.ts'
import { err, ok, type Result } from './result.ts'

export type Unauthorised =
  | { readonly reason: 'not_an_approver'; readonly approvers: ApproverChain }
  | { readonly reason: 'own_call'; readonly owner: string; readonly approvers: ApproverChain }
  /** An escalation names them, and its time has not come. */
  | {
      readonly reason: 'not_yet'
      readonly fromMs: InstantMs
      readonly nowMs: InstantMs
      /** Whom it is with until then. */
      readonly approvers: ApproverChain
    }
  /** Whoever says yes could be the very person whose agent it is. */
  | { readonly reason: 'owner_unknown' }

/** What of an approval says who may decide about it. Every `Approval` is one. */
export type Decidable = {
  readonly asked: Pick<Asked, 'requester'>
  readonly asking: Pick<Asking, 'approvers' | 'escalation' | 'stages'>
  readonly createdAtMs: InstantMs
} & (
  | { readonly status: Exclude<Approval['status'], 'settled'> }
  | { readonly status: 'settled'; readonly settledAtMs: InstantMs }
)

/**
 * Turns a person's yes or no into the kind of decision it is for this call.
 * The owner of the requesting agent can confirm where the rule allows it; what they said is then not an approval.
 * @param nowMs by the ledger's clock. Who would have been asked only after the end has no right in what is over.
 */
export function authorise(
  person: Person,
  answer: 'approve' | 'reject',
  approval: Decidable,
  nowMs: InstantMs,
): Result<DecisionKind, Unauthorised> {
  const { asked } = approval
  const { approvers } = approval.asking
  if (person.id === asked.requester.owner) {
    // A confirmation is none of several yeses.
    if (!approvers.selfConfirm || approval.asking.stages.length > 0) return err(ownCall(approval, nowMs))
    return ok(answer === 'approve' ? 'confirm' : 'reject')
  }
  const fromMs = mayDecideFromMs(person, approval)
  const now = approversAt(approval, nowMs)
  if (fromMs === null) return err({ reason: 'not_an_approver', approvers: now })
  const isIn = momentFor(approval, nowMs) >= fromMs
  // What is over was never theirs.
  if (!isIn && approval.status === 'settled') return err({ reason: 'not_an_approver', approvers: now })
  if (!isIn) return err({ reason: 'not_yet', fromMs, nowMs, approvers: now })
  if (answer === 'approve' && !hasOwner(asked.requester)) return err({ reason: 'owner_unknown' })
  return ok(answer)
}

/**
 * Since when, or from when on, this person is among those who may decide; `null`: never. Of somebody whom the rule names from
 * the start it is when the call was asked. It is not said here whether the call is their own.
 */
export function mayDecideFromMs(
  person: Person,
  { asking, createdAtMs }: Pick<Decidable, 'asking' | 'createdAtMs'>,
): InstantMs | null {
  const isIn = ({ groups, people }: Pick<ApproverChain, 'groups' | 'people'>) =>
    people.includes(person.id) || person.groups.some((group) => groups.includes(group))
  if (isIn(asking.approvers)) return createdAtMs
  const step = asking.escalation.find(isIn)
  return step === undefined ? null : createdAtMs + step.afterMs
}

/** Who may decide at this moment: those whom the rule names, and those of every escalation whose time has come. */
export function approversAt(approval: Decidable, nowMs: InstantMs): ApproverChain {
  const { asking, createdAtMs } = approval
  const atMs = momentFor(approval, nowMs)
  const steps = asking.escalation.filter(({ afterMs }) => createdAtMs + afterMs <= atMs)
  if (steps.length === 0) return asking.approvers
  return {
    groups: [...new Set([asking.approvers, ...steps].flatMap(({ groups }) => groups))],
    people: [...new Set([asking.approvers, ...steps].flatMap(({ people }) => people))],
    selfConfirm: asking.approvers.selfConfirm,
  }
}

const momentFor = (approval: Decidable, nowMs: InstantMs): InstantMs =>
  approval.status === 'settled' ? Math.min(nowMs, approval.settledAtMs) : nowMs

/**
 * Who may change what would be sent: an approver who is not the owner of the requesting agent. Self-confirm does not help an
 * owner here, because they can have their agent ask for what they want. Whoever has edited may decide afterwards like any
 * other approver: they could as well have said no and told the agent what to ask for.
 */
export function authoriseEdit(
  person: Person,
  approval: Decidable,
  nowMs: InstantMs,
): Result<null, Unauthorised> {
  if (person.id === approval.asked.requester.owner) return err(ownCall(approval, nowMs))
  const kind = authorise(person, 'approve', approval, nowMs)
  return kind.ok ? ok(null) : kind
}

const ownCall = (approval: Decidable, nowMs: InstantMs): Unauthorised => ({
  reason: 'own_call',
  owner: approval.asked.requester.owner,
  approvers: approversAt(approval, nowMs),
})

/** What an upstream said belongs to the requester: its owner and those who may decide see it, others do not. */
export const mayReadReply = (person: Person, approval: Decidable, nowMs: InstantMs): boolean =>
  person.id === approval.asked.requester.owner || authorise(person, 'reject', approval, nowMs).ok
