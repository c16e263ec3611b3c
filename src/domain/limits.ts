/** Every size and count that is bounded, with its reason. */

export interface Limits {
  /** One request body. The MCP SDKs accept as much; a larger tool call is not something a person can read. */
  readonly bodyBytesMax: number
  /** Bodies that one gateway is reading, together: they lie in memory before anything is known of them. One agent gets a quarter. */
  readonly bodyBytesInFlightMax: number
  /** Undecided calls one principal may have: beyond it, cards are noise and people stop reading. */
  readonly pendingPerPrincipalMax: number
  /** Requests held open by one gateway: each costs a socket and a timer, and a node has 64 k descriptors at best. */
  readonly heldRequestsMax: number
  /** Held requests of one principal, so that one agent cannot take them all: ten times what it may have pending. */
  readonly heldPerPrincipalMax: number
  /** Held requests for one approval: every one of them gets its own copy of the reply. */
  readonly heldPerApprovalMax: number
  /** One upstream reply to an approved call, which is stored: screenshots and exports fit, a runaway stream does not. */
  readonly replyBytesMax: number
  /** Child processes of stdio upstreams in one gateway: tens of megabytes each. */
  readonly childrenMax: number
  /** Child processes of one server, so that others start as well. */
  readonly childrenPerServerMax: number
  /** Child processes for all agents of one person: a team shares the rest. */
  readonly childrenPerOwnerMax: number
  /** Child processes for one principal, so that one agent cannot take them all. */
  readonly childrenPerPrincipalMax: number
  /** One line from a stdio upstream. */
  readonly lineBytesMax: number
  /** Lines of the decision log, about 500 bytes each: what is not kept longer for its age is not kept at all. */
  readonly decisionsMax: number
}

const MiB = 1024 * 1024

export const defaultLimits: Limits = {
  bodyBytesMax: 4 * MiB,
  bodyBytesInFlightMax: 128 * MiB,
  pendingPerPrincipalMax: 20,
  heldRequestsMax: 10_000,
  heldPerPrincipalMax: 200,
  heldPerApprovalMax: 50,
  replyBytesMax: 16 * MiB,
  childrenMax: 64,
  childrenPerServerMax: 48,
  childrenPerOwnerMax: 32,
  childrenPerPrincipalMax: 16,
  lineBytesMax: 16 * MiB,
  decisionsMax: 500_000,
}

/** JSON nesting in a tool call; deeper is an attack on the parsers behind us, not an argument. */
export const JSON_DEPTH_MAX = 64
/** Brackets, commas, colons and values of one message: looking at each takes time that nobody else gets meanwhile (about 50 ms for these). */
export const JSON_TOKENS_MAX = 200_000
/** Arguments and `_meta` of a call that people decide about, as JSON: a hundred pages, which is more than anyone reads. */
export const DECIDABLE_BYTES_MAX = 256 * 1024
/** A JSON-RPC id that is a string. Ids are echoed, never used as keys. */
export const JSONRPC_ID_LENGTH_MAX = 256
/**
 * What a client says about itself with each call (its name and capabilities), as far as it goes with a call that people
 * approve: SDKs send a few hundred bytes, and what nobody is shown is no place for more.
 */
export const ENVELOPE_BYTES_MAX = 4 * 1024
/** A reason a person types. Slack's own input limit is 3,000. */
export const REASON_LENGTH_MAX = 1_000
/** Edits of one call. Each keeps what it replaced, and whoever has changed a call five times should let the agent ask anew. */
export const EDITS_MAX = 5
/** Look-ups beside one request: more than this nobody reads before they decide. */
export const LOOKUPS_MAX = 3
/** Arguments of one look-up. */
export const LOOKUP_ARGUMENTS_MAX = 10
/** Of the answer to a look-up, in characters, as it is kept: a screen of text. */
export const LOOKUP_TEXT_MAX = 4_000
/** Of the answer to a look-up, as it is read: what is longer is no answer for a person. */
export const LOOKUP_BYTES_MAX = 64 * 1024
/** Reminders of one call: whoever has not looked after so many will not look for one more. */
export const REMINDERS_MAX = 10
/** Times at which further people may decide about one call. */
export const ESCALATIONS_MAX = 5
/** Changes of one waiting call, after which no yes is taken back any more: each is an audit event, and people say a few. */
export const CHANGES_MAX = 200
