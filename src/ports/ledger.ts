/**
 * The truth: every approval, its audit events, its waiters. Each method is one durable step; faults are thrown. A record in a
 * form of a newer version is left alone: what names it throws `NewerForm`, what looks for work or for pages passes it by.
 */
import type { Approval, InstantMs, Settled, Status } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { AuditEvent } from '../domain/audit.ts'
import type { Grant } from '../domain/grant.ts'
import type { Deadline } from '../domain/transition.ts'

/** A record and the ledger's clock at the moment of reading. All reasoning about time uses this clock. */
export interface Reading {
  readonly approval: Approval
  readonly nowMs: InstantMs
}

export interface NewApproval {
  readonly approval: Approval
  readonly audit: AuditEvent
  readonly pendingPerPrincipalMax: number
  /** The number of the policy revision that asked for it. Left out: unknown, so that it is judged again at once. */
  readonly judgedRevision?: number
  /** It is created only if this is still how the same call ended last. Left out: it does not matter. */
  readonly seenLast?: SeenLast
  /**
   * And only if no end of the same call refuses it, as `refusingByCallKey` finds it with this cool-down: what ended last does not
   * show one that was timed earlier and committed later. Left out: it does not matter.
   */
  readonly coolDownMs?: number
}

/** A settled record as somebody saw it; `null`: there was none. */
export type Seen = Pick<Settled, 'id' | 'version'> | null

/** What had settled last when somebody looked, by both keys of the same call. */
export interface SeenLast {
  readonly byAttachKey: Seen
  readonly byCallKey: Seen
}

export type Created =
  | { readonly kind: 'created' }
  /** The same call is unsettled already. */
  | { readonly kind: 'attached'; readonly approval: Approval }
  | { readonly kind: 'too_many_pending'; readonly pending: number }
  /** Its idempotency key belongs to another call that is unsettled. */
  | { readonly kind: 'idempotency_key_reused' }
  /** The same call has ended otherwise than its author has seen: look again. */
  | { readonly kind: 'moved_on' }

export interface Change {
  readonly previous: Approval
  readonly next: Approval
  readonly deadline: Deadline
  readonly audit: AuditEvent
  /** The upstream's own bytes, written with an `answered` outcome. */
  readonly replyText: string | null
  /** Only while this is the number in force of its server's policy: exact, also against one that is put in force right now. */
  readonly inForce?: number
  /** Only if it would be among the `abandoned` of so long: exact, also against a waiter that is added right now. */
  readonly goneForMs?: number
}

/** An approval that ends because its rule changed, and the one that asks for the same call from now on. */
export interface Replacement extends Change {
  readonly successor: Approval
  readonly successorAudit: AuditEvent
  readonly inForce: number
}

/** What an upstream said after the outcome had been settled, as it said it. */
export interface LateReplyText {
  readonly atMs: InstantMs
  readonly text: string
}

export interface SettledReading {
  readonly approval: Settled
  readonly deliveredAtMs: InstantMs | null
}

export interface ApprovalFilter {
  readonly statuses: readonly Status[] | null
  /** Restricts to one requester. */
  readonly principal: string | null
  /** Restricts to the agents that this person answers for. */
  readonly owner?: string
  /** Rows per page, newest first. */
  readonly limit: number
  /** Id of the last row of the page before. */
  readonly after: ApprovalId | null
}

export interface Ledger {
  nowMs(): Promise<InstantMs>

  /**
   * Attaching and creating are one statement: of parallel same calls exactly one creates. `seenLast` is exact, also against one
   * that settles right now, and against a process that stood still since it looked.
   */
  create(proposal: NewApproval): Promise<Created>
  /**
   * The one door for every change: writes `next`, its audit event, and for a claim the unique claim row, in one statement
   * guarded by the version, status and form of `previous` and by the ledger's clock. A yes and a claim are written only while no
   * stop covers the call: exact, also against one that is put right now. What `grantEffects` says of the step is part of the
   * statement, and under a grant only while it stands: exact, also between gateways and against its end. `false`: somebody else was first, the deadline does
   * not hold, or it is stopped; nothing was written.
   */
  save(change: Change): Promise<boolean>
  /** `save` and the creation of the successor in one transaction: the call is never without an approval, nor with two. */
  replace(replacement: Replacement): Promise<boolean>

  /** The grant that was given with this approval. */
  grant(id: ApprovalId): Promise<Grant | null>
  /** Those that stand for such calls, oldest first. */
  grantsFor(scope: string, limit: number): Promise<readonly Grant[]>
  /** Newest first. */
  grants(filter: { readonly isStanding: boolean; readonly limit: number }): Promise<readonly Grant[]>
  /** Approvals under this grant, oldest first. */
  usesOf(grant: ApprovalId, limit: number): Promise<readonly ApprovalId[]>

  get(id: ApprovalId): Promise<Reading | null>
  list(filter: ApprovalFilter): Promise<readonly Approval[]>
  replyText(id: ApprovalId): Promise<string | null>
  auditTrail(id: ApprovalId): Promise<readonly AuditEvent[]>

  unsettledByAttachKey(attachKey: string): Promise<Reading | null>
  lastSettledByAttachKey(attachKey: string): Promise<SettledReading | null>
  /** The newest among all that ask for the same thing, however they are told apart otherwise. */
  lastSettledByCallKey(callKey: string): Promise<SettledReading | null>
  /**
   * Among all that ask for the same thing, what keeps it from being asked again, whatever has ended since: an end nobody knows,
   * which no person has looked at (to ask again is to have looked, once that has ended too), or else the newest no within the
   * cool-down.
   */
  refusingByCallKey(callKey: string, coolDownMs: number): Promise<Settled | null>
  /** The attach key that an idempotency key was first used with. */
  attachKeyOf(principal: string, server: string, idempotencyKey: string): Promise<string | null>
  /** Marks that a stream which carried the outcome was closed; only the first mark counts. */
  markDelivered(id: ApprovalId): Promise<void>
  /** `null`: no stream has carried the outcome yet. */
  deliveredAtMs(id: ApprovalId): Promise<InstantMs | null>
  /** Keeps what the upstream said after the outcome had already been settled otherwise. Never a transition. */
  keepEvidence(id: ApprovalId, text: string): Promise<void>
  /** What was kept so, oldest first, as far as a record lists it. */
  lateReplies(id: ApprovalId): Promise<readonly LateReplyText[]>
  /** Remembers why an approved call could not be sent yet. */
  noteUnsent(id: ApprovalId, reason: string): Promise<void>
  unsentReason(id: ApprovalId): Promise<string | null>

  /** Versions of those among `ids` that still exist: what a process compares with what it has seen. */
  versionsOf(ids: readonly ApprovalId[]): Promise<ReadonlyMap<ApprovalId, number>>
  /** How many records are in a newer form, counted up to `max`, and the newest form among them. */
  newerForms(max: number): Promise<{ readonly count: number; readonly form: number }>
  /** Approvals that are due, and executing ones whose gateway's lease has lapsed. */
  due(limit: number): Promise<readonly ApprovalId[]>
  /** Pending and approved ones of these servers that were not judged by the policy revision in force. */
  unjudged(servers: readonly string[], limit: number): Promise<readonly ApprovalId[]>
  /** Notes that this state of it was judged by that revision and may stay as it is. */
  noteJudged(approval: Approval, revision: number): Promise<void>

  /** Pending and approved ones that a stop covers, oldest first, each with the number of its oldest stop. */
  stopped(limit: number): Promise<readonly { readonly id: ApprovalId; readonly stop: number }[]>

  /**
   * Approved ones that a gateway may run without their requester, by their ids.
   * @param after the last one of the round before; `null`: from the first
   */
  runnableAlone(limit: number, after: ApprovalId | null): Promise<readonly ApprovalId[]>

  /**
   * Pending and approved ones that end when their requester is gone, and that nobody has waited for since somebody looked at
   * least `ms` ago. Looking notes since when nobody waits; a new waiter clears it. Whom a gateway holds that is not heard of waits
   * on, for `UNHEARD_MS` after its lease: it may have lost the database and nothing else. None, unless one gateway has held its
   * lease for as long without a gap: nobody can wait where there is no gateway.
   */
  abandoned(ms: number, limit: number): Promise<readonly ApprovalId[]>

  /**
   * Those whose rule wants something to be read for people that nobody has read, oldest first: of these servers the pending
   * ones and those whose end nobody knows; of any server those whose end is longer ago than `LOOKUP_AFTER_MS`, to be closed.
   */
  lookupsWanted(servers: readonly string[], limit: number): Promise<readonly ApprovalId[]>

  /** This gateway has these servers. Also begins to count for servers of waiting calls that nobody has said it of. */
  noteServing(node: string, servers: readonly string[]): Promise<void>
  /**
   * Pending and approved ones, oldest first, of servers that nobody has said it of for `ms`, although one gateway held its lease
   * all the while. None while a gateway is there that says nothing (an older version); nor any that somebody waits for.
   */
  unserved(ms: number, limit: number): Promise<readonly ApprovalId[]>

  /** Approvals that this node has claimed and that have no outcome yet. */
  claimsOf(node: string): Promise<readonly ApprovalId[]>

  /** Renews (or takes) this process's lease. */
  renewLease(node: string, leaseMs: number): Promise<void>
  dropLease(node: string): Promise<void>
  addWaiter(id: ApprovalId, node: string): Promise<string>
  removeWaiter(waiter: string): Promise<void>
  /**
   * Drops waiters of this node that it does not hold (a removal that failed, an answer that got lost), except very new ones.
   * @returns those of `held` that are not there: whoever took this node for dead has swept them, and they have to be added anew
   */
  keepWaiters(node: string, held: readonly string[]): Promise<readonly string[]>
  /** Nodes with a live lease that hold waiters of this approval, oldest waiter first. */
  waitingNodes(id: ApprovalId): Promise<readonly string[]>
  hasLiveLease(node: string): Promise<boolean>
}
