/**
 * The card of an approval as it is now. It always fits Slack's limits, and it offers Approve only where everything that
 * would run stands in it: otherwise Review pages through all of it, and what is too much for that is for the console.
 */
import { type Approval, successorOf } from '../../domain/approval.ts'
import { CLI } from '../../domain/command-line.ts'
import { type Grant, type GrantState, grantState, mayGrant } from '../../domain/grant.ts'
import { grantStateText } from '../../domain/grant-text.ts'
import { type Presented, riskWords } from '../../domain/present.ts'
import type { Risk } from '../../domain/risk.ts'
import { visible } from '../../domain/visible.ts'
import type { Showing } from '../../ports/channels.ts'
import { type Block, context, header, type Line, lines, preformatted, textSum } from './blocks.ts'
import { type OfferDeps, offer, offerAfter, offerEnd, successorButtons } from './offer.ts'
import { reviewPages } from './review-pages.ts'
import { type Still, stillOf } from './still.ts'
import { cut, escaped } from './text.ts'

export interface Card {
  /** For push notifications and screen readers. Never holds arguments. */
  readonly text: string
  readonly blocks: readonly Block[]
}

export interface CardDeps extends OfferDeps {
  /** How long after a yes the call may still begin. */
  readonly startWithinMs: number
}

/**
 * Slack refuses a message with more text in its blocks than about 13,200 characters, with rich text from 11,341 on
 * (measured by others: bolt-js issues 2509 and 2867; not documented).
 */
const CARD_TEXT_MAX = 11_000
/** The note above the buttons, their own words, and those of the dialog behind one. */
const OFFER_TEXT_MAX = 800
/** More lines than this push the buttons off every screen: then the pages of a review are easier to read. */
const CARD_LINES_MAX = 80
/** A label's text in the card. Longer ones are shown whole in the review. */
const FIELD_MAX = 500
const PREVIEW_MAX = 1_200
const PREVIEW_LINES_MAX = 12
const TITLE_MAX = 120
/** All of what is proposed stands below it anyway. */
const EDIT_MAX = 1_500

export function cardOf(showing: Showing, deps: CardDeps): Card {
  const { approval, nowMs, grant } = showing
  const still = stillOf(showing, deps)
  const { shown } = still
  const head = headLines(shown)
  const title = [
    header(titleOf(shown)),
    lines(head.lines),
    ...grantBlocks(grant, approval, nowMs, deps),
    ...evidenceBlocks(shown),
  ]
  const tail = [context(`${shown.ticket} · digest ${shown.digest.short}`)]
  const all = shown.sections.flatMap((section) => section.lines)
  const isSmall =
    still.sent.kind === 'whole' && all.length <= CARD_LINES_MAX && all.join('\n').length <= CARD_TEXT_MAX
  const whole = isSmall ? [...title, ...editBlocks(shown), ...sectionBlocks(shown)] : []
  const fits = (blocks: readonly Block[]) => textSum([...blocks, ...tail]) <= CARD_TEXT_MAX - OFFER_TEXT_MAX
  const isComplete = head.isWhole && isSmall && fits(whole)
  const bare = isComplete ? whole : [...title, ...preview(still)]
  // What would run comes first: what only helps gives way to it.
  const looked = lookupBlocks(shown)
  const body = fits([...bare, ...looked]) ? [...bare, ...looked] : [...bare, ...notLooked(shown)]
  const isOpen = approval.status === 'pending' && nowMs < approval.expiresAtMs
  const offered = isOpen
    ? offer(approval, isComplete ? 'card' : wherePagesFit(still), nowMs, deps)
    : approval.status === 'settled'
      ? offerAfter(approval, deps)
      : []
  const successor = approval.status === 'settled' ? successorOf(approval) : null
  const onward = successor === null ? [] : successorButtons(successor, deps.publicUrl)
  return {
    text: fallbackText(approval, shown),
    blocks: [...body, ...tail, ...offered, ...offerEnd(approval, grant, nowMs, deps), ...onward],
  }
}

const icons: Readonly<Record<Risk, string>> = { low: '🟢', medium: '🟡', high: '🟠', critical: '🔴' }

const titleOf = ({ risk, title }: Presented) =>
  `${icons[risk.level]} ${riskWords[risk.level]}: ${cut(title, TITLE_MAX).text}`

function headLines({ state, fields }: Presented): { lines: readonly Line[]; isWhole: boolean } {
  const parts = [{ label: '', text: state }, ...fields].map(({ label, text }) => ({
    label,
    ...cut(text, FIELD_MAX),
  }))
  return { lines: parts, isWhole: parts.every(({ isWhole }) => isWhole) }
}

/** Asked and proposed side by side. Without it the sentence above still says where they differ, and the review shows all. */
function editBlocks({ edit }: Presented): readonly Block[] {
  if (edit === null || edit.changes.length === 0) return []
  const text = edit.changes
    .map(
      ({ pointer, asked, proposed }) => `${pointer}\n− ${asked ?? '(nothing)'}\n+ ${proposed ?? '(nothing)'}`,
    )
    .join('\n')
  const shownText = cut(text, EDIT_MAX)
  return [
    lines([
      {
        label: '',
        text:
          shownText.isWhole && !edit.isCut
            ? 'Asked for (−) and proposed (+)'
            : 'Asked for (−) and proposed (+), the beginning',
      },
    ]),
    preformatted(shownText.text),
  ]
}

/** Of a call whose end nobody knows: what a person needs who goes and looks. */
const evidenceBlocks = ({ evidence }: Presented): readonly Block[] =>
  evidence.length === 0
    ? []
    : [lines(evidence.map(({ label, text }) => ({ label, text: cut(text, FIELD_MAX).text })))]

/**
 * Of the server, read with the account of the agent's owner, and the whole channel sees the card: it says only that it was
 * read. What it says is where only those who may decide and the owner look.
 */
function lookupBlocks({ lookups, ticket }: Presented): readonly Block[] {
  if (lookups.length === 0) return []
  const said = lookups.map(({ label, about, note }) => ({
    label: `Evidence, ${cut(label, 80).text}`,
    text: cut(note === null ? about : `${about}. ${note}`, FIELD_MAX).text,
  }))
  const where = `behind Evidence or Review, in the console, or with ${CLI} approvals show ${ticket}, for those who may decide and the owner of the agent`
  return [lines([...said, { label: 'What it says', text: where }])]
}

/** What became of what was allowed besides: the call itself may have been over for long. */
function grantBlocks(
  grant: Grant | null,
  approval: Approval,
  nowMs: number,
  { directory }: CardDeps,
): readonly Block[] {
  if (grant === null) return []
  const giver = directory.person(grant.by)
  const state = grantState(grant, nowMs)
  const isOrphaned = state === 'stands' && (giver === null || !mayGrant(giver, approval, nowMs))
  const end = isOrphaned ? 'who gave it may not decide any more, so it covers nothing' : endText(grant, state)
  const used = `${grant.used} of ${grant.usesMax} calls so far`
  return [lines([{ label: 'Used', text: cut(end === '' ? used : `${used}; ${end}`, FIELD_MAX).text }])]
}

const endText = (grant: Grant, state: GrantState) => (state === 'stands' ? '' : grantStateText(state, grant))

const notLooked = ({ lookups }: Presented): readonly Block[] =>
  lookups.length === 0
    ? []
    : [lines([{ label: 'Evidence', text: 'there is no room for it here; the console shows it' }])]

const sectionBlocks = ({ sections }: Presented): readonly Block[] =>
  sections.flatMap(({ label, bytes, lines: all }) => [
    lines([{ label: '', text: sectionTitle(label, bytes) }]),
    preformatted(all.join('\n')),
  ])

const wherePagesFit = (still: Still) =>
  reviewPages(still, { withLookups: false }) === null ? 'elsewhere' : 'review'

const sectionTitle = (label: string, bytes: number) => `${cut(label, 100).text} (${bytes} bytes)`

function preview({ shown: { sections }, sent }: Still): readonly Block[] {
  const { text, bytes } = sent.kind === 'beginning' ? sent : beginning(sections)
  return [
    lines([{ label: '', text: `Too long for a card: this is only the beginning of ${bytes} bytes` }]),
    preformatted(cut(text, PREVIEW_MAX).text),
  ]
}

function beginning(sections: Presented['sections']) {
  const all = sections.flatMap(({ label, lines: text }) => [`${label}:`, ...text.slice(0, PREVIEW_LINES_MAX)])
  return {
    text: all.slice(0, PREVIEW_LINES_MAX).join('\n'),
    bytes: sections.reduce((sum, section) => sum + section.bytes, 0),
  }
}

function fallbackText({ asked, status }: Approval, { risk, ticket, state }: Presented): string {
  const what = `${cut(visible(asked.tool), 100).text} on ${cut(visible(asked.server), 100).text}`
  const said = status === 'pending' ? 'waits for a decision' : status
  const end = status === 'settled' ? firstSentence(state) : said
  return escaped(`${risk.word}: ${what} (${ticket}): ${end}`)
}

const firstSentence = (text: string) => cut(text.split('. ')[0] ?? text, 200).text
