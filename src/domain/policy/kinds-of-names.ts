/**
 * Names of agents are of two kinds: those that Holdpoint gave tokens to, and those that another issuer calls so, which end in `#`
 * and a digest (`auth/oauth`). What is written about a part of a name (`night-*`) is meant for the first kind, unless it has a `#`
 * itself. Of a name of the other kind nobody can know then whether it was meant: unknown, and so it never opens anything for an
 * agent that an issuer lets call itself `night-watch`, and never lets one out of what forbids. `*` alone is everybody.
 *
 * The same of owners: the id of a person has no colon, and stands for nobody where there is one (`unknownOwner`).
 */
import { type Comparison, compare } from './comparison.ts'
import type { Glob } from './glob.ts'
import { anyOf, type Truth } from './truth.ts'
import type { Found } from './value-path.ts'

const marks = { agent: '#', owner: ':' } as const
export type NamedField = keyof typeof marks

/** @param value the name; `undefined` cannot be, and is unknown to every comparison */
export function compareName(field: NamedField, comparison: Comparison, value: Found): Truth {
  const mark = marks[field]
  if (typeof value !== 'string' || !value.includes(mark)) return compare(comparison, value)
  const ifMeant = (truth: Truth, text: string): Truth =>
    truth === true && !text.includes(mark) ? null : truth
  switch (comparison.op) {
    case 'like':
      return anyOf(comparison.patterns, (pattern) => {
        const truth = compare({ op: 'like', patterns: [pattern] }, value)
        return isEverybody(pattern) ? truth : ifMeant(truth, pattern.source)
      })
    case 'starts_with':
    case 'ends_with':
    case 'contains':
      return ifMeant(compare(comparison, value), String(comparison.value))
    case 'matches':
      return ifMeant(compare(comparison, value), comparison.regex.source)
    default:
      return compare(comparison, value)
  }
}

export const isEverybody = ({ parts }: Glob): boolean =>
  parts.length > 1 && parts.every((part) => part === '')
