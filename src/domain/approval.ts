/** The durable record of one paused call: four statuses say what may happen next, the outcome says how it ended. */
import type { ApprovalId } from './approval-id.ts'
import { digestOf } from './canonical.ts'
import type { Checked, Evidence } from './evidence.ts'
import type { GivenGrant } from './grant.ts'
import type { Likeness } from './likeness.ts'
import type { Lookup, LookupCall } from './lookups.ts'
import { type Nudge, nextNudgeMs } from './nudges.ts'
import type { GrantTerms } from './policy/grant-terms.ts'
import type { EscalationStep, OnClientGone, Stage } from './policy/rule.ts'
import type { ApproverChain } from './policy.ts'
import type { Principal } from './principal.ts'
import type { Risk } from './risk.ts'
import type { Era } from './tool-call.ts'

/** Milliseconds since the epoch, always by the ledger's clock. */
export type InstantMs = number

/** What the client sent. It never changes. */
export interface Asked {
  readonly attachKey: string
  /** What is asked for, whatever tells repeats apart. */
  readonly callKey: string
  readonly idempotencyKey: string | null
  readonly requester: Principal
  /** Name and version as the client states them: display only, never trusted. */
  readonly client: string | null
  readonly server: string
  readonly tool: string
  readonly era: Era
  /** Of the protocol, for limits of a session; not there in older records and where there is none. */
  readonly session?: string | undefined
  /** Its client was given a task of 2025-11-25 for it; not there in older records. */
  readonly asTask?: boolean | undefined
}

/** What would be sent, and the digest that binds a decision to it. */
export interface Proposed {
  /** RFC 8785 text of the `params`. */
  readonly canonicalParams: string
  readonly toolDefinitionDigest: string
  readonly toolTitle: string | null
  readonly digest: string
}

/**
 * A person changed what would be sent, while nobody had decided. What stood there before stays readable; the first edit
 * keeps what the client had asked for.
 */
export interface Edit {
  readonly by: string
  readonly via: Door
  readonly reason: string | null
  readonly atMs: InstantMs
  readonly replaced: { readonly canonicalParams: string; readonly digest: string }
}

/** Why it asks, and whom. */
export interface Asking {
  readonly rule: string
  readonly reason: string | null
  readonly risk: Risk
  readonly approvers: ApproverChain
  readonly ruleDigest: string
  /** `execute`: a gateway may run it without its requester, who collects the outcome. `cancel`: it is withdrawn then. */
  readonly onClientGone: OnClientGone
  /** A yes and a no count only with a reason. */
  readonly reasonRequired: boolean
  /** What is read from the server for whoever decides. No part of the digest. */
  readonly lookups: readonly LookupCall[]
  /** So long after the asking people are reminded, in the order of time. */
  readonly remindersMs: readonly number[]
  /** Who may decide as well from some time after the asking on, in the order of time. */
  readonly escalation: readonly EscalationStep[]
  /** Several yeses of different people, in this order; empty: one yes decides. All who are named here are approvers. */
  readonly stages: readonly Stage[]
  /** What an approver may allow besides this call; `null`: nothing. */
  readonly grants: GrantTerms | null
}

export type DecisionKind = 'approve' | 'confirm' | 'reject'

/** `confirm` is the owner's own yes where the rule allows it, and never called an approval. */
export interface Decision {
  readonly kind: DecisionKind
  readonly by: string
  readonly reason: string | null
  readonly digest: string
  readonly via: Door
  readonly atMs: InstantMs
  /** Whose yeses it needed besides, oldest first; empty where one decides. */
  readonly with: readonly string[]
  /** The grant that was given with it; `null`: it was about this call only. */
  readonly gives: GivenGrant | null
  /** The grant that stood in for the click of the person who gave it; `null`: they decided about this very call. */
  readonly under: ApprovalId | null
}

/** One of several yeses that a rule asks for. It counts for the digest that is proposed now, and ends with it. */
export interface Vote {
  /** From 0. */
  readonly stage: number
  readonly by: string
  readonly reason: string | null
  readonly digest: string
  readonly via: Door
  readonly atMs: InstantMs
}

/** Everybody whose yes a decision is, oldest first. */
export const decidersOf = (decision: Pick<Decision, 'by' | 'with'>): readonly string[] => [
  ...decision.with,
  decision.by,
]

/** The doors a decision can come through; `grant`: nobody came, a grant stood in for them. */
export const doors = ['api', 'cli', 'demo', 'console', 'slack', 'grant'] as const
export type Door = (typeof doors)[number]

/** The exclusive right to send, taken once by one gateway. */
export interface Claim {
  readonly node: string
  readonly atMs: InstantMs
  /** What the pre-flight found; `null`: not kept. */
  readonly checked: Checked | null
}

/** The upstream's answer. The text itself is kept beside the record, byte for byte. */
export interface ReplyRef {
  readonly kind: 'result' | 'error'
  readonly isError: boolean
  /** The upstream took the call on as a task of its own: how that ends, it alone knows. Not there where it did not. */
  readonly isTask?: true | undefined
  readonly digest: string
  readonly bytes: number
}

/** What a person found out about a call whose end nobody could know. */
export interface Annotation {
  readonly finding: 'happened' | 'did_not_happen'
  readonly by: string
  readonly note: string | null
  readonly atMs: InstantMs
}

export type Outcome =
  | { readonly kind: 'answered'; readonly decision: Decision; readonly reply: ReplyRef }
  | { readonly kind: 'rejected'; readonly decision: Decision }
  | { readonly kind: 'expired' }
  | { readonly kind: 'lapsed'; readonly decision: Decision }
  | { readonly kind: 'cancelled'; readonly by: string; readonly reason: string | null }
  | {
      readonly kind: 'invalidated'
      readonly change: string
      /** Asks for the same call under the rule that came into force; who waited for this one waits for that. */
      readonly successor: ApprovalId | null
      /** The policy forbids the call now: asking again is refused unseen. */
      readonly forbidden: boolean
    }
  | { readonly kind: 'not_sent'; readonly decision: Decision; readonly reason: string }
  | {
      readonly kind: 'indeterminate'
      readonly decision: Decision
      readonly reason: string
      readonly annotations: readonly Annotation[]
      readonly evidence: Evidence
      /** Asks about the same call again, because a person wanted it; `null`: nobody did. */
      readonly successor: ApprovalId | null
    }

/** The approval that asked for this call before this one. */
export interface Predecessor {
  readonly id: ApprovalId
  /** How this one asks differently, in words. */
  readonly difference: string
  /** `unknown_end`: nobody knows whether that one happened, and a person asks again. */
  readonly why: 'rule_changed' | 'unknown_end'
}

/**
 * The form of a record. 2 and 3: its rule asks for something, or lets people do something (3: give grants), that a process
 * which knows only an earlier form would pass over; that process leaves it alone.
 */
export type Form = 1 | 2 | 3

/** The lowest form that says all of this, so that older processes go on with whatever they understand. */
export function formOf({ reasonRequired, onClientGone, stages, escalation, grants }: Asking): Form {
  if (grants !== null) return 3
  return reasonRequired || onClientGone === 'cancel' || stages.length > 0 || escalation.length > 0 ? 2 : 1
}

interface Header {
  /** The form of this record. A process that meets a higher one leaves it alone. */
  readonly v: Form
  readonly id: ApprovalId
  /** Counts transitions from 1; every write is guarded by it. */
  readonly version: number
  /** Hash of the newest audit event; the next one is chained to it. */
  readonly auditHead: string
  readonly nonce: string
  readonly asked: Asked
  readonly proposed: Proposed
  /** Oldest first. */
  readonly edits: readonly Edit[]
  readonly asking: Asking
  /** Oldest first. */
  readonly nudges: readonly Nudge[]
  /** What was read for these arguments; `null`: not yet. */
  readonly lookups: readonly Lookup[] | null
  /** The yeses that count, oldest first, where the rule asks for several; the one that completed them is the decision. */
  readonly votes: readonly Vote[]
  /** `null`: it was asked for by its requester. */
  readonly predecessor: Predecessor | null
  /** `null`: when it was asked, nothing like it waited. */
  readonly like: Likeness | null
  readonly createdAtMs: InstantMs
  readonly expiresAtMs: InstantMs
}

export type Status = 'pending' | 'approved' | 'executing' | 'settled'

export type Pending = Header & { readonly status: 'pending' }
export type Approved = Header & {
  readonly status: 'approved'
  readonly decision: Decision
  readonly startByMs: InstantMs
}
export type Executing = Header & {
  readonly status: 'executing'
  readonly decision: Decision
  readonly claim: Claim
}
export type Settled = Header & {
  readonly status: 'settled'
  readonly outcome: Outcome
  readonly settledAtMs: InstantMs
}
export type Approval = Pending | Approved | Executing | Settled

/** What an approval is whatever its status: the part that every next state takes over. */
export function headerOf(approval: Approval): Header {
  const { v, id, version, auditHead, nonce, asked, proposed, edits, asking, votes, nudges } = approval
  const { lookups, predecessor, like, createdAtMs, expiresAtMs } = approval
  return {
    ...{ v, id, version, auditHead, nonce, asked, proposed, edits, asking, votes, nudges },
    ...{ lookups, predecessor, like, createdAtMs, expiresAtMs },
  }
}

/** The approval that asks for the same call since the rule changed; `null`: it ended for itself. */
export const successorOf = ({ outcome }: Settled): ApprovalId | null =>
  outcome.kind === 'invalidated' ? outcome.successor : null

/** It was sent, and how it ends is known to the upstream alone, which made a task of it. */
export const isAcceptedAsTask = (approval: Approval): boolean =>
  approval.status === 'settled' &&
  approval.outcome.kind === 'answered' &&
  approval.outcome.reply.isTask === true

/**
 * What becomes of it when nobody waits for it. What a person asked for again has no agent that waits, nor one that was told to
 * come back: it is there until its deadline.
 */
export function wayWhenGone(approval: {
  readonly asking: Pick<Asking, 'onClientGone'>
  readonly predecessor: Pick<Predecessor, 'why'> | null
}): OnClientGone {
  const { onClientGone } = approval.asking
  return onClientGone === 'cancel' && approval.predecessor?.why === 'unknown_end' ? 'wait' : onClientGone
}

export interface Binding {
  readonly nonce: string
  readonly server: string
  readonly tool: string
  readonly canonicalParams: string
  readonly toolDefinitionDigest: string
  readonly ruleDigest: string
  readonly requester: Principal
}

/** The one digest that is shown, decided on, and checked again before the claim. Deadlines are not in it: they may be extended. */
export function bindingDigest(binding: Binding): string {
  return digestOf({
    v: 1,
    nonce: binding.nonce,
    server: binding.server,
    tool: binding.tool,
    params: binding.canonicalParams,
    toolDefinition: binding.toolDefinitionDigest,
    rule: binding.ruleDigest,
    requester: { name: binding.requester.name, owner: binding.requester.owner },
  })
}

/** The digest of what the record would send now, computed from the stored bytes. */
export function recomputedDigest(approval: Approval): string {
  return bindingDigest({
    nonce: approval.nonce,
    server: approval.asked.server,
    tool: approval.asked.tool,
    canonicalParams: approval.proposed.canonicalParams,
    toolDefinitionDigest: approval.proposed.toolDefinitionDigest,
    ruleDigest: approval.asking.ruleDigest,
    requester: approval.asked.requester,
  })
}

/** What an edit leaves behind. */
export interface Edited {
  readonly edits: readonly Edit[]
  readonly proposed: Pick<Proposed, 'canonicalParams'>
}

/** The `params` as the client sent them, whatever people have made of them since. */
export const askedParams = ({ edits, proposed }: Edited): string =>
  edits[0]?.replaced.canonicalParams ?? proposed.canonicalParams

/** Whether something else would be sent than the client asked for. An edit that was taken back leaves nothing to tell. */
export const isEdited = (approval: Edited): boolean =>
  askedParams(approval) !== approval.proposed.canonicalParams

/** When someone has to look at it next; `null` when nothing can become due by itself. */
export function dueAtMs(approval: Approval): InstantMs | null {
  switch (approval.status) {
    case 'pending':
      return nextNudgeMs(approval) ?? approval.expiresAtMs
    case 'approved':
      return approval.startByMs
    case 'executing':
      return null
    case 'settled':
      return null
  }
}
