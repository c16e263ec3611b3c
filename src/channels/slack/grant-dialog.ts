/**
 * Allowing more than the call that a card or a review shows: a modal that says in words what would pass unasked, and asks how many
 * calls, for how long and why. Its submission is one yes, to the call and to these.
 */
import type { types } from '@slack/bolt'
import type { Pending } from '../../domain/approval.ts'
import { shortDigest } from '../../domain/canonical.ts'
import type { GrantTerms } from '../../domain/grant.ts'
import { grantSpansMs, grantText } from '../../domain/grant-text.ts'
import { REASON_LENGTH_MAX } from '../../domain/limits.ts'
import { type Presented, spanText } from '../../domain/present.ts'
import { visible } from '../../domain/visible.ts'
import { type Block, context, lines, preformatted } from './blocks.ts'
import { type Granting, grantingText } from './place.ts'
import { reasonInput } from './reason.ts'
import { cut, pieces } from './text.ts'

export const GRANT = 'grant'
export const GRANT_USES = 'uses'
export const GRANT_SPAN = 'span'

type View = types.ModalView

const CHUNK_MAX = 2_900
/** What nobody would read in a dialog is for the console; a rule can bound an argument by a list of any length. */
const SCOPE_CHUNKS_MAX = 4

/**
 * @param sections all that would be sent, where the dialog stands over a card; `null`: every page of it was seen
 * @returns `null`: what it would allow takes more words than this
 */
export function grantDialog(
  approval: Pending,
  terms: GrantTerms,
  sections: Presented['sections'] | null,
  granting: Granting,
): View | null {
  const { asked, proposed, asking } = approval
  const scope = scopeBlocks(approval, sections === null)
  if (scope === null) return null
  const where = sections === null ? 'the review showed' : 'the card shows'
  const what = `${cut(visible(asked.tool), 200).text} on ${cut(visible(asked.server), 200).text}`
  return {
    type: 'modal',
    callback_id: GRANT,
    title: plain('Approve and allow more'),
    submit: plain('Approve, allow these'),
    close: plain('Back'),
    private_metadata: grantingText(granting),
    blocks: [
      lines([{ label: '', text: what }]),
      context(`${approval.id}, as ${where} it, digest ${shortDigest(proposed.digest)}`),
      ...scope,
      usesInput(terms),
      spanInput(terms),
      asking.reasonRequired ? reasonInput() : optionalReason(),
      ...(sections ?? []).flatMap(({ label, lines: all }) => [
        lines([{ label: '', text: `${cut(label, 100).text} of this call` }]),
        preformatted(all.join('\n')),
      ]),
    ],
  }
}

function scopeBlocks(approval: Pending, isReviewed: boolean): readonly Block[] | null {
  const text = grantText(approval, null, 'as many and for as long as you say here')
  const these = isReviewed ? 'These arguments are those on the pages before.' : 'These arguments stand below.'
  const all = pieces(`to this call, and ${text}. ${these}`, CHUNK_MAX)
  if (all.length > SCOPE_CHUNKS_MAX) return null
  return [
    ...all.map((part, at) => lines([{ label: at === 0 ? 'Your yes' : 'Your yes (goes on)', text: part }])),
    lines([
      {
        label: 'Afterwards',
        text: 'nobody is asked about those. The card counts them and has a button that ends it; the console and the command line do, too.',
      },
    ]),
  ]
}

const usesInput = ({ usesMax }: GrantTerms): Block => ({
  type: 'input',
  block_id: GRANT_USES,
  label: plain('How many more calls'),
  hint: plain(`1 to ${usesMax}, as the rule lets you.`),
  element: {
    type: 'number_input',
    action_id: GRANT_USES,
    is_decimal_allowed: false,
    min_value: '1',
    max_value: String(usesMax),
    initial_value: '1',
  },
})

function spanInput(terms: GrantTerms): Block {
  const options = grantSpansMs(terms).map((ms) => ({ text: plain(spanText(ms)), value: String(ms) }))
  const [shortest] = options
  return {
    type: 'input',
    block_id: GRANT_SPAN,
    label: plain('For how long'),
    element: {
      type: 'static_select',
      action_id: GRANT_SPAN,
      options,
      ...(shortest === undefined ? {} : { initial_option: shortest }),
    },
  }
}

const optionalReason = (): Block => ({
  ...reasonInput(),
  type: 'input',
  optional: true,
  label: plain('Reason'),
  hint: plain('The agent and the audit are told, with each of these calls.'),
  element: {
    type: 'plain_text_input',
    action_id: 'reason',
    multiline: true,
    max_length: REASON_LENGTH_MAX,
  },
})

/** Below the field, instead of closing the dialog. */
export const usesErrors = (text: string) => ({ [GRANT_USES]: cut(text, 150).text })

const plain = (text: string) => ({ type: 'plain_text' as const, text, emoji: false })
