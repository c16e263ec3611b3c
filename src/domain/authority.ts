/** Who may decide: an approver of the rule who is neither the requester nor its owner, or the owner where self-confirm says so. */
import type { Asked, Asking, DecisionKind } from './approval.ts'
import type { ApproverChain } from './policy.ts'
import { hasOwner, type Person } from './principal.ts'
import { err, ok, type Result } from './result.ts'

export type Unauthorised =
  | { readonly reason: 'not_an_approver'; readonly approvers: ApproverChain }
  | { readonly reason: 'own_call'; readonly owner: string }
  /** Whoever says yes could be the very person whose agent it is. */
  | { readonly reason: 'owner_unknown' }

/**
 * Turns a person's yes or no into the kind of decision it is for this call.
 * The owner of the requesting agent can confirm where the rule allows it; what they said is then not an approval.
 */
export function authorise(
  person: Person,
  answer: 'approve' | 'reject',
  asked: Asked,
  asking: Asking,
): Result<DecisionKind, Unauthorised> {
  const { approvers } = asking
  if (person.id === asked.requester.owner) {
    if (!approvers.selfConfirm) return err({ reason: 'own_call', owner: asked.requester.owner })
    return ok(answer === 'approve' ? 'confirm' : 'reject')
  }
  const named =
    approvers.people.includes(person.id) || person.groups.some((group) => approvers.groups.includes(group))
  if (named && answer === 'approve' && !hasOwner(asked.requester)) return err({ reason: 'owner_unknown' })
  return named ? ok(answer) : err({ reason: 'not_an_approver', approvers })
}

/**
 * Who may change what would be sent: an approver who is not the owner of the requesting agent. Self-confirm does not help an
 * owner here, because they can have their agent ask for what they want. Whoever has edited may decide afterwards like any
 * other approver: they could as well have said no and told the agent what to ask for.
 */
export function authoriseEdit(person: Person, asked: Asked, asking: Asking): Result<null, Unauthorised> {
  if (person.id === asked.requester.owner) return err({ reason: 'own_call', owner: asked.requester.owner })
  const kind = authorise(person, 'approve', asked, asking)
  return kind.ok ? ok(null) : kind
}

/** What an upstream said belongs to the requester: its owner and those who may decide see it, others do not. */
export const mayReadReply = (person: Person, asked: Asked, asking: Asking): boolean =>
  person.id === asked.requester.owner || authorise(person, 'reject', asked, asking).ok
