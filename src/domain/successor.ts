/** The approval that asks for the same call in place of another one, or after it: the same bytes, and nothing that was said of them. */
import {
  type Approval,
  type Asking,
  bindingDigest,
  formOf,
  type InstantMs,
  type Pending,
  type Predecessor,
} from './approval.ts'
import type { ApprovalId } from './approval-id.ts'
import { CHAIN_START } from './audit.ts'
import type { Likeness } from './likeness.ts'
import { nothingLookedUp } from './lookups.ts'

export interface Succession {
  readonly id: ApprovalId
  /** Its own, so that no digest of the one before fits it. */
  readonly nonce: string
  readonly asking: Asking
  readonly why: Predecessor['why']
  /** How it asks differently, in words. */
  readonly difference: string
  readonly like: Likeness | null
  readonly createdAtMs: InstantMs
  readonly expiresAtMs: InstantMs
}

/** @returns without its audit event: the chain of every approval is its own */
export function successorTo(previous: Approval, succession: Succession): Pending {
  const { asked, proposed, edits } = previous
  const { id, nonce, asking, why, difference, like, createdAtMs, expiresAtMs } = succession
  const { server, tool, requester } = asked
  const { canonicalParams, toolDefinitionDigest } = proposed
  const { ruleDigest } = asking
  const digest = bindingDigest({
    ...{ nonce, server, tool, canonicalParams, toolDefinitionDigest, ruleDigest, requester },
  })
  return {
    v: formOf(asking),
    ...{ id, version: 1, auditHead: CHAIN_START, nonce, status: 'pending' },
    ...{ asked, proposed: { ...proposed, digest }, edits, asking },
    nudges: [],
    lookups: nothingLookedUp(asking),
    votes: [],
    predecessor: { id: previous.id, difference, why },
    ...{ like, createdAtMs, expiresAtMs },
  }
}
