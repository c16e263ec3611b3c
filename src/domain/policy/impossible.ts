/**
 * Whether a condition can be true of any call at all. Says "never" only where that is proved, value by value; a condition that it says
 * nothing about may still be one that no call meets.
 */
import type { JsonValue } from '../canonical.ts'
import { categories, risks } from '../risk.ts'
import { type Comparison, compare, type Scalar } from './comparison.ts'
import type { Condition } from './condition.ts'
import { isExact } from './glob.ts'
import { isWithinWeek, MINUTES_OF_WEEK, type TimeWindow } from './time-window.ts'
import type { CallField } from './value-path.ts'

/** One question that has to be answered with yes, or with no. */
interface Literal {
  readonly subject: Subject
  readonly isYes: boolean
}
type Subject =
  | {
      readonly kind: 'value'
      /** The same for questions about one value. */
      readonly of: string
      readonly field: CallField | null
      readonly otherwise: JsonValue | undefined
      readonly is: Comparison
    }
  | { readonly kind: 'time'; readonly of: string; readonly window: TimeWindow }
type Asked = Extract<Subject, { kind: 'value' }>

/** Ways in which a condition can come true that are looked at; a condition with more of them is left alone. */
const WAYS_MAX = 64

/** What contradicts itself, in words; `null`: nothing that could be proved. */
export function whyNever(condition: Condition): string | null {
  const ways = waysOf(condition, true)
  if (ways === null) return null
  const reasons = ways.map(contradictionIn)
  return reasons.every((reason) => reason !== null) ? (reasons[0] ?? 'nothing is left that could hold') : null
}

/** The sets of answers of which each makes it true (or, without `isYes`, false). `null`: too many. */
function waysOf(condition: Condition, isYes: boolean): readonly (readonly Literal[])[] | null {
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const parts = condition.of.map((each) => waysOf(each, isYes))
      return (condition.kind === 'all') === isYes ? allOf(parts) : anyOf(parts)
    }
    case 'not':
      return waysOf(condition.of, !isYes)
    case 'time': {
      const { window } = condition
      return [[{ subject: { kind: 'time', of: window.zone, window }, isYes }]]
    }
    case 'value': {
      const { path, otherwise, is } = condition
      const field = path.root === 'args' ? null : path.root
      const asked = is.map(
        (each): Subject => ({ kind: 'value', of: path.source, field, otherwise, is: each }),
      )
      return questions(asked, isYes)
    }
    case 'history': {
      const { name, per, window } = condition.tally
      const of = `history ${JSON.stringify([name, per, window])}`
      const is: readonly Comparison[] = [{ op: 'gte', value: 0 }]
      const counts = (each: Comparison): Subject => ({
        kind: 'value',
        of,
        field: null,
        otherwise: undefined,
        is: each,
      })
      return allOf([questions(condition.is.map(counts), isYes), questions(is.map(counts), true)])
    }
  }
}

function questions(subjects: readonly Subject[], isYes: boolean): readonly (readonly Literal[])[] {
  return isYes
    ? [subjects.map((subject) => ({ subject, isYes }))]
    : subjects.map((subject) => [{ subject, isYes }])
}

type Ways = readonly (readonly Literal[])[] | null

function allOf(parts: readonly Ways[]): Ways {
  let ways: (readonly Literal[])[] = [[]]
  for (const part of parts) {
    if (part === null || ways.length * part.length > WAYS_MAX) return null
    ways = ways.flatMap((before) => part.map((more) => [...before, ...more]))
  }
  return ways
}

function anyOf(parts: readonly Ways[]): Ways {
  const ways: (readonly Literal[])[] = []
  for (const part of parts) {
    if (part === null || ways.length + part.length > WAYS_MAX) return null
    ways.push(...part)
  }
  return ways
}

function contradictionIn(literals: readonly Literal[]): string | null {
  for (const group of grouped(literals).values()) {
    const asked = group.flatMap(({ subject, isYes }) =>
      subject.kind === 'value' ? [{ ...subject, isYes }] : [],
    )
    const windows = group.flatMap(({ subject, isYes }) =>
      subject.kind === 'time' ? [{ window: subject.window, isYes }] : [],
    )
    const isImpossible = asked.length > 0 ? !canBeMet(asked) : !canBeNow(windows)
    if (isImpossible) return asked.length > 0 ? inWords(asked) : 'there is no such time in any week'
  }
  return null
}

function grouped(literals: readonly Literal[]): ReadonlyMap<string, readonly Literal[]> {
  const groups = new Map<string, Literal[]>()
  for (const literal of literals) {
    const key = `${literal.subject.kind} ${literal.subject.of}`
    groups.set(key, [...(groups.get(key) ?? []), literal])
  }
  return groups
}

function canBeNow(windows: readonly { readonly window: TimeWindow; readonly isYes: boolean }[]): boolean {
  for (let minute = 0; minute < MINUTES_OF_WEEK; minute++) {
    if (windows.every(({ window, isYes }) => isWithinWeek(window, minute) === isYes)) return true
  }
  return false
}

type Question = Asked & { readonly isYes: boolean }

const holds = ({ is, isYes }: Pick<Question, 'is' | 'isYes'>, value: JsonValue | undefined) =>
  compare(is, value) === isYes

function canBeMet(asked: readonly Question[]): boolean {
  const texts = asked.map(({ is }) => textOf(is))
  const isSaidBothWays = asked.some(
    ({ isYes, otherwise }, index) =>
      isYes &&
      asked.some((other, at) => !other.isYes && texts[at] === texts[index] && other.otherwise === otherwise),
  )
  if (isSaidBothWays) return false
  if (asked.every((each) => holds(each, each.otherwise))) return true
  const field = asked[0]?.field ?? null
  if (field === 'category') return categories.some((value) => asked.every((each) => holds(each, value)))
  if (field === 'risk') return risks.some((value) => asked.every((each) => holds(each, value)))
  if (canBeText(asked)) return true
  return field === null && (canBeNumber(asked) || canBeTruth(asked) || canBeList(asked) || canBeMap(asked))
}

const canBeTruth = (asked: readonly Question[]) =>
  [true, false].some((value) => asked.every((each) => holds(each, value)))

/** Of which kinds a value must be for the question to have an answer at all. */
type Kind = 'text' | 'number' | 'list' | 'map'
function answersFor({ is, isYes }: Question, kind: Kind): boolean {
  switch (is.op) {
    case 'exists':
      return is.value === isYes
    case 'eq':
    case 'neq':
      return isOf(is.value, kind)
    case 'in':
    case 'not_in':
      return is.values.some((value) => isOf(value, kind))
    case 'eq_text':
      return kind === 'text' || kind === 'number'
    case 'in_text':
      return kind === 'text' || kind === 'number'
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return kind === 'number'
    case 'contains':
      return kind === 'list' || (kind === 'text' && typeof is.value === 'string')
    case 'starts_with':
    case 'ends_with':
    case 'like':
    case 'matches':
      return kind === 'text'
    case 'length':
      return kind !== 'number'
    case 'some':
    case 'every':
      return kind === 'list'
  }
}
const isOf = (value: Scalar, kind: Kind) => typeof value === (kind === 'text' ? 'string' : kind)

/** Where a question leaves only these values; `null`: any number of them. */
function choicesOf({ is, isYes }: Question): readonly Scalar[] | null {
  if (!isYes) return is.op === 'neq' ? [is.value] : is.op === 'not_in' ? is.values : null
  if (is.op === 'eq') return [is.value]
  if (is.op === 'in') return is.values
  if (is.op === 'eq_text') return written([is.value])
  if (is.op === 'in_text') return written(is.values)
  if (is.op === 'like' && is.patterns.every(isExact)) return is.patterns.map(({ source }) => source)
  return null
}

/** What is written so. */
const written = (values: readonly Scalar[]): readonly Scalar[] =>
  values.flatMap((value) => {
    const text = String(value)
    return String(Number(text)) === text ? [text, Number(text)] : [text]
  })

/** `null`: no question leaves only some values. */
function oneOf(asked: readonly Question[], type: 'string' | 'number'): boolean | null {
  const choices = asked.flatMap((each) => choicesOf(each) ?? [])
  if (asked.every((each) => choicesOf(each) === null)) return null
  return choices.some((value) => typeof value === type && asked.every((each) => holds(each, value)))
}

function canBeText(asked: readonly Question[]): boolean {
  if (!asked.every((each) => answersFor(each, 'text'))) return false
  const listed = oneOf(asked, 'string')
  if (listed !== null) return listed
  const begins = asked.flatMap(({ is, isYes }) => (isYes && is.op === 'starts_with' ? [is.value] : []))
  const ends = asked.flatMap(({ is, isYes }) => (isYes && is.op === 'ends_with' ? [is.value] : []))
  for (const { is, isYes } of asked) {
    if (isYes && is.op === 'like') {
      const isPossible = is.patterns.some(
        ({ parts }) =>
          begins.every((text) => isExact({ source: '', parts }) || alike(text, parts[0] ?? '', 'start')) &&
          ends.every((text) => isExact({ source: '', parts }) || alike(text, parts.at(-1) ?? '', 'end')),
      )
      if (!isPossible) return false
    }
    if (!isYes && is.op === 'starts_with' && begins.some((text) => text.startsWith(is.value))) return false
    if (!isYes && is.op === 'ends_with' && ends.some((text) => text.endsWith(is.value))) return false
    if (!isYes && is.op === 'contains') {
      const part = is.value
      if (typeof part === 'string' && [...begins, ...ends].some((text) => text.includes(part))) return false
    }
  }
  const fit =
    begins.every((a) => begins.every((b) => alike(a, b, 'start'))) &&
    ends.every((a) => ends.every((b) => alike(a, b, 'end')))
  const least = Math.max(0, ...[...begins, ...ends].map((text) => [...text].length))
  return fit && canBeLong(asked, least)
}

const alike = (a: string, b: string, at: 'start' | 'end') =>
  at === 'start' ? a.startsWith(b) || b.startsWith(a) : a.endsWith(b) || b.endsWith(a)

function canBeNumber(asked: readonly Question[]): boolean {
  if (!asked.every((each) => answersFor(each, 'number'))) return false
  const listed = oneOf(asked, 'number')
  if (listed !== null) return listed
  const bounds = asked.flatMap(({ is, isYes }) => boundOf(is, isYes))
  const least = bounds.filter(({ isLower }) => isLower)
  const most = bounds.filter(({ isLower }) => !isLower)
  const isBetween = least.every((a) =>
    most.every((b) => a.value < b.value || (a.value === b.value && a.isWithin && b.isWithin)),
  )
  const only = least.find((a) => most.some((b) => a.value === b.value))
  return isBetween && (only === undefined || asked.every((each) => holds(each, only.value)))
}

interface Bound {
  readonly value: number
  readonly isLower: boolean
  readonly isWithin: boolean
}
function boundOf(is: Comparison, isYes: boolean): readonly Bound[] {
  switch (is.op) {
    case 'lt':
      return [{ value: is.value, isLower: !isYes, isWithin: !isYes }]
    case 'lte':
      return [{ value: is.value, isLower: !isYes, isWithin: isYes }]
    case 'gt':
      return [{ value: is.value, isLower: isYes, isWithin: !isYes }]
    case 'gte':
      return [{ value: is.value, isLower: isYes, isWithin: isYes }]
    default:
      return []
  }
}

function canBeList(asked: readonly Question[]): boolean {
  if (!asked.every((each) => answersFor(each, 'list'))) return false
  const wanted = asked.flatMap(({ is, isYes }) => (isYes && is.op === 'some' ? [is] : []))
  const isEntry = (is: readonly Comparison[]) =>
    canBeMet(is.map((each) => ({ ...entry, is: each, isYes: true })))
  if (!wanted.every(({ is }) => isEntry(is))) return false
  const isEmpty = asked.some(({ is, isYes }) => isYes && is.op === 'every' && !isEntry(is.is))
  const holdsSome = wanted.length > 0 || asked.some(({ is, isYes }) => isYes && is.op === 'contains')
  if (isEmpty) return !holdsSome && canBeLong(asked, 0, 0)
  return canBeLong(asked, holdsSome ? 1 : 0)
}

const entry = { kind: 'value', of: 'entry', field: null, otherwise: undefined } as const

const canBeMap = (asked: readonly Question[]) =>
  asked.every((each) => answersFor(each, 'map')) && canBeLong(asked, 0)

/** Lengths are whole numbers. */
function canBeLong(asked: readonly Question[], least: number, most = Number.POSITIVE_INFINITY): boolean {
  const said = asked.flatMap(({ is, isYes }) => (isYes && is.op === 'length' ? is.is : []))
  const named = said.flatMap((is) =>
    'value' in is && typeof is.value === 'number' ? [is.value - 1, is.value, is.value + 1] : [],
  )
  const candidates = [least, most, ...named.flatMap((value) => [Math.floor(value), Math.ceil(value)])]
  return candidates
    .filter((length) => Number.isFinite(length) && length >= least && length <= most)
    .some((length) => said.every((is) => compare(is, length) === true))
}

function inWords(asked: readonly Question[]): string {
  const questions = [...new Set(asked.map(({ is, isYes }) => (isYes ? textOf(is) : `not ${textOf(is)}`)))]
  const of = asked[0]?.of ?? ''
  const what = of.startsWith('history ') ? 'no count' : `no value of ${of}`
  return `${what} meets ${questions.slice(0, 4).join(' and ')}`
}

function textOf(is: Comparison): string {
  switch (is.op) {
    case 'in':
    case 'not_in':
    case 'in_text':
      return `${is.op} ${JSON.stringify(is.values)}`
    case 'like':
      return `like ${JSON.stringify(is.patterns.map(({ source }) => source))}`
    case 'matches':
      return `matches ${JSON.stringify(is.regex.source)}`
    case 'length':
      return `length ${is.is.map(textOf).join(', ')}`
    case 'some':
    case 'every':
      return `${is.op} (${is.path === null ? '' : `${is.path.source}: `}${is.is.map(textOf).join(', ')})`
    default:
      return `${is.op} ${JSON.stringify(is.value)}`
  }
}
