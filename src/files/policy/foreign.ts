/**
 * Conditions as PolicyLayer writes them: `{path, op, value}`. A condition on an argument that is not there does not hold;
 * `eq` compares how values are written. What cannot be compared at all is unknown, and unknown is taken in the stricter way.
 */
import type { Comparison, Scalar } from '../../domain/policy/comparison.ts'
import type { Condition } from '../../domain/policy/condition.ts'
import type { Tally } from '../../domain/policy/tally.ts'
import type { ValuePath } from '../../domain/policy/value-path.ts'
import type { Result } from '../../domain/result.ts'
import type { Path } from '../document.ts'
import { checkQuestion } from './call-fields.ts'
import { matching, pathRemedy } from './conditions.ts'
import type { Reader } from './reader.ts'
import type { ForeignCondition } from './shapes.ts'

/** How a spelling writes where a value stands; the error says in words why it is no such place. */
export type ParsePath = (source: string) => Result<ValuePath, string>

export interface ForeignReading {
  readonly parsePath: ParsePath
  /** The count that a `state` path names; `null` where no rule keeps it. */
  readonly counterOf: (path: string) => Tally | null
  /** A call for which the condition does not hold is denied: then it may also be read as one that never holds. */
  readonly isRequirement: boolean
}

export function readForeignCondition(
  reader: Reader,
  written: ForeignCondition,
  at: Path,
  { parsePath, counterOf, isRequirement }: ForeignReading,
): Condition | null {
  const op = written.op ?? 'exists'
  const value = written.op === undefined ? true : written.value
  if (written.op === undefined && written.value !== undefined) {
    return reader.refuse(at, '"op" is missing', 'add it: eq, lte, in …')
  }
  if (op === 'exists' && typeof value !== 'boolean') {
    return reader.refuse([...at, 'value'], '`exists` takes true or false', 'write one of them')
  }
  const comparison =
    isRequirement && isIncomparable(op, value)
      ? withoutComparing(reader, op, value, at)
      : comparisonOf(reader, op, value, at)
  if (comparison === null) return null
  const { is, isNegated } = comparison
  const subject = subjectOf(reader, written.path, at, parsePath, counterOf)
  if (subject === null) return null
  if ('path' in subject) {
    checkQuestion(reader, { path: subject.path, is: [is], otherwise: undefined }, () => [...at, 'value'])
  }
  const holds: Condition =
    'tally' in subject ? { kind: 'history', ...subject, tools: null, is: [is] } : valueIs(subject.path, is)
  const stated: Condition = isNegated ? { kind: 'not', of: holds } : holds
  if (op === 'exists' || 'tally' in subject) return stated
  return { kind: 'all', of: [valueIs(subject.path, { op: 'exists', value: true }), stated] }
}

const valueIs = (path: ValuePath, is: Comparison): Condition => ({
  kind: 'value',
  path,
  otherwise: undefined,
  is: [is],
})

type Subject = { readonly tally: Tally } | { readonly path: ValuePath }

function subjectOf(
  reader: Reader,
  path: string,
  at: Path,
  parsePath: ParsePath,
  counterOf: (path: string) => Tally | null,
): Subject | null {
  if (path.startsWith('state.')) {
    const tally = counterOf(path)
    const message = `no rule keeps the counter "${path.slice(0, 80)}"`
    return tally === null
      ? reader.refuse([...at, 'path'], message, 'add a `state` block with this counter')
      : { tally }
  }
  const parsed = parsePath(path)
  if (!parsed.ok) return reader.refuse([...at, 'path'], parsed.error, pathRemedy)
  return { path: parsed.value }
}

function comparisonOf(
  reader: Reader,
  op: NonNullable<ForeignCondition['op']>,
  value: unknown,
  at: Path,
): { is: Comparison; isNegated: boolean } | null {
  const place = [...at, 'value']
  const plain = (is: Comparison | null, isNegated = false) => is && { is, isNegated }
  switch (op) {
    case 'eq':
    case 'neq':
      if (!isScalar(value)) return reader.refuse(place, ...noScalar(op, value))
      return plain({ op: 'eq_text', value }, op === 'neq')
    case 'in':
    case 'not_in':
      if (!Array.isArray(value) || !value.every(isScalar)) {
        return reader.refuse(place, `\`${op}\` takes a list of values`, 'write a list')
      }
      return plain({ op: 'in_text', values: value }, op === 'not_in')
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      if (typeof value !== 'number') return reader.refuse(place, `\`${op}\` takes a number`, 'write a number')
      return plain({ op, value })
    case 'regex':
      if (typeof value !== 'string') return reader.refuse(place, '`regex` takes a pattern', 'write text')
      // Nothing is found in every text, as its beginning is.
      return plain(matching(reader, value === '' ? '^' : value, place))
    case 'contains':
      if (!isScalar(value)) return reader.refuse(place, ...noScalar(op, value))
      return plain({ op: 'contains', value })
    case 'exists':
      return plain({ op: 'exists', value: value === true })
  }
}

/** `null`, lists and maps: the original compares how they print, and no server goes by that. */
const isIncomparable = (op: string, value: unknown) =>
  (op === 'eq' || op === 'neq' || op === 'contains') && typeof value === 'object'

/** An argument that is null counts as not there; what else stands here lets nothing pass. */
function withoutComparing(
  reader: Reader,
  op: string,
  value: unknown,
  at: Path,
): { is: Comparison; isNegated: boolean } {
  if (op === 'neq' && value === null) return { is: { op: 'exists', value: true }, isNegated: false }
  const what = value === null ? 'null' : Array.isArray(value) ? 'a list' : 'a map'
  reader.note(
    [...at, 'value'],
    `\`${op}\` with ${what} holds for no call here: servers do not go by how such a value is printed`,
    'ask with `op: exists` whether it is there, or write a condition for each value',
  )
  return { is: { op: 'exists', value: false }, isNegated: false }
}

/** What the original compares with as well, and nobody can say how a server would read it. */
function noScalar(op: string, value: unknown): [message: string, remedy: string] {
  const message = `\`${op}\` takes text, a number, true or false`
  if (value === null) {
    return [
      `${message}: an argument that is null counts as not there`,
      'ask with `op: exists` whether it is there',
    ]
  }
  if (Array.isArray(value)) return [`${message}, and no list`, 'write a condition for each value']
  return [message, 'write one']
}

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
