/** What a rule lets an approver allow beyond one call: how many more, for how long, and which arguments may differ. */
import type { JsonValue } from '../canonical.ts'
import type { Comparison } from './comparison.ts'

/** The comparisons that say what people can read and count. They are plain values, so that a record can hold them. */
export type Bound =
  | { readonly op: 'in'; readonly values: readonly (string | number | boolean)[] }
  | { readonly op: 'lt' | 'lte' | 'gt' | 'gte'; readonly value: number }
  | { readonly op: 'starts_with' | 'ends_with'; readonly value: string }
  | {
      readonly op: 'length'
      readonly is: readonly { readonly op: 'lt' | 'lte' | 'gt' | 'gte'; readonly value: number }[]
    }

/** An argument that may be another one in a later call, within these bounds. */
export interface MayDiffer {
  /** As written: `args.amount`. */
  readonly path: string
  /** Keys below `args`; an entry of a list cannot be let free. */
  readonly steps: readonly string[]
  readonly is: readonly Bound[]
}

export interface GrantTerms {
  /** Further calls, beside the one that is decided. */
  readonly usesMax: number
  readonly durationMsMax: number
  /** In the order of their paths; every other argument has to be the same. */
  readonly mayDiffer: readonly MayDiffer[]
}

/** A grant that more people would have to read than this is a rule of its own. */
export const GRANT_USES_MAX = 100
/** A day: what was right yesterday has to be asked again. */
export const GRANT_DURATION_MS_MAX = 24 * 60 * 60 * 1000
/** Less is over before the agent has called again. */
export const GRANT_DURATION_MS_MIN = 60_000
/** More arguments that may differ are another call. */
export const MAY_DIFFER_MAX = 10

/** Only what every rule allows that asks: the fewest uses, the shortest time, the arguments that all of them let free. */
export function strictestGrants(asking: readonly (GrantTerms | null)[]): GrantTerms | null {
  const known = asking.filter((each) => each !== null)
  const [first] = known
  if (first === undefined || known.length < asking.length) return null
  const shared = first.mayDiffer.flatMap(({ path, steps }): MayDiffer[] => {
    const same = known.flatMap(({ mayDiffer }) => mayDiffer.filter((one) => one.path === path))
    return same.length < known.length ? [] : [{ path, steps, is: sorted(same.flatMap(({ is }) => is)) }]
  })
  return {
    usesMax: Math.min(...known.map(({ usesMax }) => usesMax)),
    durationMsMax: Math.min(...known.map(({ durationMsMax }) => durationMsMax)),
    mayDiffer: shared.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  }
}

/** Each once, in an order of their own, so that the order of rules never matters. */
function sorted(bounds: readonly Bound[]): readonly Bound[] {
  const byText = new Map(bounds.map((bound) => [JSON.stringify(bound), bound]))
  return [...byText.keys()].sort().flatMap((text) => byText.get(text) ?? [])
}

/** For the digest of a rule. */
export const grantTermsValue = ({ usesMax, durationMsMax, mayDiffer }: GrantTerms): JsonValue => ({
  usesMax,
  durationMsMax,
  mayDiffer: mayDiffer.map(({ path, is }) => ({ path, is: is.map(boundValue) })),
})

function boundValue(bound: Bound): JsonValue {
  switch (bound.op) {
    case 'in':
      return { op: bound.op, values: [...bound.values] }
    case 'length':
      return { op: bound.op, is: bound.is.map(({ op, value }) => ({ op, value })) }
    default:
      return { op: bound.op, value: bound.value }
  }
}

/** Of the comparisons of a condition those that a grant can be bounded by; `null`: this is none of them. */
export function boundOf(comparison: Comparison): Bound | null {
  switch (comparison.op) {
    case 'in':
      return { op: 'in', values: comparison.values }
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return { op: comparison.op, value: comparison.value }
    case 'starts_with':
    case 'ends_with':
      return { op: comparison.op, value: comparison.value }
    case 'length': {
      const is = comparison.is.flatMap((each) =>
        each.op === 'lt' || each.op === 'lte' || each.op === 'gt' || each.op === 'gte'
          ? [{ op: each.op, value: each.value }]
          : [],
      )
      return is.length === comparison.is.length ? { op: 'length', is } : null
    }
    default:
      return null
  }
}
