/** One rule of a policy, whatever spelling it had. */

import type { LookupCall } from '../lookups.ts'
import type { Category, Risk } from '../risk.ts'
import type { Condition } from './condition.ts'
import type { Glob } from './glob.ts'
import type { GrantTerms } from './grant-terms.ts'
import type { Limit } from './tally.ts'

export type Action = 'allow' | 'deny' | 'require_approval'

export interface Rule {
  /** JSON Pointer (RFC 6901) of the place in the policy that decided. */
  readonly pointer: string
  /** `null`: the rule only limits, or says how bad a call is. */
  readonly action: Action | null
  readonly reason: string | null
  readonly tools: readonly Glob[]
  /** `null`: of any. */
  readonly categories: readonly Category[] | null
  readonly risks: readonly Risk[] | null
  readonly when: Condition | null
  /** How bad the call is said to be, instead of what is known about the tool: to this rule and to every rule without it. */
  readonly treatAs: Risk | null
  readonly limits: readonly Limit[]
  readonly terms: ApprovalTerms
}

/**
 * What becomes of a call when nobody is there for its outcome. `execute`: a gateway may run it without its requester once it is
 * approved. `cancel`: it is withdrawn.
 */
export const clientGoneWays = ['wait', 'execute', 'cancel'] as const
export type OnClientGone = (typeof clientGoneWays)[number]

/** Who is asked together, and how many of them have to say yes. */
export interface Stage {
  readonly groups: readonly string[]
  readonly people: readonly string[]
  readonly quorum: number
}

/** On which terms people decide; `null` leaves it to the server's configuration. */
export interface ApprovalTerms {
  readonly approvers: { readonly groups: readonly string[]; readonly people: readonly string[] } | null
  /** In this order; `null`: the approvers are one stage. */
  readonly stages: readonly Stage[] | null
  /** Yeses of different people, in all; `null`: as many as the stages say, or one. */
  readonly quorum: number | null
  readonly selfConfirm: boolean | null
  /** How long people have. */
  readonly timeoutMs: number | null
  readonly onClientGone: OnClientGone | null
  /** Whether a yes and a no count only with a reason. */
  readonly reasonRequired: boolean | null
  /** So long after the asking people are reminded, in the order of time. */
  readonly remindersMs: readonly number[] | null
  /** In the order of time. */
  readonly escalation: readonly EscalationStep[] | null
  readonly lookups: readonly LookupCall[] | null
  /** What an approver may allow besides the call; `null`: nothing. */
  readonly grants: GrantTerms | null
}

/** From so long after the asking on these people may decide as well. */
export interface EscalationStep {
  readonly afterMs: number
  readonly groups: readonly string[]
  readonly people: readonly string[]
}

export const usualTerms: ApprovalTerms = {
  approvers: null,
  stages: null,
  quorum: null,
  selfConfirm: null,
  timeoutMs: null,
  onClientGone: null,
  reasonRequired: null,
  remindersMs: null,
  escalation: null,
  lookups: null,
  grants: null,
}

const strictness: Readonly<Record<Action, number>> = { allow: 0, require_approval: 1, deny: 2 }

export const isStricter = (a: Action, b: Action): boolean => strictness[a] > strictness[b]
