/** Why an act on a call that waits did not take effect, and what does, in the same words at every door. */

import { spanText } from './present.ts'
import { turnText } from './quorum-text.ts'
import type { Refusal } from './transition.ts'
import { visible } from './visible.ts'

export interface RefusedStep {
  readonly text: string
  readonly remedy: string
}

const steps = [
  'voted_already',
  'not_your_turn',
  'not_needed',
  'kept_for_later',
  'votes_fallen',
  'no_vote',
  'too_many_changes',
  'reason_required',
  'reason_too_long',
  'same_params',
  'too_many_edits',
  'not_later',
  'beyond_maximum',
  'asked_again',
  'it_happened',
  'no_grant',
  'grant_beyond',
] as const

export type OfAStep = Extract<Refusal, { reason: (typeof steps)[number] }>

/** @param when an instant in the words of the surface */
export function refusedStep(refusal: OfAStep, when: (atMs: number) => string): RefusedStep {
  switch (refusal.reason) {
    case 'voted_already':
      return {
        text: 'You have said yes already, and nobody counts twice. Nothing was changed.',
        remedy: 'Others have to say yes now. While they have not, you can take yours back, or deny the call.',
      }
    case 'not_your_turn':
      return {
        text: `Nothing was changed. ${turnText({ kind: 'not_yet' }, refusal.stages, refusal.votes)}`,
        remedy: 'You are asked when the earlier yeses are there. A no counts at any time.',
      }
    case 'not_needed':
      return {
        text: `Nothing was changed. ${turnText({ kind: 'not_needed' }, refusal.stages, refusal.votes)}`,
        remedy: 'There is nothing for you to do; a no counts at any time.',
      }
    case 'kept_for_later':
      return {
        text: `Nothing was changed. ${turnText({ kind: 'kept', stage: refusal.stage }, refusal.stages, refusal.votes)}`,
        remedy:
          'Let somebody else of this stage say yes first; you are asked afterwards. A no counts at any time.',
      }
    case 'votes_fallen':
      return {
        text: 'Somebody who had said yes is no approver any more. Nothing was decided.',
        remedy: 'Try again: their yes does not count any more.',
      }
    case 'too_many_changes':
      return {
        text: 'Yeses were given and taken back too often here. Nothing was changed.',
        remedy: 'Deny it if it should not run; the agent can ask anew.',
      }
    case 'no_vote':
      return {
        text: 'There is no yes of yours that could be taken back. Nothing was changed.',
        remedy: 'An edit of the arguments takes every yes away by itself.',
      }
    case 'reason_required':
      return {
        text: 'The rule asks for a reason, with a yes and with a no. Nothing was decided.',
        remedy: 'Say in a few words why; the agent and the audit are told.',
      }
    case 'reason_too_long':
      return {
        text: `A reason has at most ${refusal.max} characters. Nothing was decided.`,
        remedy: 'Shorten it.',
      }
    case 'same_params':
      return {
        text: 'These are the arguments it has already. Nothing was changed.',
        remedy: 'Change what should be different, or decide about it as it is.',
      }
    case 'too_many_edits':
      return {
        text: `It was edited ${refusal.max} times already, which is as often as one call may be.`,
        remedy: 'Deny it, and say in the reason what the agent should ask for.',
      }
    case 'not_later':
      return {
        text: `It can be decided until ${when(refusal.expiresAtMs)} already; a deadline only moves to a later time, by a minute at least.`,
        remedy: 'Give a later time. What should end sooner can be denied or withdrawn.',
      }
    case 'beyond_maximum':
      return {
        text: `The latest time for a decision about it is ${when(refusal.latestMs)}: an older call says too little about today.`,
        remedy: 'Give a time until then, or let the agent ask anew.',
      }
    case 'asked_again':
      return {
        text: `It was asked again already, as ${refusal.successor}.`,
        remedy: 'Decide about that one. If it has ended, the agent can ask itself.',
      }
    case 'it_happened':
      return {
        text: `${visible(refusal.by)} looked and found that it happened, so asking again would do it twice.`,
        remedy: 'If that was wrong, say so first: that it did not happen.',
      }
    case 'no_grant':
      return {
        text: 'With this call nothing more can be granted, or there is no grant of it that stands. Nothing was changed.',
        remedy: 'Decide about the call alone; what can be granted, and by whom, is said by the rule.',
      }
    case 'grant_beyond':
      return {
        text: `The rule lets you grant up to ${refusal.usesMax} more calls for up to ${spanText(refusal.durationMsMax)}. Nothing was decided.`,
        remedy: 'Grant less, or decide about this call alone.',
      }
  }
}
