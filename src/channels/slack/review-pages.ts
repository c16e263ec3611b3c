/**
 * All of an approval, cut into pages that Slack can show, in order and with nothing left out. Where they are cut depends on
 * nothing that changes while somebody reads: otherwise a part could move from the next page to the one before it.
 */
import { sha256 } from '../../domain/canonical.ts'
import { CLI } from '../../domain/command-line.ts'
import type { Presented } from '../../domain/present.ts'
import { type Block, type Line, lines, preformatted, textSum } from './blocks.ts'
import type { Still } from './still.ts'
import { cut, pieces, slackLength } from './text.ts'

export interface ReviewPages {
  readonly pages: readonly (readonly Block[])[]
  /** SHA-256 of all that the pages show besides the present state: the same pages, cut at the same places. */
  readonly layout: string
}

/** One page stays below the text that Slack takes in one message with rich text; for views no such limit is known. */
const PAGE_TEXT_MAX = 9_000
const CHUNK_MAX = 2_900
/** With these pages a review shows about as much as Slack's largest view (250 KB) could hold at once. */
const PAGES_MAX = 28

/** The present state, above the first page. Whatever it says, this much is kept free for it. */
const STATE_MAX = 500
const STATE_TEXT_MAX = 2_000

/**
 * @param withLookups with what the server says, where `still` has it for somebody who may read that
 * @returns `null`: too much even for this
 */
export function reviewPages(
  { shown, sent: { kind } }: Still,
  { withLookups }: { withLookups: boolean },
): ReviewPages | null {
  const { state, fields, sections } = shown
  if (kind !== 'whole') return null
  const about = fields
    .filter((field) => !isAboutNow(field))
    .flatMap(({ label, text }) =>
      pieces(text, CHUNK_MAX).map((text, at) =>
        lines([{ label: at === 0 ? label : `${label} (goes on)`, text }]),
      ),
    )
  const sent = sections.flatMap(({ label, bytes, lines: all }) => [
    ...pieces(`${label} (${bytes} bytes)`, CHUNK_MAX).map((text) => lines([{ label: '', text }])),
    ...chunks(all).map(preformatted),
  ])
  // What would be sent begins on a page of its own, so that nothing said about it can push any of it elsewhere.
  const needed = [...paged(about, PAGE_TEXT_MAX - STATE_TEXT_MAX), ...paged(sent, PAGE_TEXT_MAX)]
  if (needed.length > PAGES_MAX) return null
  // What only helps gives way to what would be sent, and stands behind it: it is the server's text, which may say anything.
  const evidence = withLookups ? paged(shown.lookups.flatMap(lookupBlocks), PAGE_TEXT_MAX) : []
  const hasRoom = needed.length + evidence.length <= PAGES_MAX
  const pages = hasRoom ? [...needed, ...evidence] : needed
  const [first = [], ...others] = pages
  const now = [
    { label: '', text: state },
    ...fields.filter(isAboutNow),
    ...(hasRoom ? [] : [{ label: 'Evidence', text: `there is no room for it here; ${elsewhere(shown)}` }]),
  ]
  return {
    pages: [[lines(now.map(shortened)), ...first], ...others],
    layout: sha256(JSON.stringify(pages)),
  }
}

const elsewhere = ({ ticket }: Presented) => `the console shows it, and ${CLI} approvals show ${ticket}`

/** Each part says what it is, because it may begin a page, and must not be taken for what would be sent. */
function lookupBlocks({ label, about, lines: said, note }: Presented['lookups'][number]): readonly Block[] {
  const head = (text: string, goesOn: boolean) =>
    lines([{ label: `Evidence, ${cut(label, LABEL_MAX).text}${goesOn ? ' (goes on)' : ''}`, text }])
  const whole = note === null ? about : `${about}. ${note}`
  return [
    head(`${cut(whole, CHUNK_MAX - 200).text} ${NO_PART}`, false),
    ...chunks(said).flatMap((chunk, at) => [...(at === 0 ? [] : [head(NO_PART, true)]), preformatted(chunk)]),
  ]
}

const LABEL_MAX = 100
const NO_PART = '(text of the server; no part of what is approved)'

/** Another moment or another waiting agent changes these. One that is missing here changes the layout, and no yes is taken. */
const isAboutNow = ({ label }: Line) => label === 'Decide by' || label === 'A yes now'

const shortened = ({ label, text }: Line): Line => ({ label, text: cut(text, STATE_MAX).text })

function paged(blocks: readonly Block[], textMax: number): readonly (readonly Block[])[] {
  const pages: Block[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const block of blocks) {
    const more = textSum(block)
    if (size + more > textMax) {
      pages.push([])
      size = 0
    }
    pages.at(-1)?.push(block)
    size += more
  }
  return pages
}

/** Whole lines together as long as they fit; a line that is too long for one chunk goes on in the next. */
function chunks(all: readonly string[]): readonly string[] {
  const found: string[] = []
  let chunk: string[] = []
  let size = 0
  for (const line of all.flatMap((text) =>
    slackLength(text) > CHUNK_MAX ? pieces(text, CHUNK_MAX) : [text],
  )) {
    const more = slackLength(line) + 1
    if (chunk.length > 0 && size + more > CHUNK_MAX) {
      found.push(chunk.join('\n'))
      chunk = []
      size = 0
    }
    chunk.push(line)
    size += more
  }
  return chunk.length === 0 ? found : [...found, chunk.join('\n')]
}
