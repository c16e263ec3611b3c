/** Makes conditions of what was written: everything a shape cannot say is looked at here, with its place. */
import type { Comparison } from '../../domain/policy/comparison.ts'
import type { Condition } from '../../domain/policy/condition.ts'
import { type Glob, glob } from '../../domain/policy/glob.ts'
import { isZone, minutesOf, weekdays } from '../../domain/policy/time-window.ts'
import { parseItemPath, parsePath, type ValuePath } from '../../domain/policy/value-path.ts'
import type { Path } from '../document.ts'
import { checkQuestion } from './call-fields.ts'
import type { Reader } from './reader.ts'
import { compileRegex } from './regex.ts'
import type { ConditionShape, ItemShape } from './shapes.ts'
import { tallyOf } from './tallies.ts'

export const globsOf = (written: string | readonly string[]): Glob[] =>
  (typeof written === 'string' ? [written] : written).map(glob)

const kinds = ['all', 'any', 'not', 'path', 'time', 'history'] as const

/** `null`: it has problems, which the reader holds. */
export function readCondition(reader: Reader, written: ConditionShape, at: Path): Condition | null {
  const present = kinds.filter((kind) => written[kind] !== undefined)
  const [kind] = present
  if (kind === undefined) {
    return reader.refuse(at, 'this condition asks about nothing', `write one of: ${kinds.join(', ')}`)
  }
  if (present.length > 1) {
    const message = `\`${present.join('` and `')}\` are two conditions`
    return reader.refuse(at, message, 'write a list under `all` (every one) or `any` (at least one)')
  }
  const is = readComparisons(reader, written, at)
  const takesComparisons = kind === 'path' || kind === 'history'
  if (!takesComparisons && is !== null && is.length > 0) {
    const message = `\`${kind}\` takes no comparison`
    return reader.refuse(at, message, 'give the comparison a `path`, and write both under `all`')
  }
  if (written.default !== undefined && kind !== 'path') {
    return reader.refuseKey([...at, 'default'], '`default` belongs to a `path`', 'move or remove it')
  }
  if (takesComparisons && is?.length === 0) {
    return reader.refuse(
      at,
      `nothing is asked about this \`${kind}\``,
      'add a comparison, as `eq`, `gt` or `exists`',
    )
  }
  return conditionOf(reader, written, at, is)
}

function conditionOf(
  reader: Reader,
  written: ConditionShape,
  at: Path,
  is: Comparison[] | null,
): Condition | null {
  const { all, any, not, path, time, history } = written
  for (const [kind, list] of [
    ['all', all],
    ['any', any],
  ] as const) {
    if (list === undefined) continue
    const of = list.map((each, index) => readCondition(reader, each, [...at, kind, index]))
    return of.every((each) => each !== null) ? { kind, of } : null
  }
  if (not !== undefined) {
    const of = readCondition(reader, not, [...at, 'not'])
    return of && { kind: 'not', of }
  }
  if (time !== undefined) return readTime(reader, time, [...at, 'time'])
  if (is === null) return null
  if (history !== undefined) {
    const tools = history.tools === undefined ? null : globsOf(history.tools)
    const among = { tools: tools ?? [], categories: null, risks: null, when: null }
    const tally = tallyOf(reader, history, [...at, 'history'], { amount: 1, among })
    if (history.tools === undefined && history.counter === undefined) {
      const message = 'it is not said what is counted'
      return reader.refuse([...at, 'history'], message, 'name `tools`, or the `counter` of a limit')
    }
    if (tally !== null && tools === null) reader.askedCounts.push({ tally, at: [...at, 'history'] })
    return tally && { kind: 'history', tally, tools, is }
  }
  const parsed = parsePath(path ?? '')
  if (!parsed.ok) return reader.refuse([...at, 'path'], parsed.error, pathRemedy)
  const question = { path: parsed.value, otherwise: written.default, is }
  checkQuestion(reader, question, (key) => [...at, key])
  return { kind: 'value', ...question }
}

export const pathRemedy = 'write it as args.items[0].price or args["unit price"]'

/** `null`: some have problems. */
export function readComparisons(
  reader: Reader,
  written: Omit<ItemShape, 'path'>,
  at: Path,
): Comparison[] | null {
  const is: Comparison[] = []
  const before = reader.problems.length
  for (const op of ['eq', 'neq', 'eq_text', 'contains'] as const) {
    const value = written[op]
    if (value !== undefined) is.push({ op, value })
  }
  for (const op of ['in', 'not_in', 'in_text'] as const) {
    const values = written[op]
    if (values !== undefined) is.push({ op, values })
  }
  is.push(...numberComparisons(written))
  for (const op of ['starts_with', 'ends_with'] as const) {
    const value = written[op]
    if (value !== undefined) is.push({ op, value })
  }
  if (written.like !== undefined) is.push({ op: 'like', patterns: globsOf(written.like) })
  if (written.matches !== undefined) {
    const comparison = matching(reader, written.matches, [...at, 'matches'])
    if (comparison !== null) is.push(comparison)
  }
  if (written.exists !== undefined) is.push({ op: 'exists', value: written.exists })
  if (written.length !== undefined) {
    const { eq, neq } = written.length
    const of = numberComparisons(written.length)
    if (eq !== undefined) of.push({ op: 'eq', value: eq })
    if (neq !== undefined) of.push({ op: 'neq', value: neq })
    if (of.length === 0) reader.refuse([...at, 'length'], 'no length is named', 'write one, as { lte: 10 }')
    is.push({ op: 'length', is: of })
  }
  for (const op of ['some', 'every'] as const) {
    const items = written[op]
    if (items === undefined) continue
    const below = [...at, op]
    const of = readComparisons(reader, items, below)
    const path = items.path === undefined ? null : itemPath(reader, items.path, [...below, 'path'])
    if (of?.length === 0) reader.refuse(below, 'nothing is asked about the entries', 'add a comparison')
    if (of !== null) is.push({ op, path, is: of })
  }
  return reader.problems.length > before ? null : is
}

function numberComparisons(written: Pick<ItemShape, 'lt' | 'lte' | 'gt' | 'gte'>): Comparison[] {
  return (['lt', 'lte', 'gt', 'gte'] as const).flatMap((op): Comparison[] => {
    const value = written[op]
    return value === undefined ? [] : [{ op, value }]
  })
}

export function matching(reader: Reader, pattern: string, at: Path): Comparison | null {
  const regex = compileRegex(pattern)
  if (regex.ok) return { op: 'matches', regex: regex.value }
  return reader.refuse(at, regex.error.message, regex.error.remedy)
}

function itemPath(reader: Reader, path: string, at: Path): ValuePath | null {
  const parsed = parseItemPath(path)
  return parsed.ok ? parsed.value : reader.refuse(at, parsed.error, 'write it as price or address.city')
}

function readTime(reader: Reader, written: NonNullable<ConditionShape['time']>, at: Path): Condition | null {
  const { zone, days, from = '00:00', to = '24:00' } = written
  const minutes = { from: minutesOf(from), to: minutesOf(to) }
  if (!isZone(zone)) {
    const remedy = 'write an IANA name, as Asia/Seoul or UTC; offsets know no summer time'
    return reader.refuse([...at, 'zone'], `the time zone "${zone.slice(0, 60)}" is not known here`, remedy)
  }
  if (minutes.from === null || minutes.from === 24 * 60) {
    return reader.refuse([...at, 'from'], `"${from.slice(0, 20)}" is no time of day`, 'write it as "09:00"')
  }
  if (minutes.to === null) {
    return reader.refuse(
      [...at, 'to'],
      `"${to.slice(0, 20)}" is no time of day`,
      'write it as "18:00", at most "24:00"',
    )
  }
  if (minutes.from === minutes.to) {
    return reader.refuse(at, 'this window has no length', 'let `to` differ from `from`')
  }
  const window = { zone, days: days ?? weekdays, from: minutes.from, to: minutes.to }
  return { kind: 'time', window }
}
