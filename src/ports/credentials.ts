/** Bearer tokens of agents and people. Kept as hashes; held in memory so that a call costs no query. */
import type { Principal } from '../domain/principal.ts'

export type CredentialKind = 'agent' | 'person'

export interface Credential {
  readonly kind: CredentialKind
  /** The agent's name, or the person's id. */
  readonly name: string
  /** The person who answers for the agent; for a person, themselves. */
  readonly owner: string
  readonly createdAtMs: number
  readonly revokedAtMs: number | null
  /** First characters of the token, to recognise it by. */
  readonly hint: string
}

export interface CredentialStore {
  add(credential: {
    kind: CredentialKind
    name: string
    owner: string
    tokenHash: string
    hint: string
  }): Promise<void>
  /** Revokes every live token of that name. @returns how many */
  revoke(kind: CredentialKind, name: string): Promise<number>
  list(kind: CredentialKind): Promise<readonly Credential[]>
  /** All live ones, by hash. */
  live(): Promise<ReadonlyMap<string, { kind: CredentialKind; name: string; owner: string }>>
  /** Called when another process changed them. @returns a function that stops listening */
  onChange(listener: () => void): () => void
}

/** Who a presented token belongs to. */
export interface Authenticator {
  agent(token: string): Principal | null
  /** A person's id. */
  person(token: string): string | null
}
