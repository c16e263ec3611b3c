/**
 * Reads a YAML or JSON file into a plain value that knows where each of its parts was written.
 *
 * JSON is read by the YAML 1.2 parser too, whose core schema contains it: one parser, one set of positions, one rule for
 * duplicate keys. What makes YAML surprising is refused: anchors and aliases, tags, merge keys, several documents.
 */
import { readFileSync, statSync } from 'node:fs'
import {
  Composer,
  CST,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  Parser,
  type YAMLMap,
} from 'yaml'
import type { JsonValue } from '../domain/canonical.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { keepsDigits } from '../domain/strict-json.ts'
import type { Problem } from './problem.ts'

export type Path = readonly (string | number)[]

export interface Place {
  readonly line: number | null
  readonly column: number | null
}

export interface Document {
  readonly file: string
  /** `undefined` where nothing is written. */
  get(path: Path): JsonValue | undefined
  /** Where the value was written; for a part that is not there, the nearest enclosing one. */
  at(path: Path): Place
  /** Where its key was written. */
  keyAt(path: Path): Place
}

/** Far more than people write by hand; a larger file is a mistake or an attack. */
export const DOCUMENT_BYTES_MAX = 1024 * 1024
/** Configuration is shallow. The walk below recurses once for each level. */
const DEPTH_MAX = 32
/** A broken file can have thousands of errors; the first ones explain the rest. */
const PROBLEMS_MAX = 20
/** Each level of a block costs a column or more. */
const INDENT_MAX = 256
/** Some 20,000 rules. A file of nothing but commas keeps the parser busy for 20 s for each million. */
const TOKENS_MAX = 200_000
/** Keys that mean something to JavaScript objects. */
const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype'])

/** RFC 6901. */
export const pointer = (path: Path): string =>
  path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** @param name how the file is called in problems */
export function readTextFile(path: string, name: string): Result<string, Problem[]> {
  const refuse = (message: string, remedy: string) =>
    err([{ file: name, line: null, column: null, path: '', message, remedy }])
  try {
    const status = statSync(path)
    if (!status.isFile()) return refuse('this is not a file', 'name a YAML or JSON file')
    if (status.size > DOCUMENT_BYTES_MAX) return refuse(...tooLarge)
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      return refuse('the file is not UTF-8 text', 'save it as UTF-8')
    }
    return code === 'ENOENT'
      ? refuse('there is no such file', 'create it, or correct the path')
      : refuse(`the file cannot be read (${code})`, 'make it readable for the user that runs holdpoint')
  }
}

const tooLarge = ['the file is larger than 1 MiB', 'split it, or remove what is not needed'] as const

/**
 * @param ifEmpty what to do about a file that says nothing
 * @param isInForce the text was put in force before there was a check for numbers that are rounded
 */
export function readDocument(
  file: string,
  text: string,
  ifEmpty: string,
  isInForce = false,
): Result<Document, Problem[]> {
  const empty = ['the file says nothing', ifEmpty] as const
  const lines = new LineCounter()
  const problems: Problem[] = []
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const report = (place: Place, path: Path, message: string, remedy: string) => {
    if (problems.length < PROBLEMS_MAX)
      problems.push({ file, ...place, path: pointer(path), message, remedy })
  }
  const start = { line: 1, column: 1 }

  if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) {
    report(start, [], ...tooLarge)
    return err(problems)
  }
  const tokens = tokensOf(text, lines)
  if (!tokens.ok) {
    report(placeIn(text, tokens.error.offset), [], ...tokens.error.words)
    return err(problems)
  }
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    stringKeys: true,
    // The parser compares each key with every other; the walk uses a set, because a file may hold 100,000 keys.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const parsed = composer.compose(tokens.value)
  const [document, second] = Array.from(parsed)
  if (document === undefined) {
    report(start, [], ...empty)
    return err(problems)
  }
  if (second !== undefined) {
    const place = placeOf(second.range[0])
    report(place, [], 'the file holds more than one document', 'keep one and remove the `---` line')
  }
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    report(start, [], 'only YAML 1.2 is read here', 'remove the %YAML line')
  }
  for (const { code, message, pos } of document.errors) report(placeOf(pos[0]), [], ...explain(code, message))

  if (document.contents === null) {
    if (problems.length === 0) report(start, [], ...empty)
    return err(problems)
  }

  /** Where the walk is; one list for all of it, because a file may have 100,000 parts. */
  const path: (string | number)[] = []
  const { contents } = document
  const value = walk(contents, 0)
  if (problems.length > 0) return err(problems)

  return ok({
    file,
    get: (at) => valueAt(value, at),
    at: (at) => {
      const { key, value: place, isExact } = placesOf(contents, at)
      return placeOf(isExact ? place : key)
    },
    keyAt: (at) => placeOf(placesOf(contents, at).key),
  })

  /** @param keyAt where its key or the entry begins */
  function walk(node: unknown, keyAt: number): JsonValue {
    const at = offsetOf(node, keyAt)
    const refuse = (message: string, remedy: string) => report(placeOf(at), path, message, remedy)
    if (path.length > DEPTH_MAX) {
      refuse(...tooDeep)
      return null
    }
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) {
      refuse('aliases (`*name`) are not read here', 'write the value out')
      return null
    }
    if (node.anchor !== undefined) refuse('anchors (`&name`) are not read here', 'remove the anchor')
    if (node.tag !== undefined) {
      refuse(`tags (\`${node.tag}\`) are not read here`, 'remove the tag; quote the value to make it text')
    }
    if (isScalar(node)) {
      const scalar = node.value
      if (typeof scalar === 'string' || typeof scalar === 'boolean' || scalar === null) return scalar
      if (typeof scalar === 'number' && Number.isFinite(scalar)) {
        if (!isInForce && !isHeldExactly(node.source ?? String(scalar))) {
          const message = `no number holds this exactly: it would be read as ${shownNumber(scalar)}`
          const remedy =
            'put an id in quotes: calls bring such a one as text, which `eq` and `eq_text` compare'
          refuse(message, remedy)
        }
        return scalar
      }
      refuse('this value has no JSON form', 'write a number, text, true, false or null')
      return null
    }
    if (isSeq(node)) {
      const items: JsonValue[] = []
      for (const item of node.items) {
        path.push(items.length)
        items.push(walk(item, offsetOf(item, at)))
        path.pop()
      }
      return items
    }

    const entries: [string, JsonValue][] = []
    const seen = new Set<string>()
    for (const pair of node.items) {
      const pairAt = offsetOf(pair.key, keyAt)
      // The parser was told to make every key a string; what it could not is among its errors already.
      if (!isScalar(pair.key) || typeof pair.key.value !== 'string') continue
      const key = pair.key.value
      path.push(key)
      const refuseKey = (message: string, remedy: string) => report(placeOf(pairAt), path, message, remedy)
      if (pair.key.anchor !== undefined || pair.key.tag !== undefined) {
        refuseKey('anchors and tags are not read here', 'write the plain key')
      }
      if (key === '<<') {
        refuseKey('merge keys (`<<`) are not read here', 'write the keys out')
      } else if (dangerousKeys.has(key)) {
        refuseKey(`the key "${key}" is not allowed`, 'choose another name')
      } else if (seen.has(key)) {
        refuseKey(`the key "${key}" is written twice`, 'keep one of them')
      } else {
        seen.add(key)
        entries.push([key, pair.value === null ? null : walk(pair.value, pairAt)])
      }
      path.pop()
    }
    return Object.fromEntries(entries)
  }
}

interface Places {
  /** Offsets in the text. */
  readonly key: number
  readonly value: number
  /** Whether the part itself is there, and not only what it would be in. */
  readonly isExact: boolean
}

/** Looked up when somebody asks, which is for problems only: a place for every part takes longer than reading them. */
function placesOf(root: unknown, path: Path): Places {
  let node = root
  let places: Places = { key: 0, value: 0, isExact: path.length === 0 }
  for (const [index, step] of path.entries()) {
    const isExact = index === path.length - 1
    if (isSeq(node)) {
      const item = node.items[Number(step)]
      if (item === undefined) break
      const at = offsetOf(item, places.value)
      places = { key: at, value: at, isExact }
      node = item
    } else if (isMap(node)) {
      const pair = pairsOf(node).get(String(step))
      if (pair === undefined) break
      const key = offsetOf(pair.key, places.key)
      places = { key, value: offsetOf(pair.value, key), isExact }
      node = pair.value
    } else break
  }
  return places
}

const pairs = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const known = pairs.get(map)
  if (known !== undefined) return known
  const made = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : '', pair]))
  pairs.set(map, made)
  return made
}

const offsetOf = (node: unknown, otherwise: number): number => (hasRange(node) ? node.range[0] : otherwise)

function valueAt(value: JsonValue, path: Path): JsonValue | undefined {
  let found: JsonValue | undefined = value
  for (const step of path) {
    if (found === undefined || found === null || typeof found !== 'object') return undefined
    if (!Object.hasOwn(found, step)) return undefined
    found = isList(found) ? found[Number(step)] : found[step]
  }
  return found
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)

interface Excess {
  /** Where the first part stands that is too much. */
  readonly offset: number
  readonly words: readonly [message: string, remedy: string]
}

/** What the lexer puts between the pieces of the text, and no part of it. */
const marks = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR])

/**
 * The parser recurses, and a stack that runs out inside one of its regular expressions ends the process instead of
 * throwing (V8: "RegExpCompiler Allocation failed"). The lexer hands out tokens one by one, so each is looked at before the
 * parser gets it.
 */
function tokensOf(text: string, lines: LineCounter): Result<readonly CST.Token[], Excess> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  const parsed: CST.Token[] = []
  let tokens = 0
  let brackets = 0
  let indicators = 0
  let offset = 0
  let isLineStart = true
  let isScalar = false
  for (const token of new Lexer().lex(text)) {
    // What follows the mark of a scalar is its text, whatever that looks like.
    const type = isScalar ? 'scalar' : CST.tokenType(token)
    const isMark: boolean = !isScalar && marks.has(token)
    isScalar = isMark && token === CST.SCALAR
    tokens += 1
    if (type === 'flow-seq-start' || type === 'flow-map-start') brackets += 1
    else if (type === 'flow-seq-end' || type === 'flow-map-end') brackets -= 1
    else if (type === 'newline') indicators = 0
    // `- - - a` and `? ? ? a` open several levels in one line.
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') indicators += 1
    else if (type === 'space' && isLineStart && token.length > INDENT_MAX)
      return err({ offset, words: tooDeep })
    if (brackets > DEPTH_MAX || indicators > DEPTH_MAX) return err({ offset, words: tooDeep })
    if (tokens > TOKENS_MAX) return err({ offset, words: tooManyParts })
    isLineStart = type === 'newline'
    if (!isMark) offset += token.length
    for (const each of parser.next(token)) parsed.push(each)
  }
  for (const each of parser.end()) parsed.push(each)
  return ok(parsed)
}

/** Before the parser has counted lines. */
function placeIn(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

const tooManyParts = ['the file has too many parts', 'split it, or remove what is not needed'] as const
const tooDeep = ['the file is nested too deeply', `keep to ${DEPTH_MAX} levels`] as const

/** YAML also writes `+1`, and the two notations of computers. */
const isHeldExactly = (source: string) =>
  /^0[xo]/.test(source) ? Number(source) <= Number.MAX_SAFE_INTEGER : keepsDigits(source.replace(/^\+/, ''))

/** All digits, where there are not too many of them. */
const shownNumber = (value: number) => (Math.abs(value) < 1e30 ? BigInt(value).toString() : String(value))

function hasRange(node: unknown): node is { range: readonly [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
}

function explain(code: string, message: string): [message: string, remedy: string] {
  switch (code) {
    case 'TAB_AS_INDENT':
      return ['a tab is used as indentation', 'indent with spaces']
    case 'NON_STRING_KEY':
      return ['a key must be text', 'write the key as text']
    case 'BAD_INDENT':
    case 'MISSING_CHAR':
    case 'UNEXPECTED_TOKEN':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return [
        `this is not valid YAML or JSON: ${message}`,
        'check indentation, quotes, brackets and commas around here',
      ]
    default:
      return [`this is not valid YAML or JSON: ${message}`, 'write it in YAML 1.2 or JSON']
  }
}
