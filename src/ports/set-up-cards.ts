/** Which state of which server's setting up each channel shows. One message for each server, changed in place. */

export interface SetUpCardState {
  readonly place: string | null
  /** What it shows, as whoever drew it called it; `null`: nothing yet. */
  readonly shown: string | null
  /** Names this right to draw, so that one whose time is over is told from the one that follows. */
  readonly turn: string
}

export interface SetUpCards {
  /** The channel shows something for these servers. @returns what, by server */
  shown(channel: string): Promise<ReadonlyMap<string, string>>
  /** The exclusive right to draw for `busyMs`. `null`: somebody else is drawing. */
  take(server: string, channel: string, busyMs: number): Promise<SetUpCardState | null>
  /** Notes what is shown now, and gives the right back. @returns whether the turn was still its own */
  drawn(
    server: string,
    channel: string,
    turn: string,
    card: { place: string; shown: string },
  ): Promise<boolean>
  /** Gives the right back without having drawn. */
  giveBack(server: string, channel: string, turn: string): Promise<void>
}
