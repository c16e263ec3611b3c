/** What is known about a call whose end nobody knows: how the upstream was before, how the sending ended, what came later. */
import type { InstantMs, ReplyRef } from './approval.ts'
import type { Lookup } from './lookups.ts'

/** Of the upstream, right before the claim. */
export interface Checked {
  readonly atMs: InstantMs
  /** Digest of what the upstream said the tool is. */
  readonly toolDefinitionDigest: string
}

/**
 * How far the sending is known to have come. `begun`: the connection stood and the request was being written, so that any part
 * of it may have arrived. `response`: an HTTP response began, so that it arrived. `unknown`: whoever sent it kept no word of it.
 */
export interface SendTrace {
  readonly progress: 'unknown' | 'begun' | 'response'
  readonly httpStatus: number | null
  /** What the connection or the response ended with. */
  readonly error: string | null
}

export const unknownSend: SendTrace = { progress: 'unknown', httpStatus: null, error: null }

/** Of the upstream, afterwards: whether it could be asked, which says nothing about the call. */
export interface LookedAfter {
  readonly atMs: InstantMs
  readonly isReachable: boolean
  readonly said: string
}

/** What the upstream said after the outcome had been settled. Its text is kept beside the record. It changes no outcome. */
export type LateReply = ReplyRef & { readonly atMs: InstantMs }

/**
 * Its gateway stood still, was taken for dead, and came back to prove that it had sent nothing: no byte left. It changes no
 * outcome, because others were told by then that nobody knows.
 */
export interface ProvedUnsent {
  readonly atMs: InstantMs
  readonly reason: string
}

export interface Evidence {
  /** `null`: not kept. */
  readonly before: Checked | null
  readonly send: SendTrace
  /** `null`: nobody could look, or not yet. */
  readonly after: LookedAfter | null
  readonly lateReplies: readonly LateReply[]
  /** `null`: nobody has proved it. */
  readonly unsent: ProvedUnsent | null
  /** What the rule's look-ups found afterwards; `null`: not yet. */
  readonly lookupsAfter: readonly Lookup[] | null
}

/** An upstream answers once; what repeats itself adds nothing. */
export const LATE_REPLIES_MAX = 3

export const noEvidence: Evidence = {
  before: null,
  send: unknownSend,
  after: null,
  lateReplies: [],
  unsent: null,
  lookupsAfter: [],
}
