/**
 * The gateway's own credentials at a server, found when something is sent and never kept with an approval. What they are
 * made from differs: a token of the gateway itself, or one of the account that an agent's owner has connected.
 */
import type { Principal } from '../domain/principal.ts'
import type { Result } from '../domain/result.ts'

export type CredentialHeaders = Readonly<Record<string, string>>

export interface NoCredentials {
  /** For the log of the gateway. Never a secret. */
  readonly reason: string
  /** For the agent and its user, where they can do something about it; `null`: an operator has to look. */
  readonly told: string | null
}

export interface UpstreamCredentials {
  /** Gets new ones first where the old ones are about to end. */
  current(principal: Principal): Promise<Result<CredentialHeaders, NoCredentials>>
  /**
   * What is in memory and still good, without asking anybody: for the one request after a claim, which must neither wait nor be
   * repeated. `null`: nothing, so nothing is sent.
   */
  inHand(principal: Principal): CredentialHeaders | null
  /** The server has refused these: others, if there are any. */
  instead(refused: CredentialHeaders, principal: Principal): Promise<Result<CredentialHeaders, NoCredentials>>
}
