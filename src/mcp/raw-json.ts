/**
 * Cuts and joins JSON as text, so that what is not looked at keeps its bytes: integers beyond 2^53, escapes, member
 * order. Every text must have passed `JSON.parse` before; then structure can be trusted, and one pass without
 * recursion is enough, however deep it nests.
 */
import { foldName } from '../domain/fold-name.ts'

interface Member {
  readonly name: string
  /** The raw text of the key, with its quotes. */
  readonly key: string
  readonly value: string
}

/**
 * The raw value of an object's member, or `null` when there is none. Of duplicate names the last one counts, as in
 * `JSON.parse`.
 */
export function rawMember(objectText: string, name: string): string | null {
  return membersOf(objectText).findLast((member) => member.name === name)?.value ?? null
}

/** The same object with this member set. A name is never written twice; an existing one keeps its place. */
export function withMember(objectText: string, name: string, rawValue: string): string {
  const members = membersOf(objectText)
  const place = members.findLastIndex((member) => member.name === name)
  const set = { name, key: JSON.stringify(name), value: rawValue }
  if (place === -1) return objectOf([...members, set])
  return objectOf(
    members.flatMap((member, index) => (index === place ? [set] : member.name === name ? [] : [member])),
  )
}

/** The same object without the members that are dropped, the others byte for byte. */
export function withoutMembers(objectText: string, isDropped: (name: string) => boolean): string {
  return objectOf(membersOf(objectText).filter(({ name }) => !isDropped(name)))
}

/** Both objects as one; where both have a name, `over` wins. */
export function mergeObjects(under: string, over: string): string {
  return membersOf(over).reduce((merged, member) => withMember(merged, member.name, member.value), under)
}

/**
 * A member that another parser could take for one of these names where `JSON.parse` does not: a repeated name (some
 * take the first), or one that differs only in case (Go's encoding/json matches those). `null` when there is none.
 */
export function disguisedMember(objectText: string, names: readonly string[]): string | null {
  const folded = new Set(names.map(foldName))
  const seen = new Set<string>()
  for (const { name } of membersOf(objectText)) {
    if (!folded.has(foldName(name))) continue
    if (!names.includes(name) || seen.has(name)) return name
    seen.add(name)
  }
  return null
}

/** The raw items of an array. */
export function rawItems(arrayText: string): string[] {
  return partsOf(arrayText, '[').map(({ start, end }) => arrayText.slice(start, end))
}

/** The same array without the items that are not kept, the others byte for byte. */
export function filterItems(arrayText: string, isKept: (rawItem: string) => boolean): string {
  return `[${rawItems(arrayText).filter(isKept).join(',')}]`
}

function objectOf(members: readonly Member[]): string {
  return `{${members.map(({ key, value }) => `${key}:${value}`).join(',')}}`
}

function membersOf(objectText: string): Member[] {
  return partsOf(objectText, '{').map(({ start, end }) => {
    const keyEnd = endOfString(objectText, start)
    const key = objectText.slice(start, keyEnd)
    const name: unknown = JSON.parse(key)
    const colon = objectText.indexOf(':', keyEnd)
    return { name: String(name), key, value: objectText.slice(colon + 1, end).trim() }
  })
}

interface Span {
  readonly start: number
  readonly end: number
}

const blank = /[ \t\n\r]/

/** What stands between the commas of one object or array, without the surrounding blanks. */
function partsOf(text: string, opening: '{' | '['): Span[] {
  let at = text.search(/[^ \t\n\r]/)
  if (text[at] !== opening) throw new TypeError(`not a JSON ${opening === '{' ? 'object' : 'array'}`)
  const parts: Span[] = []
  let start = ++at
  for (let depth = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at) - 1
    else if (character === '{' || character === '[') depth++
    else if (character === ',' && depth === 0) {
      parts.push(trimmed(text, start, at))
      start = at + 1
    } else if (character === '}' || character === ']') {
      if (depth-- > 0) continue
      const last = trimmed(text, start, at)
      return last.start === last.end ? parts : [...parts, last]
    }
  }
  throw new TypeError('the JSON text ends too early')
}

function trimmed(text: string, from: number, to: number): Span {
  let [start, end] = [from, to]
  while (start < end && blank.test(text.charAt(start))) start++
  while (end > start && blank.test(text.charAt(end - 1))) end--
  return { start, end }
}

/** The offset behind the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let quote = start
  for (;;) {
    quote = text.indexOf('"', quote + 1)
    if (quote === -1) throw new TypeError('the JSON text ends inside a string')
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quote + 1
  }
}
