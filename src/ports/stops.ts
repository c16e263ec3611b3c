/** What is stopped, and what ever was. Each method is one durable step; faults are thrown. Rows are added and lifted, nothing else. */
import type { NewStop, Stop } from '../domain/stop.ts'

export interface Stops {
  /** Oldest first. */
  inForce(): Promise<readonly Stop[]>
  /** Lifted ones as well, newest first. @param before only lower numbers; `null`: from the newest one */
  history(limit: number, before: number | null): Promise<readonly Stop[]>
  /**
   * From the moment it returns no yes and no claim is written for a call that it covers, also not by a gateway that has not
   * heard of it. The same stop twice is one: the first one is given back.
   * @returns `null`: there are too many in force
   */
  put(stop: NewStop): Promise<{ readonly stop: Stop; readonly isNew: boolean } | null>
  /** @returns `null`: there is no such stop, or it was lifted before */
  lift(number: number, by: string): Promise<Stop | null>
  /** "Something else may be stopped": a hint, which may get lost. @returns a function that stops listening */
  onChange(listener: () => void): () => void
}
