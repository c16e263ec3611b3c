/** What a person is told who may not, who is too late, or who has to do something first. */

import type { Approval } from '../../domain/approval.ts'
import type { Unauthorised } from '../../domain/authority.ts'
import { CLI } from '../../domain/command-line.ts'
import type { Grant } from '../../domain/grant.ts'
import { decisionText, outcomeText, unauthorisedText } from '../../domain/present.ts'
import { progressText } from '../../domain/quorum-text.ts'
import { refusedStep } from '../../domain/refused-step.ts'
import { visible } from '../../domain/visible.ts'
import { type Unread, writtenByNewer } from '../../ports/ledger-faults.ts'
import type { DecideRefusal } from '../../services/decide.ts'
import type { Unknown } from './accounts.ts'

export const howToLink =
  'Ask whoever runs Holdpoint for `npx holdpoint people link <your name>`, then type here: /holdpoint link CODE'

export function unknownText(unknown: Unknown): string {
  switch (unknown.reason) {
    case 'unlinked':
      return `Nothing was decided: this Slack account is not linked to a person yet. ${howToLink}`
    case 'not_a_person':
      return `Nothing was decided: this account is linked to “${unknown.id}”, who is no longer in the configuration.`
    case 'not_a_member':
      return `Nothing was decided: this account ${unknown.what}, and only full members of the workspace decide.`
    case 'slack_silent':
      return `Nothing was decided: Slack could not say who you are (${unknown.why}). Try again, or decide in the console or on the command line.`
  }
}

export function refusalText(refusal: DecideRefusal, approval: Approval): string {
  switch (refusal.reason) {
    case 'not_found':
      return staleText
    case 'unauthorised': {
      const told = unauthorisedText(refusal.because, approval.asked.requester.owner)
      return `Nothing was decided. ${told}${withdrawRemedy(refusal.because, approval)}`
    }
    case 'not_askable':
    case 'not_editable':
      return `Nothing was changed. ${refusal.text} ${refusal.remedy}`
    case 'moved_on':
      return presentText(refusal.approval)
    case 'rules_unreadable':
      return 'Nothing was decided: this gateway cannot read the policy in force. Tell whoever runs Holdpoint.'
    case 'refused':
      switch (refusal.refusal.reason) {
        case 'too_late':
        case 'too_early':
          return 'Too late: the time for a decision is over. Nothing was sent.'
        case 'digest_differs':
          return staleText
        case 'voted_already':
        case 'not_your_turn':
        case 'not_needed':
        case 'kept_for_later':
        case 'votes_fallen':
        case 'no_vote':
        case 'too_many_changes':
        case 'no_grant':
        case 'grant_beyond':
        case 'reason_required':
        case 'reason_too_long': {
          const { text, remedy } = refusedStep(refusal.refusal, String)
          return `${text} ${remedy}`
        }
        case 'wrong_status':
        // Nobody edits or extends in Slack.
        case 'enough_evidence':
        case 'asked_again':
        case 'it_happened':
        case 'same_params':
        case 'too_many_edits':
        case 'not_later':
        case 'beyond_maximum':
          return presentText(refusal.approval)
      }
  }
}

/** An owner who says no wants it gone, and that is theirs to do under another name. */
function withdrawRemedy(why: Unauthorised, { id, status }: Approval): string {
  if (why.reason !== 'own_call' || (status !== 'pending' && status !== 'approved')) return ''
  return ` You can withdraw it: in the console, or with \`${CLI} approvals cancel ${id}\`.`
}

export const staleText =
  'Nothing was decided: what this card showed is not what would be sent now. Look at the newest card of this approval.'

/** What became of the card that was clicked, as far as the record says. */
export function changedText(approval: Approval): string {
  const last = approval.edits.at(-1)
  if (approval.status !== 'pending' || last === undefined) return staleText
  const why = last.reason === null ? '' : ` and said: “${visible(last.reason)}”`
  return `Nothing was decided: ${visible(last.by)} changed the arguments${why}. The card shows them now; decide about these.`
}

export const newerFormText = (unread: Unread) =>
  `Nothing was decided: ${unread.id} was ${writtenByNewer(unread)}. Decide again when every process runs the newer version.`

export const foreignText =
  'Nothing was decided: this Holdpoint does not know this card. It may be an older copy, or belong to another installation; the newest card of the approval counts.'

/** How things stand, for somebody whose click came second. */
export function presentText(approval: Approval): string {
  switch (approval.status) {
    case 'pending':
      return staleText
    case 'approved':
      return `Already decided. ${decisionText(approval.decision)}; it has not run yet.`
    case 'executing':
      return `Already decided. ${decisionText(approval.decision)}; it is being sent now.`
    case 'settled':
      return `It is over. ${outcomeText(approval.outcome)}`
  }
}

/** After a decision, where the card alone would not say enough. */
export function decidedText(approval: Approval): string | null {
  if (approval.status === 'pending') {
    return `Your yes counts. ${progressText(approval.asking.stages, approval.votes) ?? ''}`
  }
  const isConfirmed = approval.status === 'approved' && approval.decision.kind === 'confirm'
  return isConfirmed
    ? 'You answer for this agent, so your yes counts as the owner’s confirmation, not as an approval.'
    : null
}

export const grantEndedText = ({ used, usesMax }: Pick<Grant, 'used' | 'usesMax'>) =>
  `Nothing begins under it any more. It covered ${used} of ${usesMax} calls.`

export const grantOverText = 'This grant is over already. The card says how.'

/** They had said yes before, without it or with another one: what they wanted now came too late. */
export const grantMissedText =
  'You have decided about this call already, and what you wanted to allow now was not added. The card shows what counts.'

export const takenBackText = ({ asking, votes }: Approval) =>
  `Your yes does not count any more. ${progressText(asking.stages, votes) ?? ''}`
