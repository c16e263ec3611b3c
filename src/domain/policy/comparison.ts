/** One comparison with a value of a call. Typed: text is no number, and what is of another kind is unknown, not unequal. */
import type { JsonValue } from '../canonical.ts'
import { type Glob, matchesGlob } from './glob.ts'
import type { Regex } from './regex.ts'
import { allOf, anyOf, not, type Truth } from './truth.ts'
import { type Found, isList, unclear, type ValuePath, valueAt } from './value-path.ts'

export type Scalar = string | number | boolean

export type Comparison =
  | { readonly op: 'eq' | 'neq' | 'eq_text' | 'contains'; readonly value: Scalar }
  | { readonly op: 'in' | 'not_in' | 'in_text'; readonly values: readonly Scalar[] }
  | { readonly op: 'lt' | 'lte' | 'gt' | 'gte'; readonly value: number }
  | { readonly op: 'starts_with' | 'ends_with'; readonly value: string }
  | { readonly op: 'like'; readonly patterns: readonly Glob[] }
  | { readonly op: 'matches'; readonly regex: Regex }
  | { readonly op: 'exists'; readonly value: boolean }
  | { readonly op: 'length'; readonly is: readonly Comparison[] }
  /** Of the entries of a list; `path` leads to a part of each. */
  | { readonly op: 'some' | 'every'; readonly path: ValuePath | null; readonly is: readonly Comparison[] }

/** @param value `undefined`: there is none */
export function compare(comparison: Comparison, value: Found): Truth {
  if (value === unclear) return null
  const isThere = value !== undefined && value !== null
  if (comparison.op === 'exists') return isThere === comparison.value
  if (!isThere) return null
  switch (comparison.op) {
    case 'eq':
      return equal(value, comparison.value)
    case 'neq':
      return not(equal(value, comparison.value))
    case 'in':
      return isAmong(value, comparison.values)
    case 'not_in':
      return not(isAmong(value, comparison.values))
    case 'eq_text':
      return sameText(value, comparison.value)
    case 'in_text':
      return anyOf(comparison.values, (each) => sameText(value, each))
    case 'lt':
      return typeof value === 'number' ? value < comparison.value : null
    case 'lte':
      return typeof value === 'number' ? value <= comparison.value : null
    case 'gt':
      return typeof value === 'number' ? value > comparison.value : null
    case 'gte':
      return typeof value === 'number' ? value >= comparison.value : null
    case 'contains':
      return contains(value, comparison.value)
    case 'starts_with':
      return typeof value === 'string' ? value.startsWith(comparison.value) : null
    case 'ends_with':
      return typeof value === 'string' ? value.endsWith(comparison.value) : null
    case 'like':
      return typeof value === 'string'
        ? comparison.patterns.some((pattern) => matchesGlob(pattern, value))
        : null
    case 'matches':
      return typeof value === 'string' ? comparison.regex.isFoundIn(value) : null
    case 'length': {
      const length = lengthOf(value)
      return allOf(comparison.is, (each) => compare(each, length))
    }
    case 'some':
    case 'every': {
      if (!isList(value)) return null
      const { path, is } = comparison
      const truth = (item: JsonValue) => {
        const part = path === null ? item : valueAt(item, path.steps)
        return allOf(is, (each) => compare(each, part))
      }
      return comparison.op === 'some' ? anyOf(value, truth) : allOf(value, truth)
    }
  }
}

function equal(value: JsonValue, expected: Scalar): Truth {
  return typeof value === typeof expected ? value === expected : null
}

function isAmong(value: JsonValue, expected: readonly Scalar[]): Truth {
  const comparable = expected.filter((each) => typeof each === typeof value)
  return comparable.length === 0 ? null : comparable.some((each) => each === value)
}

function contains(value: JsonValue, part: Scalar): Truth {
  if (typeof value === 'string') return typeof part === 'string' ? value.includes(part) : null
  return value !== null && isList(value) ? anyOf(value, (item) => equal(item, part)) : null
}

/** As PolicyLayer compares: numbers as numbers, everything else by how it is written. */
function sameText(value: JsonValue, expected: Scalar): Truth {
  if (value === null || typeof value === 'object') return null
  return typeof value === 'number' && typeof expected === 'number'
    ? value === expected
    : String(value) === String(expected)
}

/** Characters as people count them, entries of a list, keys of a map. */
function lengthOf(value: JsonValue): number | undefined {
  if (typeof value === 'string') return [...value].length
  if (value === null || typeof value !== 'object') return undefined
  return isList(value) ? value.length : Object.keys(value).length
}
