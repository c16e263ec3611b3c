/** All of an approval, cut into pages that Slack can show, in order and with nothing left out. */
import type { Presented } from '../../domain/present.ts'
import { type Block, lines, preformatted, textSum } from './blocks.ts'
import { pieces, slackLength } from './text.ts'

/** One page stays below the text that Slack takes in one message with rich text; for views no such limit is known. */
const PAGE_TEXT_MAX = 9_000
const CHUNK_MAX = 2_900
/** With these pages a review shows about as much as Slack's largest view (250 KB) could hold at once. */
const PAGES_MAX = 28

/** `null`: too much even for this. */
export function reviewPages({ state, fields, sections }: Presented): readonly (readonly Block[])[] | null {
  const total = sections.flatMap((section) => section.lines).reduce((sum, line) => sum + line.length, 0)
  // Before anything is cut: what is far too long need not be looked at sign by sign.
  if (total > PAGE_TEXT_MAX * PAGES_MAX) return null
  const blocks = [
    ...[{ label: '', text: state }, ...fields].flatMap(({ label, text }) =>
      pieces(text, CHUNK_MAX).map((text, at) =>
        lines([{ label: at === 0 ? label : `${label} (goes on)`, text }]),
      ),
    ),
    ...sections.flatMap(({ label, bytes, lines: all }) => [
      ...pieces(`${label} (${bytes} bytes)`, CHUNK_MAX).map((text) => lines([{ label: '', text }])),
      ...chunks(all).map(preformatted),
    ]),
  ]
  const pages: Block[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const block of blocks) {
    const more = textSum(block)
    if (size + more > PAGE_TEXT_MAX) {
      pages.push([])
      size = 0
    }
    pages.at(-1)?.push(block)
    size += more
  }
  return pages.length > PAGES_MAX ? null : pages
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
