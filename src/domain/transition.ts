/** The only author of an approval's next state. Pure; whatever it refuses changes nothing. */
import type { Annotation, Approval, Decision, InstantMs, Outcome, ReplyRef } from './approval.ts'
import { err, ok, type Result } from './result.ts'
import type { Timings } from './timings.ts'

export type ApprovalEvent =
  | { readonly kind: 'decide'; readonly decision: Omit<Decision, 'atMs'> }
  | { readonly kind: 'expire' }
  | { readonly kind: 'lapse' }
  | { readonly kind: 'cancel'; readonly by: string; readonly reason: string | null }
  | { readonly kind: 'invalidate'; readonly change: string }
  | { readonly kind: 'claim'; readonly node: string }
  | { readonly kind: 'answer'; readonly reply: ReplyRef }
  | { readonly kind: 'fail_unsent'; readonly reason: string }
  | { readonly kind: 'lose_track'; readonly reason: string }
  | { readonly kind: 'annotate'; readonly annotation: Omit<Annotation, 'atMs'> }

/** The ledger's clock must agree with this at the moment of writing, whatever the caller believed. */
export type Deadline =
  | { readonly kind: 'none' }
  | { readonly kind: 'before'; readonly atMs: InstantMs }
  | { readonly kind: 'from'; readonly atMs: InstantMs }

export interface Transition {
  readonly next: Approval
  readonly deadline: Deadline
}

export type Refusal =
  | { readonly reason: 'too_late'; readonly deadlineMs: InstantMs }
  | { readonly reason: 'too_early'; readonly dueMs: InstantMs }
  | { readonly reason: 'digest_differs'; readonly shown: string; readonly current: string }
  | { readonly reason: 'wrong_status'; readonly status: Approval['status'] }

const none: Deadline = { kind: 'none' }

export function transition(
  approval: Approval,
  event: ApprovalEvent,
  nowMs: InstantMs,
  timings: Timings,
): Result<Transition, Refusal> {
  const version = approval.version + 1
  const settle = (outcome: Outcome, deadline: Deadline = none): Result<Transition, Refusal> =>
    ok({ next: { ...header(approval), version, status: 'settled', outcome, settledAtMs: nowMs }, deadline })
  const wrongStatus = err({ reason: 'wrong_status', status: approval.status } as const)

  switch (event.kind) {
    case 'decide': {
      if (approval.status !== 'pending') return wrongStatus
      if (nowMs >= approval.expiresAtMs) return err({ reason: 'too_late', deadlineMs: approval.expiresAtMs })
      const current = approval.proposed.digest
      if (event.decision.digest !== current) {
        return err({ reason: 'digest_differs', shown: event.decision.digest, current })
      }
      const decision: Decision = { ...event.decision, atMs: nowMs }
      const deadline: Deadline = { kind: 'before', atMs: approval.expiresAtMs }
      if (decision.kind === 'reject') return settle({ kind: 'rejected', decision }, deadline)
      const startByMs = nowMs + timings.startByMs
      return ok({ next: { ...header(approval), version, status: 'approved', decision, startByMs }, deadline })
    }
    case 'expire': {
      if (approval.status !== 'pending') return wrongStatus
      if (nowMs < approval.expiresAtMs) return err({ reason: 'too_early', dueMs: approval.expiresAtMs })
      return settle({ kind: 'expired' }, { kind: 'from', atMs: approval.expiresAtMs })
    }
    case 'lapse': {
      if (approval.status !== 'approved') return wrongStatus
      if (nowMs < approval.startByMs) return err({ reason: 'too_early', dueMs: approval.startByMs })
      return settle(
        { kind: 'lapsed', decision: approval.decision },
        { kind: 'from', atMs: approval.startByMs },
      )
    }
    case 'cancel': {
      // Never from `executing`: nobody can call back what may already have arrived.
      if (approval.status !== 'pending' && approval.status !== 'approved') return wrongStatus
      return settle({ kind: 'cancelled', by: event.by, reason: event.reason })
    }
    case 'invalidate': {
      if (approval.status !== 'pending' && approval.status !== 'approved') return wrongStatus
      return settle({ kind: 'invalidated', change: event.change })
    }
    case 'claim': {
      if (approval.status !== 'approved') return wrongStatus
      if (nowMs >= approval.startByMs) return err({ reason: 'too_late', deadlineMs: approval.startByMs })
      const { decision, startByMs } = approval
      const claim = { node: event.node, atMs: nowMs }
      const next: Approval = { ...header(approval), version, status: 'executing', decision, claim }
      return ok({ next, deadline: { kind: 'before', atMs: startByMs } })
    }
    case 'answer': {
      if (approval.status !== 'executing') return wrongStatus
      return settle({ kind: 'answered', decision: approval.decision, reply: event.reply })
    }
    case 'fail_unsent': {
      // From `approved`: the pre-flight failed until `startBy`. From `executing`: proved that no byte left.
      if (approval.status !== 'approved' && approval.status !== 'executing') return wrongStatus
      return settle({ kind: 'not_sent', decision: approval.decision, reason: event.reason })
    }
    case 'lose_track': {
      if (approval.status !== 'executing') return wrongStatus
      const { decision } = approval
      return settle({ kind: 'indeterminate', decision, reason: event.reason, annotations: [] })
    }
    case 'annotate': {
      if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return wrongStatus
      const annotations = [...approval.outcome.annotations, { ...event.annotation, atMs: nowMs }]
      return ok({
        next: { ...approval, version, outcome: { ...approval.outcome, annotations } },
        deadline: none,
      })
    }
  }
}

function header(approval: Approval) {
  const { v, id, auditHead, nonce, asked, proposed, asking, createdAtMs, expiresAtMs } = approval
  return { v, id, auditHead, nonce, asked, proposed, asking, createdAtMs, expiresAtMs }
}
