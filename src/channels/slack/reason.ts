/**
 * The question for a reason, where the rule asks for one: a modal between the button and its effect. What was clicked is
 * sealed in it, so that the answer counts for exactly what stood on the card.
 */
import type { types } from '@slack/bolt'
import type { Approval } from '../../domain/approval.ts'
import { shortDigest } from '../../domain/canonical.ts'
import { REASON_LENGTH_MAX } from '../../domain/limits.ts'
import { yesOf } from '../../domain/present.ts'
import type { Person } from '../../domain/principal.ts'
import { visible } from '../../domain/visible.ts'
import type { Block } from './blocks.ts'
import { context, lines } from './blocks.ts'
import { type Explained, explainedText } from './place.ts'
import { cut } from './text.ts'

export const REASON = 'reason'

type View = types.ModalView

/** Also on the last page of a review. Slack refuses a submission without it by itself. */
export const reasonInput = (): Block => ({
  type: 'input',
  block_id: REASON,
  label: plain('Reason'),
  hint: plain('The rule asks for one. The agent and the audit are told.'),
  element: {
    type: 'plain_text_input',
    action_id: REASON,
    multiline: true,
    min_length: 1,
    // Slack counts as we do and allows 3,000.
    max_length: REASON_LENGTH_MAX,
    focus_on_load: true,
  },
})

export function reasonDialog(approval: Approval, person: Person, nowMs: number, asked: Explained): View {
  const { asked: call, proposed, id } = approval
  const yes = yesOf(approval, person, nowMs)
  const word = asked.answer === 'reject' ? 'Deny' : yes.kind === 'offered' ? yes.word : 'Approve'
  const what = `${cut(visible(call.tool), 200).text} on ${cut(visible(call.server), 200).text}`
  return {
    type: 'modal',
    callback_id: REASON,
    title: plain(`${word} ${id}`),
    submit: plain(word),
    close: plain('Back'),
    private_metadata: explainedText(asked),
    blocks: [
      lines([{ label: '', text: what }]),
      context(`As the card shows it, digest ${shortDigest(proposed.digest)}`),
      reasonInput(),
    ],
  }
}

/** Below the field, instead of closing the dialog. */
export const reasonErrors = (text: string) => ({ [REASON]: cut(text, 150).text })

const plain = (text: string) => ({ type: 'plain_text' as const, text, emoji: false })
