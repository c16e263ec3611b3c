/** Which state of which approval each channel shows. */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface CardState {
  readonly place: string | null
  /** Names this right to draw, so that one whose time is over is told from the one that follows. */
  readonly turn: string
  /** 0: nothing shown yet. */
  readonly shownVersion: number
  /** Whether it says that the requester waits; `null`: nothing shown yet. */
  readonly shownWaiting: boolean | null
  /** What it says of the grant that was given with the approval (`grantStanding`); `null`: nothing. */
  readonly shownGrant: string | null
}

export interface DrawnCard {
  readonly place: string
  readonly version: number
  readonly isRequesterWaiting: boolean
  /** As in `CardState.shownGrant`. */
  readonly grantStanding: string | null
  readonly renderDigest: string
}

export interface Cards {
  /**
   * The exclusive right to draw this card for `busyMs`, so that two workers never post it twice.
   * `null`: somebody else is drawing it.
   */
  take(id: ApprovalId, channel: string, busyMs: number): Promise<CardState | null>
  /**
   * Notes what is shown now and gives the right back. Whoever comes after its time may have drawn over a newer card, so
   * that nothing is known of it any more and it is drawn again.
   */
  shown(id: ApprovalId, channel: string, turn: string, card: DrawnCard): Promise<void>
  /** Gives the right back without having drawn. `problem`: why, `null` when there was nothing to draw. */
  giveBack(id: ApprovalId, channel: string, turn: string, problem: string | null): Promise<void>
  /** The approval whose card is at this place. */
  approvalAt(channel: string, place: string): Promise<ApprovalId | null>
  /**
   * Approvals whose card does not show the truth (another version, a requester that has come or gone meanwhile, or a grant
   * that has been used or is over): unsettled,
   * or with a card and settled within `withinMs`; nobody is drawing them now. Oldest first.
   */
  outdated(channel: string, withinMs: number, limit: number): Promise<readonly ApprovalId[]>
}
