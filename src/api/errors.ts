/** Every refusal of the REST API in one shape: a status, a code for programs, a sentence for people, a remedy where there is one. */
import type { Approval, Decision } from '../domain/approval.ts'
import { shortDigest } from '../domain/canonical.ts'
import { CLI } from '../domain/command-line.ts'
import { decisionText, outcomeText, unauthorisedText } from '../domain/present.ts'
import { refusedStep } from '../domain/refused-step.ts'
import type { DecideRefusal } from '../services/decide.ts'
import { iso } from './view.ts'

export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 410 | 413 | 415 | 422 | 500 | 503

export interface ApiError {
  readonly status: ErrorStatus
  readonly code: string
  readonly message: string
  readonly remedy?: string
  readonly field?: string
}

export const toBody = ({ status: _status, ...error }: ApiError) => ({ error })

export const noSuchApproval: ApiError = {
  status: 404,
  code: 'not_found',
  message: 'There is no approval with this ticket.',
  remedy: 'A ticket reads HP- and ten characters; /api/v1/approvals lists them.',
}

const rulesUnreadable: ApiError = {
  status: 503,
  code: 'rules_unreadable',
  message:
    'Nothing was decided: this gateway cannot read the policy in force, so it cannot say whether you may.',
  remedy:
    'Decide at a gateway of the newer version, or tell whoever runs this one; /readyz says what is wrong.',
}

const lookAgain = 'Look at the approval again before you decide.'

/** What a person tried to do when they were refused. */
export type Act = 'decide' | 'cancel' | 'annotate' | 'edit' | 'extend' | 'ask_again' | 'end_grant'

/** @param approval the record as it was read after the refusal, to name who may decide */
export function refusalToError(refusal: DecideRefusal, act: Act, approval: Approval | null): ApiError {
  switch (refusal.reason) {
    case 'not_found':
      return noSuchApproval
    case 'moved_on':
      return { status: 409, code: 'moved_on', message: 'It changed in the meantime.', remedy: lookAgain }
    case 'unauthorised': {
      if (approval === null) return noSuchApproval
      const message = unauthorisedText(refusal.because, approval.asked.requester.owner)
      const isOwn = refusal.because.reason === 'own_call' && (act === 'decide' || act === 'edit')
      const mayWithdraw = isOwn && (approval.status === 'pending' || approval.status === 'approved')
      return {
        status: 403,
        code: refusal.because.reason,
        message,
        // An owner who says no wants it gone, and that is theirs to do under another name.
        ...(mayWithdraw ? { remedy: `\`${CLI} approvals cancel ${approval.id}\` withdraws it.` } : {}),
      }
    }
    case 'not_askable':
      return { status: 409, code: 'not_askable', message: refusal.text, remedy: refusal.remedy }
    case 'not_editable': {
      const { because, text, remedy } = refusal
      const isInput = because === 'invalid_arguments'
      return {
        status: isInput ? 400 : 409,
        code: because,
        message: text,
        remedy,
        ...(isInput ? { field: 'arguments' } : {}),
      }
    }
    case 'rules_unreadable':
      return rulesUnreadable
    case 'refused':
      return transitionRefused(refusal, act)
  }
}

function transitionRefused(
  { refusal, approval }: Extract<DecideRefusal, { reason: 'refused' }>,
  act: Act,
): ApiError {
  switch (refusal.reason) {
    case 'digest_differs':
      return {
        status: 409,
        code: 'digest_differs',
        message: `What you looked at (${shortDigest(refusal.shown)}) is not what would be sent now (${shortDigest(refusal.current)}). Nothing was decided.`,
        remedy: lookAgain,
        field: 'digest',
      }
    case 'too_late':
      return tooLate(refusal.deadlineMs)
    case 'too_early':
      return { status: 409, code: 'too_early', message: `It is not due before ${iso(refusal.dueMs)}.` }
    case 'wrong_status':
      return wrongStatus(approval, act)
    case 'enough_evidence':
      return { status: 409, code: 'moved_on', message: 'It is noted already.' }
    case 'reason_required':
    case 'reason_too_long': {
      const { text, remedy } = refusedStep(refusal, iso)
      return { status: 422, code: refusal.reason, message: text, remedy, field: 'reason' }
    }
    case 'voted_already':
    case 'not_your_turn':
    case 'not_needed':
    case 'kept_for_later':
    case 'votes_fallen':
    case 'no_vote':
    case 'too_many_changes':
    case 'asked_again':
    case 'it_happened':
    case 'same_params':
    case 'too_many_edits':
    case 'not_later':
    case 'beyond_maximum':
    case 'no_grant':
    case 'grant_beyond': {
      const { text, remedy } = refusedStep(refusal, iso)
      return { status: 409, code: refusal.reason, message: text, remedy }
    }
  }
}

function wrongStatus(approval: Approval, act: Act): ApiError {
  if (act === 'annotate' || act === 'ask_again') {
    return {
      status: 409,
      code: act === 'annotate' ? 'nothing_to_annotate' : 'nothing_to_ask_again',
      message: `Only a call whose end nobody knows can be ${act === 'annotate' ? 'annotated' : 'asked again by a person'}. ${stateOf(approval)}`,
    }
  }
  switch (approval.status) {
    case 'pending':
      return { status: 409, code: 'moved_on', message: 'It changed in the meantime.', remedy: lookAgain }
    case 'approved':
      return alreadyDecided(approval.decision)
    case 'executing':
      return act === 'cancel'
        ? {
            status: 409,
            code: 'being_sent',
            message: 'It is being sent at this moment, and nobody can call back what may have arrived.',
          }
        : alreadyDecided(approval.decision)
    case 'settled': {
      const { outcome } = approval
      if (outcome.kind === 'expired') return tooLate(approval.expiresAtMs)
      if (act === 'decide' && 'decision' in outcome) return alreadyDecided(outcome.decision)
      return { status: 409, code: 'already_settled', message: `It is over. ${outcomeText(outcome)}` }
    }
  }
}

const alreadyDecided = (decision: Decision): ApiError => ({
  status: 409,
  code: 'already_decided',
  message: `Already decided at ${iso(decision.atMs)}. ${decisionText(decision)}.`,
})

const tooLate = (deadlineMs: number): ApiError => ({
  status: 410,
  code: 'too_late',
  message: `Too late: the time for a decision ended at ${iso(deadlineMs)}. Nothing was sent.`,
  remedy: 'The agent has to ask again.',
})

function stateOf(approval: Approval): string {
  return approval.status === 'settled' ? outcomeText(approval.outcome) : `This one is ${approval.status}.`
}
