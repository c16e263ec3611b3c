/**
 * The few blocks that cards and modals are made of. Text from outside stands only in `plain_text` and in rich text,
 * where Slack reads no markup: no mention, no link and no format can come out of it.
 */
import type { types } from '@slack/bolt'
import { cut, pieces, slackLength } from './text.ts'

export type Block = types.KnownBlock

/** Of one text in a block. Slack documents it for sections; we keep to it everywhere. */
const TEXT_MAX = 3_000
/** Of a header. */
const HEADER_MAX = 150

/** Stands for an instant in text that is on its way to a card. Private use, so no text that was made visible holds it. */
const INSTANT = '\uE000'
export const instantMark = (atMs: number): string => `${INSTANT}${atMs}${INSTANT}`

export interface Line {
  readonly label: string
  readonly text: string
}

export const header = (text: string): Block => ({
  type: 'header',
  text: { type: 'plain_text', text: pieces(text, HEADER_MAX)[0] ?? '-', emoji: false },
})

/** Lines of `label: text`; a line without a label is bold. */
export const lines = (all: readonly Line[]): Block => ({
  type: 'rich_text',
  elements: [
    {
      type: 'rich_text_section',
      elements: all.flatMap(({ label, text }, at) => [
        ...(at === 0 ? [] : [{ type: 'text', text: '\n' } as const]),
        ...(label === '' ? [] : [{ type: 'text', text: `${label}: `, style: { bold: true } } as const]),
        ...leaves(text, label === ''),
      ]),
    },
  ],
})

/** Exactly this text, in a fixed-width font. Long text goes into several leaves, between which nothing is shown. */
export const preformatted = (text: string): Block => ({
  type: 'rich_text',
  elements: [
    {
      type: 'rich_text_preformatted',
      elements: pieces(text === '' ? ' ' : text, TEXT_MAX).map((piece) => ({ type: 'text', text: piece })),
    },
  ],
})

export const context = (text: string): Block => ({
  type: 'context',
  elements: [{ type: 'plain_text', text, emoji: false }],
})

export interface ButtonOptions {
  readonly id: string
  readonly text: string
  readonly value: string
  readonly style?: 'primary' | 'danger'
  readonly url?: string
  /** Slack asks this first. */
  readonly confirm?: types.ConfirmationDialog
}

/** Words in the dialog between a button and its effect. */
export const dialog = (title: string, text: string, yes: string): types.ConfirmationDialog => ({
  title: plain(title, 100),
  text: plain(text, 300),
  confirm: plain(yes, 30),
  deny: plain('Back', 30),
})

const plain = (text: string, max: number) => ({
  type: 'plain_text' as const,
  text: cut(text, max).text,
  emoji: false,
})

export const button = ({ id, text, ...rest }: ButtonOptions): types.Button => ({
  type: 'button',
  action_id: id,
  text: { type: 'plain_text', text, emoji: false },
  ...rest,
})

export const actions = (elements: readonly types.Button[]): Block => ({
  type: 'actions',
  elements: [...elements],
})

/** The sum Slack compares with its limit for a message: every text in it, escaped. */
export function textSum(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textSum(item), 0)
  if (typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce(
    (sum, [key, item]) =>
      sum + (key === 'text' && typeof item === 'string' ? slackLength(item) : textSum(item)),
    0,
  )
}

/** Instants become Slack's own date, which every reader sees in their local time. */
function leaves(text: string, isBold: boolean): types.RichTextElement[] {
  const style = isBold ? { style: { bold: true } } : {}
  return text.split(INSTANT).flatMap((part, at): types.RichTextElement[] => {
    if (at % 2 === 0)
      return pieces(part, TEXT_MAX).map((piece) => ({ type: 'text' as const, text: piece, ...style }))
    const atMs = Number(part)
    return [
      {
        type: 'date' as const,
        timestamp: Math.floor(atMs / 1_000),
        format: '{date_short_pretty} {time}',
        fallback: `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
        ...style,
      },
    ]
  })
}
