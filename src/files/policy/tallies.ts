/** Reads what is counted, and the limits on it. */
import type { Limit, Per, Tally, Window } from '../../domain/policy/tally.ts'
import { parsePath, type ValuePath } from '../../domain/policy/value-path.ts'
import { type Path, pointer } from '../document.ts'
import { pathRemedy } from './conditions.ts'
import type { Reader } from './reader.ts'
import { type Selector, unnamed } from './selector.ts'
import { rateLimitShape, spendLimitShape } from './shapes.ts'

interface Written {
  readonly window?: number | undefined
  readonly calendar?: 'minute' | 'hour' | 'day' | undefined
  readonly per?: Per | undefined
  readonly counter?: string | undefined
}

/** @param of what is counted: a number for each of these calls, or an argument of theirs */
export function tallyOf(
  reader: Reader,
  { window, calendar, per = 'agent', counter }: Written,
  at: Path,
  of: { amount: number | ValuePath; among: Selector },
): Tally | null {
  if ((window === undefined) === (calendar === undefined)) {
    const message = window === undefined ? '"window" is missing' : '`window` and `calendar` are two answers'
    return reader.refuse(
      at,
      message,
      'write `window: 3600` (the last hour) or `calendar: hour` (the running hour, UTC)',
    )
  }
  const span: Window =
    window === undefined
      ? { kind: 'calendar', unit: calendar ?? 'day' }
      : { kind: 'sliding', seconds: window }
  const { amount, among } = of
  return { name: counter ?? unnamed(among, amount), per, window: span, amount }
}

/** `rate_limit` and `spend_limit` of a rule, each one or a list. */
export function readLimits(reader: Reader, at: Path, among: Selector): readonly Limit[] {
  return [
    ...each(reader, [...at, 'rate_limit']).flatMap((path) => {
      const written = reader.check(rateLimitShape, path)
      if (written === null) return []
      const tally = tallyOf(reader, written, path, { amount: written.adds ?? 1, among })
      return tally === null ? [] : [limit(tally, written, path)]
    }),
    ...each(reader, [...at, 'spend_limit']).flatMap((path) => {
      const written = reader.check(spendLimitShape, path)
      if (written === null) return []
      const amount = parsePath(written.path)
      if (!amount.ok || amount.value.root !== 'args') {
        reader.refuse(
          [...path, 'path'],
          amount.ok ? 'only an argument is an amount' : amount.error,
          pathRemedy,
        )
        return []
      }
      const tally = tallyOf(reader, written, path, { amount: amount.value, among })
      return tally === null ? [] : [limit(tally, written, path)]
    }),
  ]
}

function limit(
  tally: Tally,
  written: { max?: number | undefined; reason?: string | undefined },
  path: Path,
): Limit {
  return { pointer: pointer(path), tally, max: written.max ?? null, reason: written.reason ?? null }
}

/** The places of one entry, or of those of a list. */
function each(reader: Reader, path: Path): Path[] {
  const written = reader.document.get(path)
  if (written === undefined) return []
  if (Array.isArray(written) && written.length === 0) {
    reader.mistake(path, 'the list is empty: nothing is limited', 'name a limit, or remove the line')
  }
  return Array.isArray(written) ? written.map((_, index) => [...path, index]) : [path]
}
