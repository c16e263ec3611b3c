/** Reads English names and sentences: which verbs say what a tool does, and which words are only about things. */

import { englishMeanings, englishThings } from './words/en.ts'
import type { Meaning, Thing } from './words/meaning.ts'

export interface Sense {
  readonly meaning: Meaning
  /** Also a noun: a verb only where a verb would stand. */
  readonly maybeNoun: boolean
}

const senses = new Map<string, Sense>()
for (const meaning of englishMeanings) {
  for (const word of meaning.verbs) senses.set(word, { meaning, maybeNoun: false })
  for (const word of meaning.verbsOrNouns ?? []) {
    if (!senses.has(word)) senses.set(word, { meaning, maybeNoun: true })
  }
}
const things = new Map<string, Thing>(
  englishThings.flatMap((thing) => thing.words.map((word) => [word, thing] as const)),
)

export const thingOf = (word: string): Thing | undefined => things.get(word)

/** Two words that are one verb. */
const pairs = new Map([
  ['log out', 'logout'],
  ['sign out', 'signout'],
  ['log off', 'logoff'],
  ['log in', 'login'],
  ['sign in', 'signin'],
  ['shut down', 'shutdown'],
  ['tear down', 'teardown'],
  ['clean up', 'cleanup'],
  ['roll back', 'rollback'],
  ['set up', 'setup'],
  ['power off', 'poweroff'],
  ['check out', 'checkout'],
  ['look up', 'lookup'],
  ['opt out', 'unsubscribe'],
  ['api key', 'apikey'],
  ['api keys', 'apikeys'],
  ['private key', 'secret'],
  ['access key', 'secret'],
  ['connection string', 'secret'],
  ['credit card', 'creditcard'],
  ['gift card', 'giftcard'],
  ['sales receipt', 'salesreceipt'],
])

/** camelCase, snake_case, kebab-case, dots, slashes and digits apart; lower case; compatibility forms and invisible characters undone. */
export function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  const single = plain
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{M}&]+/u)
    .filter((word) => word !== '')
  const joined: string[] = []
  for (let at = 0; at < single.length; at++) {
    const word = single[at] ?? ''
    const pair = pairs.get(`${word} ${single[at + 1] ?? ''}`)
    joined.push(pair ?? word)
    if (pair !== undefined) at++
  }
  return joined
}

/** In prose "check out" mostly means to look. */
const notInProse = new Set(['checkout'])

/** "Logs out", "shut down": two words of a sentence that are one verb, in the form they have; `undefined`: they are not. */
export function pairOf(word: string, next: string): string | undefined {
  const base = pairs.get(`${word} ${next}`)
  const third = word.endsWith('s') ? pairs.get(`${word.slice(0, -1)} ${next}`) : undefined
  const pair = base ?? third
  if (pair === undefined || notInProse.has(pair)) return undefined
  return base === undefined ? `${pair}s` : pair
}

/** The verb in its base form, or nothing. */
export const verbOf = (word: string): Sense | undefined => senses.get(word)

const third = [
  { ending: /ies$/, base: 'y' },
  { ending: /(?<=[sxzh]|o)es$/, base: '' },
  { ending: /s$/, base: '' },
]
const participle = [
  { ending: /(\p{L})\1ing$/u, base: '$1' },
  { ending: /ing$/, base: '' },
  { ending: /ing$/, base: 'e' },
]

/** As a sentence has it: `Deletes`, `deleting`, `delete`. The form tells which verbs stand side by side. */
export function inflectedVerb(word: string): { sense: Sense; form: 'base' | 'third' | 'ing' } | undefined {
  const base = senses.get(word)
  if (base !== undefined) return { sense: base, form: 'base' }
  for (const [form, rules] of [
    ['third', third],
    ['ing', participle],
  ] as const) {
    for (const rule of rules) {
      if (!rule.ending.test(word)) continue
      const sense = senses.get(word.replace(rule.ending, rule.base))
      if (sense !== undefined) return { sense, form }
    }
  }
  return undefined
}

/**
 * Verbs that are dangerous enough to be looked for inside words as well: `deletefile`, `getanddelete`. Not `deleted`, which
 * describes a thing.
 */
const buried =
  /(delete|destroy|erase|truncate|obliterate|purge|wipe|uninstall|refund|revoke)(?!d|r$|rs$|able|ing$|s$)/

export function buriedVerb(word: string): Sense | undefined {
  const found = buried.exec(word)?.[1]
  return found === undefined || found === word ? undefined : senses.get(found)
}
