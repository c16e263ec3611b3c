/**
 * What a condition asks about the call itself: `tool`, `agent`, `owner` and `server` are text, `risk` and `category` are one of a few
 * words. A question that no call can ever answer with yes would switch its rule off in silence.
 */
import { didYouMean } from '../../domain/did-you-mean.ts'
import { type Comparison, compare, type Scalar } from '../../domain/policy/comparison.ts'
import { type Glob, isExact } from '../../domain/policy/glob.ts'
import type { CallField, ValuePath } from '../../domain/policy/value-path.ts'
import { categories, risks } from '../../domain/risk.ts'
import type { Path } from '../document.ts'
import type { Reader } from './reader.ts'

interface Question {
  readonly path: ValuePath
  readonly is: readonly Comparison[]
  /** What counts as the value where there is none. */
  readonly otherwise: Scalar | undefined
}

/** @param placeOf where an operator, or the `default`, of this question is written */
export function checkQuestion(
  reader: Reader,
  { path: { root }, is, otherwise }: Question,
  placeOf: (key: string) => Path,
): void {
  if (root === 'args') return
  for (const comparison of is) checkComparison(reader, root, comparison, placeOf(comparison.op))
  if (otherwise !== undefined) checkValues(reader, root, [otherwise], placeOf('default'))
}

function checkComparison(reader: Reader, field: CallField, comparison: Comparison, at: Path): void {
  switch (comparison.op) {
    case 'eq':
    case 'neq':
    case 'eq_text':
      checkValues(reader, field, [comparison.value], at, comparison.op === 'eq_text')
      return
    case 'in':
    case 'not_in':
    case 'in_text':
      checkValues(reader, field, comparison.values, at, comparison.op === 'in_text')
      return
    case 'like':
      for (const pattern of comparison.patterns) {
        if (!isAnswerable(field, { op: 'like', patterns: [pattern] }))
          refuseWord(reader, field, pattern.source, at)
      }
      noteNames(reader, field, comparison.patterns, at)
      return
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
    case 'some':
    case 'every': {
      const isList = comparison.op === 'some' || comparison.op === 'every'
      const message = isList ? `\`${field}\` is no list` : `\`${field}\` is text, which is not more or less`
      reader.mistake(at, message, `compare it with \`eq\`, \`in\` or \`like\`${choicesOf(field)}`)
      return
    }
    default: {
      const isNoText = comparison.op === 'contains' && typeof comparison.value !== 'string'
      if (isNoText) refuseType(reader, field, comparison.value, at)
      else if (!isAnswerable(field, comparison)) {
        const remedy = `compare it with \`eq\` or \`in\`${choicesOf(field)}`
        reader.mistake(at, `no ${field} is like this`, remedy)
      }
    }
  }
}

function checkValues(
  reader: Reader,
  field: CallField,
  values: readonly Scalar[],
  at: Path,
  isWritten = false,
): void {
  for (const value of values) {
    if (typeof value !== 'string' && !isWritten) {
      refuseType(reader, field, value, at)
    } else if (!isAnswerable(field, { op: 'eq_text', value })) {
      refuseWord(reader, field, String(value), at)
    }
  }
  const names = values.map((value) => ({ source: String(value), parts: [String(value)] }))
  noteNames(reader, field, names, at)
}

const wordsOf = (field: CallField): readonly string[] | null =>
  field === 'risk' ? risks : field === 'category' ? categories : null

/** Whether any value that there can be answers it with yes. */
function isAnswerable(field: CallField, comparison: Comparison): boolean {
  // Nobody may have said of what category a tool is.
  if (field === 'category' && comparison.op === 'exists') return true
  return wordsOf(field)?.some((word) => compare(comparison, word) === true) ?? true
}

function refuseType(reader: Reader, field: CallField, value: Scalar, at: Path): void {
  reader.mistake(at, `\`${field}\` is text, and ${String(value)} is none`, 'put it in quotes')
}

function refuseWord(reader: Reader, field: CallField, word: string, at: Path): void {
  const words = wordsOf(field) ?? []
  const remedy = didYouMean(word, words) ?? `write one of: ${words.join(', ')}`
  reader.mistake(at, `"${word.slice(0, 64)}" is no ${field}`, remedy)
}

const choicesOf = (field: CallField) => {
  const words = wordsOf(field)
  return words === null ? '' : `: ${words.join(', ')}`
}

/**
 * Whole names that nobody has by the configuration. Only a word, because a policy may be there before them; of agents, which can be
 * added without the file (`agents add`), only where one of its names is almost the same.
 */
export function noteNames(reader: Reader, field: CallField, names: readonly Glob[], at: Path): void {
  const { known } = reader
  if (known === null) return
  for (const name of names.filter(isExact)) {
    const { source } = name
    const shown = `"${source.slice(0, 64)}"`
    // Names with these marks are of those whom an issuer names (`domain/policy/kinds-of-names.ts`).
    if (field === 'owner' && !source.includes(':') && !known.people.includes(source)) {
      const remedy = didYouMean(source, known.people) ?? 'correct it, or add them under `people`'
      reader.note(at, `nobody among the people of holdpoint.yaml is called ${shown}`, remedy)
    } else if (field === 'server' && !known.servers.includes(source)) {
      const remedy = didYouMean(source, known.servers) ?? `the servers are ${known.servers.join(', ')}`
      reader.note(at, `no server of holdpoint.yaml is called ${shown}`, remedy)
    } else if (field === 'agent' && !source.includes('#') && !known.agents.includes(source)) {
      const remedy = didYouMean(source, known.agents)
      if (remedy !== null) reader.note(at, `no agent of holdpoint.yaml is called ${shown}`, remedy)
    }
  }
}
