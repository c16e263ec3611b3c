/** Doors to people outside this process: each shows an approval as it is now, in a card that is changed in place. */
import type { Approval, InstantMs, Pending, Settled } from '../domain/approval.ts'
import type { Grant } from '../domain/grant.ts'
import type { News } from '../domain/news.ts'
import type { Nudge } from '../domain/nudges.ts'
import type { Person } from '../domain/principal.ts'
import type { Proposal } from '../domain/set-up.ts'

/** Where the card of an approval is, in the channel's own words (for Slack: channel and `ts`, as JSON). */
export interface ShownCard {
  readonly place: string
  /** SHA-256 of exactly what was posted, so that one can prove later what an approver saw. */
  readonly renderDigest: string
}

export interface Showing {
  readonly approval: Approval
  readonly nowMs: InstantMs
  /** Whether somebody could receive the outcome at this moment. */
  readonly isRequesterWaiting: boolean
  /** That was given with it; `null`: none. */
  readonly grant: Grant | null
}

/** An outcome that somebody should hear of. */
export interface Notice {
  readonly approval: Settled
  readonly nowMs: InstantMs
  readonly person: string
  readonly why: News['why']
  /** Where its card is, in the channel's own words; `null`: there is none. */
  readonly cardPlace: string | null
}

/**
 * A server that waits to be set up, or that has been. Without a `proposal` it is not known which tools it has; `problem` says why,
 * where that was tried.
 */
export type SetUpShowing =
  | {
      readonly kind: 'waiting'
      readonly server: string
      readonly proposal: Proposal | null
      readonly problem: string | null
    }
  | {
      readonly kind: 'set_up'
      readonly server: string
      readonly number: number
      readonly by: string
      readonly atMs: InstantMs
    }

/** People who are called again to an approval that waits. */
export interface Nudging {
  readonly approval: Pending
  readonly nudge: Nudge
  readonly nowMs: InstantMs
  readonly people: readonly Person[]
  readonly cardPlace: string
}

/** Where people find that a server has no policy. To accept one they go to the console or the command line. */
export interface SetUpChannel {
  readonly name: string
  /**
   * A new message where `place` is `null`, otherwise the same one changed in place.
   * @returns where it is now
   * @throws ChannelFault
   */
  showSetUp(showing: SetUpShowing, place: string | null): Promise<string>
}

export interface Channel {
  /** `slack`, `webhook`, …: one word, also the key of its cards in the ledger. */
  readonly name: string
  /**
   * Draws what is true now: a new card where `place` is `null`, otherwise the same card changed in place.
   * @throws ChannelFault
   */
  show(showing: Showing, place: string | null): Promise<ShownCard>
  /**
   * Tells this person of this outcome in a new message. `false`: they have no account here.
   * @throws ChannelFault
   */
  tell(notice: Notice): Promise<boolean>
  /**
   * Calls these people in a new message beside the card, because a card that changes in place notifies nobody.
   * @returns the ids of those whom it mentioned
   * @throws ChannelFault
   */
  nudge(nudging: Nudging): Promise<readonly string[]>
}

/** The channel did not take a card. */
export class ChannelFault extends Error {
  /** Otherwise it may stand there, although nobody heard so. */
  readonly isCertainlyUnposted: boolean
  constructor(
    message: string,
    /** Trying again later can help. */
    readonly isTemporary: boolean,
    /** The channel asked to be left alone for so long. */
    readonly retryAfterMs: number | null,
    options: ErrorOptions & { readonly isCertainlyUnposted?: boolean } = {},
  ) {
    super(message, options)
    this.name = 'ChannelFault'
    this.isCertainlyUnposted = options.isCertainlyUnposted ?? false
  }
}
