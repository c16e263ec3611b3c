/** How people prove who they are: one-time codes, accounts in channels, sessions in the console. Kept as hashes where secret. */

export interface Identities {
  /** Keeps a code for this person. @param codeHash SHA-256 of the code */
  addCode(codeHash: string, person: string, validMs: number): Promise<void>
  /** Uses a code up. `null`: unknown, used or expired. */
  useCode(codeHash: string): Promise<string | null>

  /** Says that this account in a channel is this person, from now on. */
  link(channel: string, account: string, person: string): Promise<void>
  unlink(channel: string, account: string): Promise<void>
  personOf(channel: string, account: string): Promise<string | null>
  accountsOf(channel: string, person: string): Promise<readonly string[]>

  addSession(tokenHash: string, person: string, validMs: number): Promise<void>
  /** `null`: unknown or expired. */
  personOfSession(tokenHash: string): Promise<string | null>
  endSession(tokenHash: string): Promise<void>
  /** Ends every session of this person and voids their unused codes. @returns how many sessions */
  signOutEverywhere(person: string): Promise<number>
}
