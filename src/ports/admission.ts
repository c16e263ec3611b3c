/** Whether a request may come in as an agent. Asked anew for each request: no session and no ticket stands for it. */
import type { Principal } from '../domain/principal.ts'

export type Admission =
  | { readonly kind: 'admitted'; readonly principal: Principal }
  | {
      readonly kind: 'refused'
      readonly because: 'no_token' | 'invalid_token' | 'insufficient_scope' | 'keys_unavailable'
      /** A sentence for a person, which says nothing about tokens that are not in the hands of whoever reads it. */
      readonly message: string
    }

/** What a client has to know to get a token for one server here (RFC 9728); `null`: only our own tokens are accepted. */
export interface ProtectedResource {
  readonly metadataUrl: string
  /** All scopes that a token needs there. */
  readonly scopes: readonly string[]
}

/**
 * @param remoteAddress the peer's, `null` when a proxy in between hides it: then it proves nothing
 * @param server the one that is called; `null` where an agent reads the outcomes of its own calls
 */
export type Admit = (
  headers: Headers,
  remoteAddress: string | null,
  server: string | null,
) => Promise<Admission>
