/**
 * Where in a call a condition looks: `args.items[0]["unit price"]`, or `tool`, `agent`, `owner`, `server`, `category`,
 * `risk`. Walks own properties only, so that no name reaches the machinery of JavaScript objects.
 */
import type { JsonObject, JsonValue } from '../canonical.ts'
import { foldName } from '../fold-name.ts'
import { err, ok, type Result } from '../result.ts'

export const callFields = ['tool', 'agent', 'owner', 'server', 'category', 'risk'] as const
export type CallField = (typeof callFields)[number]

export interface ValuePath {
  readonly source: string
  readonly root: 'args' | CallField
  /** Keys and indexes below `args`. */
  readonly steps: readonly (string | number)[]
}

const PATH_LENGTH_MAX = 256
const STEPS_MAX = 32
/** Lists that are longer are no place for a rule about one entry. */
const INDEX_MAX = 9_999
const dangerous = new Set(['__proto__', 'constructor', 'prototype'])
const stepPattern = /\.([A-Za-z0-9_-]+)|\[(\d{1,5})\]|\["((?:[^"\\]|\\["\\])*)"\]/y

/** @returns why it is no path, in words */
export function parsePath(source: string): Result<ValuePath, string> {
  if (source.length > PATH_LENGTH_MAX) return err(`a path has at most ${PATH_LENGTH_MAX} characters`)
  const field = callFields.find((name) => name === source)
  if (field !== undefined) return ok({ source, root: field, steps: [] })
  const [root = ''] = source.split(/[.[]/, 1)
  if (root !== 'args') {
    return err(
      `a path begins with "args", or is one of ${callFields.join(', ')}; "${shown(source)}" does not`,
    )
  }
  return stepsOf(source, 'args'.length, 'args')
}

/**
 * As PolicyLayer writes it: a dot ends a key, and everything else is part of one, brackets and `$` too. `source` is how we write it.
 *
 * @returns why it is no path, in words
 */
export function parseDottedPath(source: string): Result<ValuePath, string> {
  const [root, ...keys] = source.split('.', STEPS_MAX + 2)
  if (root !== 'args' || keys.length === 0) return parsePath(source)
  if (keys.length > STEPS_MAX) return err(`a path has at most ${STEPS_MAX} steps`)
  if (keys.includes('')) return err(`"${shown(source)}" is not a path: a key in it is empty`)
  const refused = keys.find((key) => dangerous.has(key))
  if (refused !== undefined) return err(`"${refused}" is not allowed in a path`)
  const written = `args${keys.map(writtenKey).join('')}`
  if (written.length > PATH_LENGTH_MAX) return err(`a path has at most ${PATH_LENGTH_MAX} characters`)
  return ok({ source: written, root: 'args', steps: keys })
}

const writtenKey = (key: string) =>
  /^[A-Za-z0-9_-]+$/.test(key) ? `.${key}` : `["${key.replace(/["\\]/g, '\\$&')}"]`

/** A path inside one entry of a list: `price`, `a.b[0]`. */
export function parseItemPath(source: string): Result<ValuePath, string> {
  if (source.length > PATH_LENGTH_MAX) return err(`a path has at most ${PATH_LENGTH_MAX} characters`)
  const dotted = source.startsWith('[') ? source : `.${source}`
  const parsed = stepsOf(dotted, 0, 'args')
  return parsed.ok ? ok({ ...parsed.value, source }) : parsed
}

function stepsOf(source: string, from: number, root: 'args'): Result<ValuePath, string> {
  const steps: (string | number)[] = []
  let at = from
  while (at < source.length) {
    stepPattern.lastIndex = at
    const match = stepPattern.exec(source)
    if (match === null)
      return err(`"${shown(source)}" is not a path: it stops making sense at character ${at + 1}`)
    const [text, name, index, quoted] = match
    if (index !== undefined) {
      if (Number(index) > INDEX_MAX) return err(`the index ${index} is larger than ${INDEX_MAX}`)
      steps.push(Number(index))
    } else {
      const key = name ?? (quoted ?? '').replace(/\\(["\\])/g, '$1')
      if (dangerous.has(key)) return err(`"${key}" is not allowed in a path`)
      steps.push(key)
    }
    if (steps.length > STEPS_MAX) return err(`a path has at most ${STEPS_MAX} steps`)
    at += text.length
  }
  return ok({ source, root, steps })
}

const shown = (source: string) => source.slice(0, 80)

/**
 * What is there cannot be known: the path leads through what is no container (some servers parse JSON that comes as text),
 * or a key beside it is the same one to a parser that ignores case. Unlike a missing value, no `default` and no `exists`
 * says anything about it.
 */
export const unclear = Symbol('unclear')

/** A value, `undefined` where there is none, or that nobody can know which one. */
export type Found = JsonValue | undefined | typeof unclear

/** `null` counts as nothing: that is what servers take it for. */
export function valueAt(root: JsonValue, steps: ValuePath['steps']): Found {
  let value: JsonValue = root
  for (const step of steps) {
    if (value === null) return undefined
    if (typeof value !== 'object' || isList(value) !== (typeof step === 'number')) return unclear
    const below: Found = isList(value) ? value[Number(step)] : memberOf(value, String(step))
    if (below === undefined || below === unclear) return below
    value = below
  }
  return value === null ? undefined : value
}

function memberOf(object: JsonObject, name: string): Found {
  const alike = spellingsOf(object).get(foldName(name))
  if (alike === undefined) return undefined
  const [only] = alike
  if (alike.length === 1 && only === name) return object[name]
  return alike.every((each) => object[each] === null) ? undefined : unclear
}

const known = new WeakMap<JsonObject, ReadonlyMap<string, readonly string[]>>()

/** The keys of one object, by what they are to a parser that ignores case; made once, however many conditions ask. */
function spellingsOf(object: JsonObject): ReadonlyMap<string, readonly string[]> {
  const before = known.get(object)
  if (before !== undefined) return before
  const spellings = new Map<string, string[]>()
  for (const name of Object.keys(object)) {
    const folded = foldName(name)
    const alike = spellings.get(folded)
    if (alike === undefined) spellings.set(folded, [name])
    else alike.push(name)
  }
  known.set(object, spellings)
  return spellings
}

export const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)
