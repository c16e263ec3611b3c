/** In which places two JSON texts differ, for people and agents who compare two calls. Bounded, whatever the texts are. */
import type { JsonValue } from './canonical.ts'
import { canonical } from './canonical.ts'

export interface Difference {
  /** JSON Pointer (RFC 6901) of the place. */
  readonly pointer: string
  /** RFC 8785 text of what stood there; `null`: nothing did. */
  readonly before: string | null
  readonly after: string | null
}

export interface Differences {
  readonly found: readonly Difference[]
  /** There are more than are listed. */
  readonly isCut: boolean
}

/** So many can be compared by eye; two calls with more in common than that are not the same call with a slip. */
export const DIFFERENCES_MAX = 20

/** @param before, after JSON texts. Objects and arrays are compared member by member, as deep as they go. */
export function differencesOf(before: string, after: string, max = DIFFERENCES_MAX): Differences {
  const found: Difference[] = []
  const isCut = collect(JSON.parse(before), JSON.parse(after), '', max, found)
  return { found, isCut }
}

/** @returns whether there was no room for all of them */
function collect(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  pointer: string,
  max: number,
  found: Difference[],
): boolean {
  const [were, are] = [membersOf(before), membersOf(after)]
  if (were === null || are === null || Array.isArray(before) !== Array.isArray(after)) {
    const [was, is] = [textOf(before), textOf(after)]
    if (was === is) return false
    if (found.length >= max) return true
    found.push({ pointer, before: was, after: is })
    return false
  }
  for (const name of new Set([...were.keys(), ...are.keys()])) {
    const at = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (collect(were.get(name), are.get(name), at, max, found)) return true
  }
  return false
}

const textOf = (value: JsonValue | undefined) => (value === undefined ? null : canonical(value))

/** `null`: it has no members. Maps, because a member may be called `__proto__`. */
function membersOf(value: JsonValue | undefined): ReadonlyMap<string, JsonValue> | null {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : null
}
