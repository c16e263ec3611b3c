/**
 * Makes text honest to look at: whatever would be invisible, would move other text or would drive a terminal becomes
 * a visible mark such as `\u{202E}`. Different texts never look the same because of it, and nothing is left out.
 */

/** Controls, formats (bidi, zero-width), surrogates, private and unassigned ones, every space but U+0020, line separators. */
const unseen = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u
const combining = /\p{M}/u
const canCarry = /[\p{L}\p{N}\p{M}]/u
const pictograph = /\p{Extended_Pictographic}/u
/** Asks for the coloured form of the pictograph before it; ordinary in emoji, a hidden channel anywhere else. */
const EMOJI_STYLE = '\uFE0F'
/** No living script stacks more on one letter; taller stacks paint over the lines around them. */
const STACK_MAX = 4

const word = /[\p{L}\p{M}\p{N}_]+/gu
/** Cyrillic and Greek letters that fonts draw like Latin ones. In a word with Latin letters they are there to deceive. */
const lookAlike =
  /[\u0430\u0435\u043E\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04BB\u04CF\u0501\u051B\u051D\u0410\u0412\u0415\u041A\u041C-\u041E\u0420-\u0422\u0423\u0425\u0405\u0406\u0408\u04C0\u03BF\u03BD\u0391\u0392\u0395-\u0397\u0399\u039A\u039C\u039D\u039F\u03A1\u03A4\u03A5\u03A7]/gu

/** One line of plain text. A backslash that would make text look like a mark is itself shown as one. */
export function visible(text: string): string {
  return marked(text.replaceAll('\\u{', '\\u{5C}u{'))
}

/**
 * JSON laid out over lines, member by member as it stands: numbers and escapes keep their spelling and nothing is cut.
 * Taking away the line breaks, the indentation and the blank after a colon gives the text back, marks aside.
 */
export function visibleJson(json: string): readonly string[] {
  return laidOut(json, Number.POSITIVE_INFINITY) ?? []
}

/**
 * Whether `visibleJson` has at most so many characters. Indentation alone can make megabytes of a short text, so no more than
 * that is laid out to find it out.
 */
export const isVisibleJsonWithin = (json: string, lengthMax: number): boolean =>
  json.length <= lengthMax && laidOut(json, lengthMax) !== null

function laidOut(json: string, lengthMax: number): readonly string[] | null {
  const lines: string[] = []
  let line = ''
  let depth = 0
  let length = 0
  const breakLine = () => {
    lines.push(line)
    length += line.length
    line = '  '.repeat(Math.max(0, depth))
  }
  for (let at = 0; at < json.length; ) {
    if (length + line.length > lengthMax) return null
    const char = json.charAt(at)
    if (char === '"') {
      const end = stringEnd(json, at)
      line += visibleString(json.slice(at, end))
      at = end
      continue
    }
    const next = json.charAt(at + 1)
    if ((char === '{' && next === '}') || (char === '[' && next === ']')) {
      line += char + next
      at += 2
      continue
    }
    if (char === '{' || char === '[') {
      depth++
      line += char
      breakLine()
    } else if (char === '}' || char === ']') {
      depth--
      breakLine()
      line += char
    } else if (char === ',') {
      line += char
      breakLine()
    } else if (char === ':') {
      line += ': '
    } else if (!/[ \t\r\n]/.test(char)) {
      line += marked(char)
    }
    at++
  }
  if (length + line.length > lengthMax) return null
  lines.push(line)
  return lines
}

/** JSON over several lines to be edited by hand: the same value, in which nothing is invisible because JSON's own escapes say it. */
export const editableJson = (json: string): string =>
  JSON.stringify(JSON.parse(json), null, 2).replace(new RegExp(unseen, 'gu'), (char) =>
    char === ' ' || char === '\n' ? char : escapedUnits(char),
  )

const escapedUnits = (char: string) =>
  char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

/** The members of a JSON object in their order, each value as the very text that stands there. */
export function jsonMembers(object: string): readonly { readonly name: string; readonly text: string }[] {
  const members: { name: string; text: string }[] = []
  let depth = 0
  let name = ''
  let start = 0
  for (let at = 0; at < object.length; at++) {
    const char = object.charAt(at)
    if (char === '"') {
      const end = stringEnd(object, at)
      if (name === '' && depth === 1) name = object.slice(at, end)
      at = end - 1
    } else if (char === ':' && depth === 1) {
      start = at + 1
    } else if ((char === ',' && depth === 1) || (char === '}' && depth === 1 && name !== '')) {
      members.push({ name: String(JSON.parse(name)), text: object.slice(start, at) })
      name = ''
    }
    if (char === '{' || char === '[') depth++
    if (char === '}' || char === ']') depth--
  }
  return members
}

/** Index after the closing quote of the string that starts at `from`. */
function stringEnd(json: string, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    const char = json.charAt(at)
    if (char === '\\') at++
    else if (char === '"') return at + 1
  }
  return json.length
}

/** JSON's own escapes are visible already; what stands between them is marked. */
function visibleString(token: string): string {
  return token
    .split(/(\\u[0-9A-Fa-f]{4}|\\.)/u)
    .map((part, index) => (index % 2 === 1 ? part : marked(part)))
    .join('')
}

function marked(text: string): string {
  let shown = ''
  let previous = ''
  let stacked = 0
  for (const char of text.replace(word, withoutLookAlikes)) {
    stacked = combining.test(char) ? stacked + 1 : 0
    shown += isPlain(char, previous, stacked) ? char : mark(char)
    previous = char
  }
  return shown
}

const withoutLookAlikes = (letters: string) =>
  /[A-Za-z]/.test(letters) ? letters.replace(lookAlike, mark) : letters

function isPlain(char: string, previous: string, stacked: number): boolean {
  if (char === ' ') return true
  if (char === EMOJI_STYLE) return pictograph.test(previous)
  if (unseen.test(char)) return false
  return stacked === 0 || (stacked <= STACK_MAX && canCarry.test(previous))
}

const mark = (char: string) => `\\u{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`
