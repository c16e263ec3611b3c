/**
 * Which reminders and escalations a channel has posted. Each is taken before it is posted, and never again afterwards: a
 * process that dies in between leaves one unsaid, and none is said twice.
 */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface Nudges {
  /**
   * The right to post the nudge of this number (from 1, as the record lists them).
   * @returns where the card is; `null`: it was taken before, nobody waits for a decision any more, or there is no card yet
   */
  take(id: ApprovalId, channel: string, number: number): Promise<string | null>
  /** Certainly nothing was posted, so that it can be taken again. */
  giveBack(id: ApprovalId, channel: string, number: number): Promise<void>
  /** Notes whom the message mentioned. */
  posted(id: ApprovalId, channel: string, number: number, people: readonly string[]): Promise<void>
  /** Approvals that wait, with a card in this channel and a nudge that nobody has taken there. Oldest first. */
  untaken(channel: string, limit: number): Promise<readonly ApprovalId[]>
}
