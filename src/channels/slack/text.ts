/** Text as Slack counts it and as a person reads it: never cut inside what is one sign to the eye. */

/** Slack escapes `&`, `<` and `>` before it counts, and counts UTF-16 units. */
export function slackLength(text: string): number {
  let length = text.length
  for (const char of text) {
    if (char === '&') length += '&amp;'.length - 1
    else if (char === '<' || char === '>') length += '&lt;'.length - 1
  }
  return length
}

/** Splits into pieces of at most `max`; together they are the text again, to the last unit. */
export function pieces(text: string, max: number): readonly string[] {
  const found: string[] = []
  let piece = ''
  let length = 0
  for (const sign of text.match(signs) ?? []) {
    const more = slackLength(sign)
    if (length > 0 && length + more > max) {
      found.push(piece)
      piece = ''
      length = 0
    }
    piece += sign
    length += more
  }
  return piece === '' ? found : [...found, piece]
}

export interface Cut {
  readonly text: string
  readonly isWhole: boolean
}

/** The beginning of a text, with a mark where it goes on: together never longer than `max`. */
export function cut(text: string, max: number): Cut {
  if (text.length <= max && slackLength(text) <= max) return { text, isWhole: true }
  // The first piece lies within these units: a text of megabytes need not be looked at sign by sign.
  const near = text.slice(0, max + SIGN_MAX)
  const begin = pieces(near, max - MORE.length)[0] ?? ''
  const fits = slackLength(begin) <= max - MORE.length
  return { text: fits ? begin + MORE : MORE, isWhole: false }
}

const MORE = '…'
/** Longer than any one sign. */
const SIGN_MAX = 64
/**
 * An instant on its way to a card (blocks.ts), a letter with the marks on it, or an emoji with its colour. What joins
 * signs invisibly was made visible before. No sign has more than eight marks: a run of them without end could not be cut.
 */
const signs = /\uE000\d{1,16}\uE000|\P{M}[\p{M}\p{Emoji_Modifier}]{0,8}|[\p{M}\p{Emoji_Modifier}]{1,8}/gsu

/** For the few places where Slack reads its own markup: there these three signs mean something. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
