/** Narrowing of parsed JSON. */
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The member when it is an object, else an empty one. */
export function objectMember(value: JsonValue | undefined, name: string): JsonObject {
  const member = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return isObject(member) ? member : {}
}

export function stringMember(value: JsonValue | undefined, name: string): string | null {
  const member = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return typeof member === 'string' ? member : null
}
