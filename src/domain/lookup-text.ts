/** What came of look-ups, for people: every text of the upstream is made visible, and what is only a beginning says so. */

import type { InstantMs } from './approval.ts'
import type { Lookup } from './lookups.ts'
import { isVisibleJsonWithin, visible, visibleJson } from './visible.ts'
import { beginning } from './well-formed.ts'

export interface ShownLookup {
  readonly label: string
  /** What was called, and when. */
  readonly about: string
  /** Empty where nothing came. */
  readonly lines: readonly string[]
  /** What has to be known about the lines, or why there are none. */
  readonly note: string | null
}

/** Laid out, a text can grow. */
const SHOWN_LENGTH_MAX = 20_000
const ARGUMENTS_MAX = 300

export const beingRead: ShownLookup = {
  label: 'Evidence',
  about: 'what the rule wants to be read from the server',
  lines: [],
  note: 'It is being read; nothing has to wait for it.',
}

/** @param when an instant in the words of the surface */
export function shownLookup(lookup: Lookup, when: (atMs: InstantMs) => string): ShownLookup {
  const { label, tool, arguments: args, atMs, found } = lookup
  const called = args === null ? visible(tool) : `${visible(tool)} ${beginning(visible(args), ARGUMENTS_MAX)}`
  const shown = { label: visible(label ?? tool), about: `${called}, ${when(atMs)}` }
  if (found.kind === 'none')
    return { ...shown, lines: [], note: `Nothing to show: ${visible(found.reason)}.` }
  const notes = [
    ...(found.isError ? ['The tool says that this failed.'] : []),
    ...(found.isCut ? [`Only the beginning of ${found.bytes.toLocaleString('en')} bytes.`] : []),
  ]
  return { ...shown, lines: linesOf(found), note: notes.length === 0 ? null : notes.join(' ') }
}

/** For a surface that more people read than may read the answers: that there is one, and nothing of it. */
export function withheldLookup(lookup: Lookup, when: (atMs: InstantMs) => string): ShownLookup {
  const { label, tool, atMs, found } = lookup
  const about = found.kind === 'none' ? `not read (${visible(found.reason)})` : `read ${when(atMs)}`
  return { label: visible(label ?? tool), about, lines: [], note: null }
}

function linesOf({ text, isCut }: { text: string; isCut: boolean }): readonly string[] {
  const isJson = !isCut && /^\s*[[{]/.test(text) && isVisibleJsonWithin(text, SHOWN_LENGTH_MAX)
  return isJson ? visibleJson(text) : text.split('\n').map(visible)
}
