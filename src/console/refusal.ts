/** What a person is told whose act did not take effect. The page below it shows what is true now. */
import type { Approval } from '../domain/approval.ts'
import { shortDigest } from '../domain/canonical.ts'
import { decisionText, outcomeText, unauthorisedText } from '../domain/present.ts'
import { refusedStep } from '../domain/refused-step.ts'
import type { DecideRefusal } from '../services/decide.ts'
import { instantMark } from './told.tsx'

export interface Told {
  readonly status: 400 | 403 | 404 | 409 | 410 | 422 | 503
  readonly text: string
}

/** @param approval as it is now */
export function refusalText(refusal: DecideRefusal, approval: Approval): Told {
  switch (refusal.reason) {
    case 'not_found':
      return { status: 404, text: 'There is no such approval.' }
    case 'moved_on':
      return { status: 409, text: 'It changed in the meantime. Read it again before you decide.' }
    case 'unauthorised': {
      const { asked } = approval
      const text = unauthorisedText(refusal.because, asked.requester.owner)
      const mayWithdraw =
        refusal.because.reason === 'own_call' &&
        (approval.status === 'pending' || approval.status === 'approved')
      return {
        status: 403,
        text: mayWithdraw ? `${text} What you can do is to withdraw it: see below.` : text,
      }
    }
    case 'not_askable':
      return { status: 409, text: `${refusal.text} ${refusal.remedy}` }
    case 'not_editable':
      return {
        status: refusal.because === 'invalid_arguments' ? 400 : 409,
        text: `${refusal.text} ${refusal.remedy}`,
      }
    case 'rules_unreadable':
      return {
        status: 503,
        text: 'This gateway cannot read the policy in force, so nothing was decided. Tell whoever runs Holdpoint.',
      }
    case 'refused':
      break
  }
  const { refusal: why } = refusal
  switch (why.reason) {
    case 'digest_differs':
      return {
        status: 409,
        text: `What you looked at (${shortDigest(why.shown)}) is not what would be sent now (${shortDigest(why.current)}). Read it again before you decide.`,
      }
    case 'too_late':
      return { status: 410, text: 'The time for a decision is over. Nothing was sent.' }
    case 'too_early':
      return { status: 409, text: 'It is not due yet.' }
    case 'wrong_status':
      return { status: 409, text: stateText(refusal.approval) }
    case 'enough_evidence':
      return { status: 409, text: 'It is noted already.' }
    case 'reason_required':
    case 'reason_too_long': {
      const { text, remedy } = refusedStep(why, instantMark)
      return { status: 422, text: `${text} ${remedy}` }
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
      const { text, remedy } = refusedStep(why, instantMark)
      return { status: 409, text: `${text} ${remedy}` }
    }
  }
}

function stateText(approval: Approval): string {
  switch (approval.status) {
    case 'pending':
      return 'It still waits for a decision.'
    case 'approved':
      return `It is decided already. ${decisionText(approval.decision)}.`
    case 'executing':
      return 'It is being sent at this moment, and nobody can call back what may have arrived.'
    case 'settled':
      return `It is over already. ${outcomeText(approval.outcome)}`
  }
}
