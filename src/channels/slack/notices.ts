/**
 * Messages about outcomes, besides the cards. The owner of an agent gets a direct message; who said yes to a call whose end
 * nobody knows is mentioned in the thread of its card, because a card that changes in place calls nobody.
 */
import { present } from '../../domain/present.ts'
import { visible } from '../../domain/visible.ts'
import type { Notice } from '../../ports/channels.ts'
import { actions, type Block, button, instantMark, lines } from './blocks.ts'
import { cut, escaped } from './text.ts'

export interface NoticeContent {
  /** For push notifications. Never holds arguments. */
  readonly text: string
  readonly blocks: readonly Block[]
}

const TEXT_MAX = 500

/** @param mention the account to call, where the message is not to them alone */
export function noticeOf(
  { approval, nowMs, why }: Notice,
  {
    mention,
    publicUrl,
    startWithinMs,
  }: { mention: string | null; publicUrl: URL | null; startWithinMs: number },
): NoticeContent {
  const shown = present(approval, {
    nowMs,
    isRequesterWaiting: false,
    startWithinMs,
    when: instantMark,
    isStill: true,
    isWithoutSections: true,
  })
  const { asked, id } = approval
  const what = `${cut(visible(asked.tool), 100).text} on ${cut(visible(asked.server), 100).text}`
  const subject = why === 'owner' ? `${cut(visible(asked.requester.name), 100).text}: ${what}` : what
  const state = cut(shown.state, TEXT_MAX).text
  const edited =
    shown.edit === null || shown.edit.changes.length === 0
      ? []
      : [{ label: 'Edited', text: cut(shown.edit.text, TEXT_MAX).text }]
  const evidence = shown.evidence.map(({ label, text }) => ({ label, text: cut(text, TEXT_MAX).text }))
  const ask =
    approval.outcome.kind === 'indeterminate'
      ? [
          {
            label: 'What to do',
            text: 'look at the server itself, then say here, in the console or on the command line whether it happened',
          },
        ]
      : []
  return {
    text: escapedMention(mention) + escaped(`${subject} (${id}): ${firstSentence(shown.state)}`),
    blocks: [
      ...(mention === null ? [] : [called(mention)]),
      lines([
        { label: '', text: `${subject} (${id})` },
        { label: 'Outcome', text: state },
        ...edited,
        ...evidence,
        ...ask,
      ]),
      ...(publicUrl === null ? [] : [actions([openButton(publicUrl, id)])]),
    ],
  }
}

const escapedMention = (mention: string | null) => (mention === null ? '' : `<@${mention}> `)

const called = (user: string): Block => ({
  type: 'rich_text',
  elements: [{ type: 'rich_text_section', elements: [{ type: 'user', user_id: user }] }],
})

const openButton = (publicUrl: URL, id: string) =>
  button({
    id: 'open-console',
    text: 'Open in the console',
    value: id,
    url: `${publicUrl.href.replace(/\/+$/, '')}/approvals/${id}`,
  })

const firstSentence = (text: string) =>
  cut(
    text
      .replaceAll(new RegExp(`${instantMark(0).charAt(0)}\\d+${instantMark(0).charAt(0)}`, 'gu'), '')
      .split('. ')[0] ?? text,
    200,
  ).text
