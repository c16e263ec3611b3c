/** Which outcomes a channel has told to those who should hear of them. Once is meant; after a crash in between, twice. */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface NoticeTurn {
  /** Names this right to tell, so that one whose time is over is told from the one that follows. */
  readonly turn: string
  /** People who have been told already. */
  readonly told: readonly string[]
  /** Where its card is in this channel, in the channel's own words. */
  readonly cardPlace: string | null
}

export interface Notices {
  /** The exclusive right to tell of this outcome for `busyMs`. `null`: everybody was told, or somebody is telling them now. */
  take(id: ApprovalId, channel: string, busyMs: number): Promise<NoticeTurn | null>
  /** Notes that this person was told. */
  told(id: ApprovalId, channel: string, turn: string, person: string): Promise<void>
  /** Nobody is left to be told here. */
  done(id: ApprovalId, channel: string, turn: string): Promise<void>
  /** Gives the right back with somebody left; nobody takes it again for `pauseMs`. */
  giveBack(
    id: ApprovalId,
    channel: string,
    turn: string,
    left: { readonly problem: string; readonly pauseMs: number },
  ): Promise<void>
  /** Settled within `withinMs`, and somebody may be left; nobody is telling them now. Oldest first. */
  untold(channel: string, withinMs: number, limit: number): Promise<readonly ApprovalId[]>
}
