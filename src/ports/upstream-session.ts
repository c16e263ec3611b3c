/** One requester's way to an upstream: the session its call was made on, or a new one on the same terms. */
import type { SendTrace } from '../domain/evidence.ts'
import type { Result } from '../domain/result.ts'
import type { ToolDefinition } from '../domain/tool-call.ts'

export interface SendRequest {
  /** Our own JSON-RPC id and idempotency key for the upstream. */
  readonly approvalId: string
  /** RFC 8785 text of `params`; exactly these bytes go out, plus the `_meta` that carries the request. */
  readonly canonicalParams: string
  readonly idempotencyKey: string | null
  /**
   * Asked right before the first byte is written, after connecting and whatever else takes time. `false`: nothing is sent
   * any more, because others may be saying by now that nobody knows.
   */
  readonly mayStillStart: () => boolean
}

/** The upstream's answer to one call. `text` is the raw JSON of `result` or `error`. */
export interface Reply {
  readonly kind: 'result' | 'error'
  readonly text: string
  readonly isError: boolean
  /** The upstream took the call on as a task of its own, which the text names; left out where it did not. */
  readonly isTask?: true | undefined
}

export type Sent =
  | { readonly kind: 'answered'; readonly reply: Reply }
  /** Proved: no byte of the request left this machine. */
  | { readonly kind: 'not_sent'; readonly reason: string }
  /** Perhaps it arrived; nobody here can know. */
  | { readonly kind: 'indeterminate'; readonly reason: string; readonly trace: SendTrace }

export type Described =
  | { readonly kind: 'listed'; readonly definition: ToolDefinition }
  | { readonly kind: 'unlisted' }
  /** The upstream could not be asked; nothing was sent that acts. */
  | {
      readonly kind: 'unavailable'
      readonly reason: string
      /** What the agent and its user can do about it. */
      readonly told?: string
    }

export interface UpstreamSession {
  /** Asks the upstream what this tool is now. Also proves that the session is alive. @param leaving nobody wants to know any more */
  describe(tool: string, leaving?: AbortSignal): Promise<Described>
  /** Sends once: no retry in any layer, a fresh connection, no redirects. Never throws. */
  send(request: SendRequest): Promise<Sent>
}

export interface ReadRequest {
  /** RFC 8785 text of `params`: `name` and `arguments`. */
  readonly canonicalParams: string
  readonly answerBytesMax: number
  /** How long the upstream may say nothing. */
  readonly silenceMs: number
  /** Nobody wants the answer any more, also of a server that keeps talking. */
  readonly leaving: AbortSignal
}

/** A gateway's own way, where a rule lets a call run without its requester, or has something read for people. */
export interface AloneSession extends UpstreamSession {
  /**
   * Calls a tool that reads, after `describe`. Nothing of it is remembered as sent, so it must never act.
   * @returns the answer, or why there is none. Never throws.
   */
  read(request: ReadRequest): Promise<Result<Reply, string>>
  /** Ends what was opened for it. Never throws. */
  close(): Promise<void>
}
