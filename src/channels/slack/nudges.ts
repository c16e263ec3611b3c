/** Reminders and escalations: who is called, what waits, how long it has, in the thread of its card. */
import type { NudgeKind } from '../../domain/nudges.ts'
import { spanText } from '../../domain/present.ts'
import { progressText } from '../../domain/quorum-text.ts'
import { visible } from '../../domain/visible.ts'
import type { Nudging } from '../../ports/channels.ts'
import { actions, type Block, button, instantMark, lines } from './blocks.ts'
import { cut, escaped } from './text.ts'

/** Mentions in one message: more people than this read it in the channel, or nobody does. */
export const MENTIONS_MAX = 20

const titles: Readonly<Record<NudgeKind, string>> = {
  reminder: 'Still waiting',
  escalation: 'You may decide now',
  stage: 'You are asked now',
}

export interface NudgeContent {
  /** For push notifications. Never holds arguments. */
  readonly text: string
  readonly blocks: readonly Block[]
}

/** @param users the accounts to call; those of the people who have linked one */
export function nudgeOf(
  { approval, nudge, nowMs, people }: Nudging,
  { users, publicUrl }: { users: readonly string[]; publicUrl: URL | null },
): NudgeContent {
  const { asked, id, createdAtMs, expiresAtMs } = approval
  const what = `${cut(visible(asked.tool), 100).text} on ${cut(visible(asked.server), 100).text} (${id})`
  const waited = spanText(nowMs - createdAtMs)
  const isEscalation = nudge.kind === 'escalation'
  const title = `${titles[nudge.kind]}: ${what}`
  const progress = progressText(approval.asking.stages, approval.votes)
  const others = people.length - users.length
  return {
    text: users.map((user) => `<@${user}> `).join('') + escaped(`${title}, for ${waited}`),
    blocks: [
      ...(users.length === 0 ? [] : [called(users)]),
      lines([
        { label: '', text: title },
        ...(progress === null ? [] : [{ label: 'Yeses', text: progress }]),
        { label: 'Waiting', text: `for ${waited}, since ${instantMark(createdAtMs)}` },
        {
          label: 'Decide by',
          text: `${instantMark(expiresAtMs)}; without a decision it expires and nothing is sent`,
        },
        ...(isEscalation
          ? [{ label: 'Why you', text: 'nobody who was asked before has decided; they still may' }]
          : []),
        ...(others > 0 ? [{ label: 'Not mentioned here', text: `${others} more who may decide` }] : []),
        { label: 'What to do', text: 'decide on the card above, in the console or on the command line' },
      ]),
      ...(publicUrl === null ? [] : [actions([consoleButton(publicUrl, id)])]),
    ],
  }
}

const called = (users: readonly string[]): Block => ({
  type: 'rich_text',
  elements: [
    {
      type: 'rich_text_section',
      elements: users.flatMap((user, at) => [
        ...(at === 0 ? [] : [{ type: 'text', text: ' ' } as const]),
        { type: 'user', user_id: user } as const,
      ]),
    },
  ],
})

const consoleButton = (publicUrl: URL, id: string) =>
  button({
    id: 'open-console',
    text: 'Open in the console',
    value: id,
    url: `${publicUrl.href.replace(/\/+$/, '')}/approvals/${id}`,
  })
