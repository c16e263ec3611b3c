/** How the calls of a person's agents ended, and what of it that person has seen in the console. */
import type { Settled } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'

export interface OwnedOutcome {
  readonly approval: Settled
  readonly isSeen: boolean
}

export interface Outcomes {
  /** Newest first. @param after id of the last row of the page before; `null`: from the newest one */
  of(owner: string, limit: number, after: ApprovalId | null): Promise<readonly OwnedOutcome[]>
  /** How many this person has not seen; counted up to `max`. */
  unseen(owner: string, max: number): Promise<number>
  /** Only theirs are marked, whatever `ids` says. */
  markSeen(owner: string, ids: readonly ApprovalId[]): Promise<void>
}
