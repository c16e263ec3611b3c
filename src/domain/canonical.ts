/** Canonical bytes and their digest: what is shown, hashed and sent is one and the same text (RFC 8785). */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export type JsonObject = { readonly [key: string]: JsonValue }

/**
 * The RFC 8785 text of a JSON value.
 * @throws if the value holds something JSON cannot: an undefined root, a non-finite number, a lone surrogate.
 */
export function canonical(value: JsonValue): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('a value without a JSON form cannot be made canonical')
  return text
}

/** SHA-256 as 64 lower-case hexadecimal digits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

export const digestOf = (value: JsonValue): string => sha256(canonical(value))

/** What people compare: the first twelve digits, in groups of four. */
export const shortDigest = (digest: string): string =>
  `${digest.slice(0, 4)} ${digest.slice(4, 8)} ${digest.slice(8, 12)}`
