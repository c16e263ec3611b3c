/** Accounts that people have connected at servers, so that their agents act there as them. */
import type { Result } from '../domain/result.ts'

/** At rest: what is sealed only the gateways can read. */
export interface AccountStore {
  get(server: string, owner: string): Promise<KeptAccount | null>
  /** Replaces whatever was there. */
  put(server: string, owner: string, sealed: Uint8Array): Promise<void>
  /**
   * The right to renew it, for one gateway at a time and for `leaseMs`; `null`: another one is at it, or there is none.
   * A refresh token is good once, so two that use it lose the account.
   */
  beginRenewal(server: string, owner: string, leaseMs: number): Promise<KeptAccount | null>
  /** `false`: it was replaced or removed meanwhile. */
  endRenewal(server: string, owner: string, version: string, sealed: Uint8Array): Promise<boolean>
  /** Gives the right back; nothing changed. */
  dropRenewal(server: string, owner: string, version: string): Promise<void>
  remove(server: string, owner: string): Promise<boolean>
  list(): Promise<readonly { server: string; owner: string; connectedAtMs: number }[]>

  /** Keeps what a person has begun, under the hash of its state. */
  addAttempt(stateHash: string, attempt: Attempt, validMs: number): Promise<void>
  /** Uses it up. `null`: unknown, used or expired. */
  useAttempt(stateHash: string): Promise<Attempt | null>

  /** Called when an account may have changed. @returns a function that stops listening */
  onChange(listener: () => void): () => void
}

export interface KeptAccount {
  readonly sealed: Uint8Array
  /** Changes with each change of the account. */
  readonly version: string
}

export interface Attempt {
  readonly server: string
  readonly person: string
  readonly sealed: Uint8Array
}

/** What people can do with them. */
export interface Accounts {
  /** Every server where each person has an account of their own. */
  readonly servers: readonly string[]
  of(person: string): Promise<readonly { server: string; connectedAtMs: number | null }[]>
  /** Where the person's browser is to be sent. */
  begin(server: string, person: string): Promise<Result<URL, string>>
  /** @returns the server that is connected now, or a sentence that says why none is */
  finish(returned: Returned, person: string): Promise<Result<string, string>>
  disconnect(server: string, person: string): Promise<boolean>
}

/** What the authorization server has sent along with the browser. */
export interface Returned {
  readonly state: string | null
  readonly code: string | null
  readonly iss: string | null
  readonly error: string | null
}
