/** Which policy of each server is in force, and every one that ever was. Each method is one durable step; faults are thrown. */
import type { NewRevision, Revision, RevisionHead } from '../domain/revision.ts'

export interface Revisions {
  /** The number in force for each server that has one. */
  inForce(): Promise<ReadonlyMap<string, number>>
  /** `null`: nothing was ever in force for this server. */
  inForceOf(server: string): Promise<Revision | null>
  get(server: string, number: number): Promise<Revision | null>
  /** Newest first, without their texts. @param before only lower numbers; `null`: from the newest one */
  history(server: string, limit: number, before: number | null): Promise<readonly RevisionHead[]>
  /** The newest revision with this text, or with these approvers; `null`: it never was in force. */
  lastWithText(server: string, textDigest: string): Promise<number | null>
  lastWithApprovers(server: string, approversDigest: string): Promise<number | null>
  /**
   * The one way to change what is in force, guarded: only while `after` is the number in force (`null`: none ever was).
   * From the moment it returns, no decision and no claim is written that was judged by an earlier revision.
   * @returns its number; `null`: another one came first, nothing was written
   */
  putInForce(revision: NewRevision, after: number | null): Promise<number | null>
  /** "Something else may be in force": a hint, which may get lost. @returns a function that stops listening */
  onChange(listener: () => void): () => void
}
