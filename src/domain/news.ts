/** Who should hear how a call ended without having to look: its owner of every outcome, and who said yes when nobody knows the end. */
import { decidersOf, type Outcome, type Settled } from './approval.ts'

export interface News {
  readonly person: string
  /** `owner`: their agent asked. `decided`: they said yes, and somebody has to find out what happened. */
  readonly why: 'owner' | 'decided'
}

/** Within this time a person still has in mind what they have just said themselves. */
const OWN_ACT_MS = 60_000

export function newsOf(approval: Settled): readonly News[] {
  const { outcome, asked } = approval
  const { owner } = asked.requester
  const forOwner: readonly News[] = isKnownTo(owner, approval) ? [] : [{ person: owner, why: 'owner' }]
  if (outcome.kind !== 'indeterminate') return forOwner
  const others = decidersOf(outcome.decision).filter((person) => person !== owner)
  return [...forOwner, ...others.map((person) => ({ person, why: 'decided' }) as const)]
}

/** What the owner ended themselves, or said yes to a moment ago; and what goes on under another ticket, of which they hear then. */
function isKnownTo(owner: string, { outcome, settledAtMs }: Settled): boolean {
  switch (outcome.kind) {
    case 'rejected':
      return outcome.decision.by === owner
    case 'cancelled':
      return outcome.by === owner
    case 'invalidated':
      return outcome.successor !== null
    case 'answered':
      return isOwnAndRecent(outcome, owner, settledAtMs)
    case 'expired':
    case 'lapsed':
    case 'not_sent':
    case 'indeterminate':
      return false
  }
}

const isOwnAndRecent = (
  { decision }: Extract<Outcome, { kind: 'answered' }>,
  owner: string,
  settledAtMs: number,
) => decision.by === owner && settledAtMs - decision.atMs < OWN_ACT_MS
