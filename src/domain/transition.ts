/** The only author of an approval's next state. Pure; whatever it refuses changes nothing. */
import {
  type Annotation,
  type Approval,
  type Asking,
  type Decision,
  type Door,
  type Edit,
  headerOf,
  type InstantMs,
  type Outcome,
  type Pending,
  type ReplyRef,
  recomputedDigest,
  type Vote,
} from './approval.ts'
import type { ApprovalId } from './approval-id.ts'
import {
  type Checked,
  LATE_REPLIES_MAX,
  type LookedAfter,
  noEvidence,
  type SendTrace,
  unknownSend,
} from './evidence.ts'
import {
  decisionIn,
  type GivenGrant,
  type Grant,
  type GrantRefusal,
  type GrantWish,
  grantRefusal,
  grantScope,
  grantState,
  isWithinBounds,
  withDecision,
} from './grant.ts'
import { CHANGES_MAX, EDITS_MAX, REASON_LENGTH_MAX } from './limits.ts'
import { type Lookup, nothingLookedUp } from './lookups.ts'
import { dueNudge, nextNudgeMs } from './nudges.ts'
import type { Stage } from './policy/rule.ts'
import { type Standing, stageNow, turnOf } from './quorum.ts'
import { err, ok, type Result } from './result.ts'
import { EXTENSION_MIN_MS, type Timings } from './timings.ts'

export type ApprovalEvent =
  | {
      readonly kind: 'decide'
      readonly decision: Omit<Decision, 'atMs' | 'with' | 'gives' | 'under'>
      /** When their right to decide begins; left out: it was there from the start. */
      readonly mayFromMs?: InstantMs
      /** Needed for a yes where the rule asks for several. */
      readonly standing?: Standing
      /** What the person allows besides, where the rule lets them. */
      readonly grant?: GrantWish
    }
  /** A grant stands in for the click of the person who gave it. */
  | { readonly kind: 'use_grant'; readonly grant: Grant }
  /** Nothing more is allowed by the grant that was given with it. What was sent under it stays. */
  | { readonly kind: 'end_grant'; readonly by: string; readonly reason: string | null }
  /** What the rule's look-ups found, for the arguments with this digest. */
  | { readonly kind: 'look_up'; readonly digest: string; readonly lookups: readonly Omit<Lookup, 'atMs'>[] }
  /** A person takes their yes back, while it has not decided anything. */
  | { readonly kind: 'take_back'; readonly by: string; readonly via: Door; readonly reason: string | null }
  /** Whose yes does not count any more, because they are no approvers of their stage now. */
  | { readonly kind: 'void_votes'; readonly people: readonly string[] }
  /** People are called again. */
  | { readonly kind: 'nudge' }
  /** Other `params` are proposed instead. Whatever people have seen or said of the earlier ones does not count any more. */
  | ({
      readonly kind: 'edit'
      /** RFC 8785 text of the new `params`. */
      readonly canonicalParams: string
      /** Of what the editor had on the screen. */
      readonly digest: string
      /** Fresh, so that no earlier digest ever becomes right again, also not by editing back. */
      readonly nonce: string
    } & Omit<Edit, 'atMs' | 'replaced'>)
  | {
      readonly kind: 'extend'
      readonly expiresAtMs: InstantMs
      readonly by: string
      readonly via: Door
      readonly reason: string | null
    }
  | { readonly kind: 'expire' }
  | { readonly kind: 'lapse' }
  | { readonly kind: 'cancel'; readonly by: string; readonly reason: string | null }
  | {
      readonly kind: 'invalidate'
      readonly change: string
      readonly successor: ApprovalId | null
      readonly forbidden: boolean
    }
  | { readonly kind: 'claim'; readonly node: string; readonly checked?: Omit<Checked, 'atMs'> }
  | { readonly kind: 'answer'; readonly reply: ReplyRef }
  | { readonly kind: 'fail_unsent'; readonly reason: string }
  /** Without `send` nothing is known about how far it came. */
  | { readonly kind: 'lose_track'; readonly reason: string; readonly send?: SendTrace }
  /** A person asks about it again, under another ticket. */
  | {
      readonly kind: 'ask_again'
      readonly by: string
      readonly via: Door
      readonly reason: string | null
      readonly successor: ApprovalId
    }
  /** Somebody looked at the upstream after the end that nobody knows. */
  | { readonly kind: 'look_after'; readonly looked: Omit<LookedAfter, 'atMs'> }
  /** The upstream did answer, after that end. Kept as evidence: the outcome stays what it is. */
  | { readonly kind: 'late_reply'; readonly reply: ReplyRef }
  /** Its gateway proves, after that end, that nothing was sent. Kept as evidence, too. */
  | { readonly kind: 'prove_unsent'; readonly reason: string }
  | { readonly kind: 'annotate'; readonly annotation: Omit<Annotation, 'atMs'> }

/** The ledger's clock must agree with this at the moment of writing, whatever the caller believed. */
export type Deadline =
  | { readonly kind: 'none' }
  | { readonly kind: 'before'; readonly atMs: InstantMs }
  | { readonly kind: 'from'; readonly atMs: InstantMs }
  | { readonly kind: 'within'; readonly fromMs: InstantMs; readonly beforeMs: InstantMs }

export interface Transition {
  readonly next: Approval
  readonly deadline: Deadline
}

export type Refusal =
  | { readonly reason: 'too_late'; readonly deadlineMs: InstantMs }
  | { readonly reason: 'too_early'; readonly dueMs: InstantMs }
  | { readonly reason: 'digest_differs'; readonly shown: string; readonly current: string }
  | { readonly reason: 'wrong_status'; readonly status: Approval['status'] }
  /** The person's own yes counts already. */
  | { readonly reason: 'voted_already' }
  | { readonly reason: 'not_your_turn'; readonly stages: readonly Stage[]; readonly votes: readonly Vote[] }
  /** Their stage has all the yeses it needs. */
  | { readonly reason: 'not_needed'; readonly stages: readonly Stage[]; readonly votes: readonly Vote[] }
  /** Nobody else is left for a later `stage` (from 0). */
  | {
      readonly reason: 'kept_for_later'
      readonly stages: readonly Stage[]
      readonly votes: readonly Vote[]
      readonly stage: number
    }
  /** Somebody whose yes is in the record is no approver any more: it has to be voided first. */
  | { readonly reason: 'votes_fallen' }
  /** Yeses were given and taken back so often that nobody means them. A no still counts. */
  | { readonly reason: 'too_many_changes' }
  /** There is no yes of this person to take back. */
  | { readonly reason: 'no_vote' }
  /** The rule asks for one, with a yes and with a no. */
  | { readonly reason: 'reason_required' }
  | { readonly reason: 'reason_too_long'; readonly max: number }
  /** The edit changes nothing. */
  | { readonly reason: 'same_params' }
  | { readonly reason: 'too_many_edits'; readonly max: number }
  /** The deadline can only be moved to a later time, by a minute at least. */
  | { readonly reason: 'not_later'; readonly expiresAtMs: InstantMs }
  | { readonly reason: 'beyond_maximum'; readonly latestMs: InstantMs }
  | { readonly reason: 'asked_again'; readonly successor: ApprovalId }
  | { readonly reason: 'it_happened'; readonly by: string }
  /** Nobody but the gateway hears this: what it found is kept already. */
  | { readonly reason: 'enough_evidence' }
  | GrantRefusal

const none: Deadline = { kind: 'none' }

export function transition(
  approval: Approval,
  event: ApprovalEvent,
  nowMs: InstantMs,
  timings: Timings,
): Result<Transition, Refusal> {
  const version = approval.version + 1
  const settle = (outcome: Outcome, deadline: Deadline = none): Result<Transition, Refusal> =>
    ok({ next: { ...headerOf(approval), version, status: 'settled', outcome, settledAtMs: nowMs }, deadline })
  const wrongStatus = err({ reason: 'wrong_status', status: approval.status } as const)

  switch (event.kind) {
    case 'decide': {
      if (approval.status !== 'pending') return wrongStatus
      if (nowMs >= approval.expiresAtMs) return err({ reason: 'too_late', deadlineMs: approval.expiresAtMs })
      const current = approval.proposed.digest
      if (event.decision.digest !== current) {
        return err({ reason: 'digest_differs', shown: event.decision.digest, current })
      }
      const unexplained = reasonRefusal(event.decision.reason, approval.asking)
      if (unexplained !== null) return err(unexplained)
      const { mayFromMs: fromMs = approval.createdAtMs } = event
      if (nowMs < fromMs) return err({ reason: 'too_early', dueMs: fromMs })
      const ungranted = event.grant === undefined ? null : grantRefusal(approval, event.grant)
      if (ungranted !== null) return err(ungranted)
      // Neither a no, nor a confirmation, nor whoever only stands in for others from some time on.
      const mayGive = event.decision.kind === 'approve' && fromMs <= approval.createdAtMs
      if (event.grant !== undefined && !mayGive) return err({ reason: 'no_grant' })
      const gives = event.grant === undefined ? null : givenBy(event.grant, nowMs)
      const decision: Decision = { ...event.decision, atMs: nowMs, with: [], gives, under: null }
      const deadline: Deadline =
        fromMs > approval.createdAtMs
          ? { kind: 'within', fromMs, beforeMs: approval.expiresAtMs }
          : { kind: 'before', atMs: approval.expiresAtMs }
      if (decision.kind === 'reject') return settle({ kind: 'rejected', decision }, deadline)
      const startByMs = nowMs + timings.startByMs
      if (approval.asking.stages.length === 0) {
        return ok({
          next: { ...headerOf(approval), version, status: 'approved', decision, startByMs },
          deadline,
        })
      }
      const votes = votesWith(approval, decision, event.standing)
      if (!votes.ok) return votes
      const counted: Pending = { ...approval, version, votes: votes.value }
      const { stages } = approval.asking
      const stage = stageNow(stages, votes.value)
      if (stage < stages.length) {
        return ok({ next: stage > stagesCalled(approval) ? askedNext(counted, nowMs) : counted, deadline })
      }
      const others = votes.value.slice(0, -1).map(({ by }) => by)
      const next: Approval = {
        ...headerOf(counted),
        ...{ status: 'approved', decision: { ...decision, with: others }, startByMs },
      }
      return ok({ next, deadline })
    }
    case 'use_grant': {
      if (approval.status !== 'pending') return wrongStatus
      const { grant } = event
      const isCovered =
        grantScope(approval) === grant.scope && isWithinBounds(approval) && approval.edits.length === 0
      if (!isCovered || grantState(grant, nowMs) !== 'stands') return err({ reason: 'no_grant' })
      const beforeMs = Math.min(approval.expiresAtMs, grant.untilMs)
      if (nowMs >= beforeMs) return err({ reason: 'too_late', deadlineMs: beforeMs })
      const { by, reason, id: under } = grant
      const { digest } = approval.proposed
      const decision: Decision = {
        ...{ kind: 'approve', by, reason, digest, via: 'grant', atMs: nowMs, with: [], gives: null, under },
      }
      // People read "until": nothing begins under it later.
      const startByMs = Math.min(nowMs + timings.startByMs, grant.untilMs)
      const next: Approval = { ...headerOf(approval), version, status: 'approved', decision, startByMs }
      return ok({ next, deadline: { kind: 'before', atMs: beforeMs } })
    }
    case 'end_grant': {
      const decision = decisionIn(approval)
      if (decision === null || decision.gives === null || decision.gives.ended !== null)
        return err({ reason: 'no_grant' })
      const ended = { by: event.by, reason: event.reason, atMs: nowMs }
      const gives = { ...decision.gives, ended }
      return ok({ next: { ...withDecision(approval, { ...decision, gives }), version }, deadline: none })
    }
    case 'take_back': {
      if (approval.status !== 'pending') return wrongStatus
      if (nowMs >= approval.expiresAtMs) return err({ reason: 'too_late', deadlineMs: approval.expiresAtMs })
      const votes = approval.votes.filter(({ by }) => by !== event.by)
      if (votes.length === approval.votes.length) return err({ reason: 'no_vote' })
      if (version > CHANGES_MAX) return err({ reason: 'too_many_changes' })
      return ok({
        next: { ...approval, version, votes },
        deadline: { kind: 'before', atMs: approval.expiresAtMs },
      })
    }
    case 'look_up': {
      const found = event.lookups.map((lookup) => ({ ...lookup, atMs: nowMs }))
      if (approval.status === 'settled' && approval.outcome.kind === 'indeterminate') {
        const { evidence } = approval.outcome
        if (evidence.lookupsAfter !== null) return err({ reason: 'enough_evidence' })
        const outcome = { ...approval.outcome, evidence: { ...evidence, lookupsAfter: found } }
        return ok({ next: { ...approval, version, outcome }, deadline: none })
      }
      if (approval.status !== 'pending') return wrongStatus
      if (approval.lookups !== null) return err({ reason: 'enough_evidence' })
      const current = approval.proposed.digest
      if (event.digest !== current) return err({ reason: 'digest_differs', shown: event.digest, current })
      return ok({ next: { ...approval, version, lookups: found }, deadline: none })
    }
    case 'void_votes': {
      if (approval.status !== 'pending') return wrongStatus
      const votes = approval.votes.filter(({ by }) => !event.people.includes(by))
      if (votes.length === approval.votes.length) return err({ reason: 'no_vote' })
      return ok({ next: { ...approval, version, votes }, deadline: none })
    }
    case 'nudge': {
      if (approval.status !== 'pending') return wrongStatus
      const { expiresAtMs: beforeMs, nudges } = approval
      if (nowMs >= beforeMs) return err({ reason: 'too_late', deadlineMs: beforeMs })
      const due = dueNudge(approval, nowMs)
      if (due === null) return err({ reason: 'too_early', dueMs: nextNudgeMs(approval) ?? beforeMs })
      const { kind, afterMs, dueMs: fromMs } = due
      const next: Approval = { ...approval, version, nudges: [...nudges, { kind, afterMs, atMs: nowMs }] }
      return ok({ next, deadline: { kind: 'within', fromMs, beforeMs } })
    }
    case 'edit': {
      if (approval.status !== 'pending') return wrongStatus
      if (nowMs >= approval.expiresAtMs) return err({ reason: 'too_late', deadlineMs: approval.expiresAtMs })
      const current = approval.proposed.digest
      if (event.digest !== current) return err({ reason: 'digest_differs', shown: event.digest, current })
      if (event.canonicalParams === approval.proposed.canonicalParams) return err({ reason: 'same_params' })
      if (approval.edits.length >= EDITS_MAX) return err({ reason: 'too_many_edits', max: EDITS_MAX })
      const deadline: Deadline = { kind: 'before', atMs: approval.expiresAtMs }
      return ok({ next: edited(approval, event, nowMs), deadline })
    }
    case 'extend': {
      if (approval.status !== 'pending') return wrongStatus
      const { expiresAtMs } = approval
      if (nowMs >= expiresAtMs) return err({ reason: 'too_late', deadlineMs: expiresAtMs })
      if (event.expiresAtMs < expiresAtMs + EXTENSION_MIN_MS) return err({ reason: 'not_later', expiresAtMs })
      const latestMs = approval.createdAtMs + timings.decisionMaxMs
      if (event.expiresAtMs > latestMs) return err({ reason: 'beyond_maximum', latestMs })
      const next: Approval = { ...approval, version, expiresAtMs: event.expiresAtMs }
      return ok({ next, deadline: { kind: 'before', atMs: expiresAtMs } })
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
      {
        const { change, successor, forbidden } = event
        return settle({ kind: 'invalidated', change, successor, forbidden })
      }
    }
    case 'claim': {
      if (approval.status !== 'approved') return wrongStatus
      if (nowMs >= approval.startByMs) return err({ reason: 'too_late', deadlineMs: approval.startByMs })
      const { decision, startByMs } = approval
      const checked = event.checked === undefined ? null : { ...event.checked, atMs: nowMs }
      const claim = { node: event.node, atMs: nowMs, checked }
      const next: Approval = { ...headerOf(approval), version, status: 'executing', decision, claim }
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
      const { decision, claim } = approval
      const evidence = {
        ...noEvidence,
        before: claim.checked,
        send: event.send ?? unknownSend,
        lookupsAfter: nothingLookedUp(approval.asking),
      }
      return settle({
        kind: 'indeterminate',
        decision,
        reason: event.reason,
        annotations: [],
        evidence,
        successor: null,
      })
    }
    case 'ask_again': {
      if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return wrongStatus
      const { annotations, successor } = approval.outcome
      if (successor !== null) return err({ reason: 'asked_again', successor })
      // What happened must not be asked for a second time by mistake.
      const finding = annotations.at(-1)
      if (finding?.finding === 'happened') return err({ reason: 'it_happened', by: finding.by })
      const outcome = { ...approval.outcome, successor: event.successor }
      return ok({ next: { ...approval, version, outcome }, deadline: none })
    }
    case 'look_after': {
      if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return wrongStatus
      const { evidence } = approval.outcome
      if (evidence.after !== null) return err({ reason: 'enough_evidence' })
      const after = { ...event.looked, atMs: nowMs }
      const outcome = { ...approval.outcome, evidence: { ...evidence, after } }
      return ok({ next: { ...approval, version, outcome }, deadline: none })
    }
    case 'late_reply': {
      if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return wrongStatus
      const { evidence } = approval.outcome
      if (evidence.lateReplies.length >= LATE_REPLIES_MAX) return err({ reason: 'enough_evidence' })
      const lateReplies = [...evidence.lateReplies, { ...event.reply, atMs: nowMs }]
      const outcome = { ...approval.outcome, evidence: { ...evidence, lateReplies } }
      return ok({ next: { ...approval, version, outcome }, deadline: none })
    }
    case 'prove_unsent': {
      if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return wrongStatus
      const { evidence } = approval.outcome
      if (evidence.unsent !== null) return err({ reason: 'enough_evidence' })
      const unsent = { reason: event.reason, atMs: nowMs }
      const outcome = { ...approval.outcome, evidence: { ...evidence, unsent } }
      return ok({ next: { ...approval, version, outcome }, deadline: none })
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

/** A stage that opens again because somebody took a yes back does not call its people again; an edit is another question. */
function stagesCalled({ nudges, edits }: Pending): number {
  const sinceMs = edits.at(-1)?.atMs ?? 0
  return nudges.filter(({ kind, atMs }) => kind === 'stage' && atMs >= sinceMs).length
}

/** Whoever is asked from now on is called, once. */
function askedNext(approval: Pending, atMs: InstantMs): Pending {
  const nudge = { kind: 'stage', afterMs: atMs - approval.createdAtMs, atMs } as const
  return { ...approval, nudges: [...approval.nudges, nudge] }
}

const noStanding: Standing = { stages: [], voters: [], keptFor: null }

/** The yeses with one more, or why it is none. Without a standing nobody is known to be an approver. */
function votesWith(
  { asking: { stages }, votes }: Pending,
  { by, reason, digest, via, atMs, kind }: Decision,
  standing: Standing = noStanding,
): Result<readonly Vote[], Refusal> {
  if (votes.some((vote) => !standing.voters.includes(vote.by))) return err({ reason: 'votes_fallen' })
  // A confirmation is none of several yeses.
  const turn = turnOf(stages, votes, by, kind === 'approve' ? standing : noStanding)
  switch (turn.kind) {
    case 'said':
      return err({ reason: 'voted_already' })
    case 'not_yet':
      return err({ reason: 'not_your_turn', stages, votes })
    case 'not_needed':
      return err({ reason: 'not_needed', stages, votes })
    case 'kept':
      return err({ reason: 'kept_for_later', stages, votes, stage: turn.stage })
    case 'counts':
      return ok([...votes, { stage: turn.stage, by, reason, digest, via, atMs }])
  }
}

const givenBy = ({ uses, durationMs }: GrantWish, nowMs: InstantMs): GivenGrant => ({
  uses,
  untilMs: nowMs + durationMs,
  ended: null,
})

/** Blanks and punctuation explain nothing. */
const SAYS_SOMETHING = /[\p{L}\p{N}]/u

function reasonRefusal(reason: string | null, { reasonRequired }: Asking): Refusal | null {
  if (reason !== null && reason.length > REASON_LENGTH_MAX) {
    return { reason: 'reason_too_long', max: REASON_LENGTH_MAX }
  }
  return reasonRequired && !SAYS_SOMETHING.test(reason ?? '') ? { reason: 'reason_required' } : null
}

function edited(
  approval: Pending,
  event: Extract<ApprovalEvent, { kind: 'edit' }>,
  atMs: InstantMs,
): Approval {
  const { by, via, reason, canonicalParams, nonce } = event
  const { proposed } = approval
  const replaced = { canonicalParams: proposed.canonicalParams, digest: proposed.digest }
  const next: Pending = {
    ...approval,
    version: approval.version + 1,
    nonce,
    proposed: { ...proposed, canonicalParams },
    // They were about other arguments.
    lookups: nothingLookedUp(approval.asking),
    edits: [...approval.edits, { by, via, reason, atMs, replaced }],
    // They were said to something else.
    votes: [],
  }
  return { ...next, proposed: { ...next.proposed, digest: recomputedDigest(next) } }
}
