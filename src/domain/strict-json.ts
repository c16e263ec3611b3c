/**
 * JSON that every parser reads the same way. What another parser could read differently (duplicate keys, integers that
 * round, lone surrogates, depth) is refused with its place and a remedy, before anyone decides or forwards anything.
 */
import { createScanner } from 'jsonc-parser'
import type { JsonValue } from './canonical.ts'
import { JSON_DEPTH_MAX, JSON_TOKENS_MAX } from './limits.ts'
import { err, ok, type Result } from './result.ts'

export type JsonFaultReason =
  | 'syntax'
  | 'duplicate_key'
  | 'forbidden_key'
  | 'number_out_of_range'
  | 'inexact_number'
  | 'lone_surrogate'
  | 'too_deep'
  | 'too_many_tokens'

export interface JsonFault {
  readonly reason: JsonFaultReason
  /** What is wrong, where, and what to send instead. Quotes at most the key or number in question. */
  readonly message: string
  /** Bytes before it in the UTF-8 text, `null` when the parser does not say. */
  readonly atByte: number | null
}

/**
 * `whole` holds every key and value to the rules. `envelope` looks at depth, and at the keys of the message and of its
 * direct members only: enough to know what a message is, without judging what merely passes through.
 */
export type Scope = 'whole' | 'envelope'
const ENVELOPE_KEY_DEPTH = 2

export function parseStrictJson(text: string, scope: Scope): Result<JsonValue, JsonFault> {
  // Before JSON.parse, which spends seconds on millions of brackets.
  const fault = findFault(text, scope)
  if (fault !== null) return err(fault)
  try {
    const value: JsonValue = JSON.parse(text)
    return ok(value)
  } catch (error) {
    const detail = error instanceof SyntaxError ? error.message : 'it cannot be parsed'
    return err({ reason: 'syntax', message: `not valid JSON: ${detail}`, atByte: null })
  }
}

/** `SyntaxKind` of jsonc-parser, whose enum exists for its own compiler only. */
const tokens = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  string: 10,
  number: 11,
  end: 17,
} as const

interface Container {
  /** The keys seen so far; `null` in an array. */
  readonly keys: Set<string> | null
}

/**
 * One pass over the tokens, without recursion. It assumes valid grammar: in a text without it, any finding is as good a
 * reason to refuse as the one `JSON.parse` would give.
 */
function findFault(text: string, scope: Scope): JsonFault | null {
  const scanner = createScanner(text, true)
  const containers: Container[] = []
  let isKeyNext = false
  let count = 0
  // The scanner itself takes half a second for four megabytes of blanks.
  const next = () => {
    const at = scanner.getPosition()
    if (isBlank(text, at)) scanner.setPosition(endOfBlanks(text, at))
    return scanner.scan()
  }
  for (let token = next(); token !== tokens.end; token = next()) {
    const at = scanner.getTokenOffset()
    if (++count > JSON_TOKENS_MAX) return tooManyTokens(text, at)
    switch (token) {
      case tokens.openBrace:
      case tokens.openBracket: {
        const isObject = token === tokens.openBrace
        containers.push({ keys: isObject ? new Set() : null })
        isKeyNext = isObject
        if (containers.length > JSON_DEPTH_MAX) return tooDeep(text, at)
        break
      }
      case tokens.closeBrace:
      case tokens.closeBracket:
        containers.pop()
        isKeyNext = false
        break
      case tokens.comma:
        isKeyNext = (containers.at(-1)?.keys ?? null) !== null
        break
      case tokens.string: {
        const value = scanner.getTokenValue()
        const keys = isKeyNext ? (containers.at(-1)?.keys ?? null) : null
        isKeyNext = false
        const isJudged = scope === 'whole' || containers.length <= ENVELOPE_KEY_DEPTH
        const fault =
          (scope === 'whole' ? surrogateFault(text, at, value) : null) ??
          (keys !== null && isJudged ? keyFault(text, at, value, keys, scope) : null)
        if (fault !== null) return fault
        break
      }
      case tokens.number: {
        if (scope !== 'whole') break
        const fault = numberFault(text, at, text.slice(at, at + scanner.getTokenLength()))
        if (fault !== null) return fault
        break
      }
    }
  }
  return null
}

const isBlank = (text: string, at: number) => ' \t\n\r'.includes(text.charAt(at) || '.')

function endOfBlanks(text: string, at: number): number {
  const blanks = /[ \t\n\r]*/y
  blanks.lastIndex = at
  blanks.test(text)
  return blanks.lastIndex
}

/** Parsers that build objects by assignment take these for the object's own machinery. */
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

function keyFault(text: string, at: number, key: string, keys: Set<string>, scope: Scope): JsonFault | null {
  if (keys.has(key)) {
    return fault(text, at, 'duplicate_key', `duplicate key ${quoted(key)}`, 'send each key once')
  }
  keys.add(key)
  if (scope === 'whole' && forbiddenKeys.has(key)) {
    return fault(text, at, 'forbidden_key', `forbidden key ${quoted(key)}`, 'rename it')
  }
  return null
}

function surrogateFault(text: string, at: number, value: string): JsonFault | null {
  if (!/\p{Surrogate}/u.test(value)) return null
  return fault(text, at, 'lone_surrogate', 'unpaired surrogate in a string', 'send whole Unicode characters')
}

function numberFault(text: string, at: number, literal: string): JsonFault | null {
  const value = Number(literal)
  if (!Number.isFinite(value)) {
    const what = `number out of range: ${shortened(literal)}`
    return fault(text, at, 'number_out_of_range', what, 'send it as a string')
  }
  // Beyond 2^53 a double is an integer; written with a fraction or an exponent it may still be exactly the one that was sent.
  const isOfDigits = /^-?\d+$/.test(literal) && Math.abs(value) > Number.MAX_SAFE_INTEGER
  if (!isOfDigits && keepsDigits(literal)) return null
  const what = `JSON numbers cannot hold ${shortened(literal)} exactly`
  return fault(text, at, 'inexact_number', what, 'send it as a string')
}

/**
 * Whether the number that is read has the digits that were written. Fractions are rounded everywhere and by everybody; this is about
 * integers, of which no digit may change.
 */
export function keepsDigits(literal: string): boolean {
  const value = Number(literal)
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER || decimal(literal) === decimal(String(value))
}

/** The same text for every spelling of one decimal number: its digits without outer zeros, and the exponent. */
function decimal(literal: string): string {
  const [mantissa = '', exponent = '0'] = literal.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  let end = digits.length
  while (digits[end - 1] === '0') end--
  return `${digits.slice(0, end)}e${Number(exponent) - fraction.length + digits.length - end}`
}

function tooManyTokens(text: string, at: number): JsonFault {
  const what = `more than ${JSON_TOKENS_MAX} brackets, commas, colons and values`
  return fault(text, at, 'too_many_tokens', what, 'send less in one message')
}

function tooDeep(text: string, at: number): JsonFault {
  return fault(text, at, 'too_deep', `nesting deeper than ${JSON_DEPTH_MAX}`, 'send a flatter structure')
}

function fault(text: string, at: number, reason: JsonFaultReason, what: string, remedy: string): JsonFault {
  const atByte = Buffer.byteLength(text.slice(0, at), 'utf8')
  return { reason, message: `${what} at byte ${atByte}; ${remedy}`, atByte }
}

const QUOTED_LENGTH_MAX = 60
const shortened = (words: string) =>
  words.length <= QUOTED_LENGTH_MAX ? words : `${words.slice(0, QUOTED_LENGTH_MAX)}…`
const quoted = (key: string) => `'${shortened(key).replace(/\p{Surrogate}|\p{Control}/gu, '\uFFFD')}'`
