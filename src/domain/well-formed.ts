/**
 * Texts of others that are kept: a lone half of a surrogate pair has no canonical form, so that an audit event with one could
 * not be written at all. Neither cutting a text nor what an upstream writes may lead to that.
 */
import type { JsonObject, JsonValue } from './canonical.ts'

/** The first `max` UTF-16 units at most, never half a sign; what came in halves is replaced by U+FFFD. */
export function beginning(text: string, max: number): string {
  const isBetweenHalves =
    text.length > max &&
    /[\uD800-\uDBFF]/.test(text.charAt(max - 1)) &&
    /[\uDC00-\uDFFF]/.test(text.charAt(max))
  return text.slice(0, isBetweenHalves ? max - 1 : max).toWellFormed()
}

/** The same value with U+FFFD for every lone surrogate in its texts. */
export function wellFormed(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, wellFormed(member)]))
    : value
}

const isObject = (value: JsonValue): value is JsonObject => typeof value === 'object' && value !== null
