/**
 * One HTTP exchange with an upstream, as Streamable HTTP has it. Every upstream looks like this from above: a URL
 * is reached over the network, a stdio command through sessions of its own that speak the same terms.
 */
import type { Principal } from '../../domain/principal.ts'

export interface WireRequest {
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** Lower-case names. Never the client's credentials, cookies or hop-by-hop headers. */
  readonly headers: Readonly<Record<string, string>>
  /** The exact text of the message, or `null`. */
  readonly body: string | null
  readonly principal: Principal
  /** Ends the exchange: the requester left. */
  readonly signal: AbortSignal
  /**
   * The requester wants proof of what was sent. It gets a connection of its own, so that a stale kept-alive socket
   * cannot blur it, and only the upstream's own words: what the gateway would say instead (no such session, the
   * process ended) is thrown as a fault, or breaks the body.
   */
  readonly freshConnection: boolean
  /**
   * Asked once, right before the first byte is written. `false` ends the exchange with a fault that says that nothing was
   * sent: the requester stood still for so long that others have gone on without it.
   */
  readonly mayStart: () => boolean
}

/** Of a request that is worth sending whenever it can be sent. */
export const anyTime = (): boolean => true

export const STOOD_STILL = 'the gateway stood still before it could send, so it did not send'

export interface WireResponse {
  readonly status: number
  /** Lower-case names, without hop-by-hop headers, `content-length` and what speaks for the upstream's origin. */
  readonly headers: Readonly<Record<string, string>>
  /** Breaks with an error when the upstream's answer breaks off. Cancel it to leave. */
  readonly body: ReadableStream<Uint8Array> | null
}

/** The exchange failed before an HTTP status came back. `isSent: false` is said only when proved. */
export class UpstreamFault extends Error {
  /** What the agent and its user can do about it; `null`: nothing, an operator has to look. */
  readonly told: string | null

  constructor(
    message: string,
    readonly isSent: boolean,
    options: ErrorOptions & { readonly told?: string | null } = {},
  ) {
    super(message, options)
    this.name = 'UpstreamFault'
    this.told = options.told ?? null
  }
}

export interface Upstream {
  readonly server: string
  /** @throws UpstreamFault */
  exchange(request: WireRequest): Promise<WireResponse>
  /** Ends sessions, connections and children; resolves when they are gone. */
  close(): Promise<void>
}
