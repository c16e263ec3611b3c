/**
 * What changed about a tool, and how grave that is. Other words about a tool that only reads pass with a notice, because people
 * switch off what cries at every release; everything else waits until a person has looked.
 */
import { canonical, type JsonObject, type JsonValue, sha256 } from '../canonical.ts'
import { type Category, categories, type Risk, risks, type ToolFacts, unknownTool } from '../risk.ts'
import { definingPart } from '../tool-call.ts'
import { beginning } from '../well-formed.ts'
import { classify, UNKEPT } from './classify.ts'

/** A definition as it was seen, and what the classifier made of it then. */
export interface SeenTool extends ToolFacts {
  readonly tool: string
  /** As approvals pin it. */
  readonly digest: string
  /** Canonical JSON of the defining members. */
  readonly text: string
}

/** A definition of half a megabyte is a manual or an attack; of what is longer a stand-in is kept. */
const DEFINITION_LENGTH_MAX = 256 * 1024

/**
 * `null`: it has no name that could be called. A definition that cannot be kept is seen as a tool of which nothing is known.
 * @param isTrusted the server is marked as trusted: its annotations are believed
 */
export function seenTool(listed: JsonObject, isTrusted = false): SeenTool | null {
  const { name } = listed
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.-]{1,128}$/.test(name)) return null
  const part = definingPart(listed)
  try {
    const text = canonical(part)
    const digest = sha256(text)
    if (text.length > DEFINITION_LENGTH_MAX) return unkept(name, digest, `it has ${text.length} characters`)
    const { category, risk } = classify(listed, { isTrusted })
    return { tool: name, digest, text, category, risk }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return unkept(name, digestOfText(part), `it has no canonical form: ${beginning(why, WHY_LENGTH_MAX)}`)
  }
}

const WHY_LENGTH_MAX = 200

/** What people are shown in its place says why; whatever else it says is never believed. */
function unkept(tool: string, digest: string, why: string): SeenTool {
  const description = `Holdpoint does not keep what the server says about this tool: ${why} (SHA-256 ${digest}).`
  return { tool, digest, text: canonical({ name: tool, description, [UNKEPT]: true }), ...unknownTool }
}

/** Another text is another digest, though the same definition may have several. */
function digestOfText(part: JsonObject): string {
  try {
    return sha256(JSON.stringify(part))
  } catch {
    return sha256('nested too deeply to be written')
  }
}

/** The same definition, classified once more. */
export function seenAgain<Seen extends SeenTool>(seen: Seen, isTrusted: boolean): Seen {
  const { category, risk } = classify(parsed(seen.text), { isTrusted })
  return { ...seen, category, risk }
}

export type Drift = 'same' | 'words' | 'grave'

export function driftOf(accepted: SeenTool, seen: SeenTool): Drift {
  if (accepted.digest === seen.digest) return 'same'
  const isHarmless = (one: SeenTool) => one.category === 'read' && one.risk === 'low'
  const isOnlyWords = withoutWords(accepted.text) === withoutWords(seen.text)
  return isOnlyWords && isHarmless(accepted) && isHarmless(seen) ? 'words' : 'grave'
}

/** Title and description of the tool itself. Those of its arguments say what to put in, and count as schema. */
function withoutWords(text: string): string {
  const { title: _title, description: _description, ...rest } = parsed(text)
  return canonical(rest)
}

function parsed(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text)
  return isObject(value) ? value : {}
}

/** The worse of what it was and what it is, while nobody has accepted what it is. */
export function worseFacts(a: ToolFacts, b: ToolFacts): ToolFacts {
  if (a.category === null || b.category === null) return unknownTool
  return {
    category: worse<Category>(categories, a.category, b.category),
    risk: worse<Risk>(risks, a.risk, b.risk),
  }
}

const worse = <T>(order: readonly T[], a: T, b: T): T => (order.indexOf(a) >= order.indexOf(b) ? a : b)

export interface DiffLine {
  /** `description`, `inputSchema.properties.path.type` … */
  readonly path: string
  readonly before: string | null
  readonly after: string | null
}

/** More than this is another tool, and is read as a whole. */
const DIFF_LINES_MAX = 200

/** Member by member, in the order of the canonical form. Definitions that differ have a line. @param before `null`: the tool is new */
export function diffOf(
  before: string | null,
  after: string,
): { lines: readonly DiffLine[]; isComplete: boolean } {
  const was = new Map(before === null ? [] : leaves(parsed(before), ''))
  const is = new Map(leaves(parsed(after), ''))
  const paths = [...new Set([...was.keys(), ...is.keys()])]
  const lines = paths.flatMap((path) => lineOf(path, was.get(path), is.get(path)))
  return { lines: lines.slice(0, DIFF_LINES_MAX), isComplete: lines.length <= DIFF_LINES_MAX }
}

/** Texts stand without quotes, unless the other side is no text: `false` and `"false"` are not the same. */
function lineOf(path: string, was: JsonValue | undefined, is: JsonValue | undefined): DiffLine[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return []
  const areTexts = [was, is].every((value) => value === undefined || typeof value === 'string')
  const shown = (value: JsonValue | undefined): string | null => {
    if (value === undefined) return null
    return areTexts && typeof value === 'string' ? value : JSON.stringify(value)
  }
  return [{ path, before: shown(was), after: shown(is) }]
}

function leaves(value: JsonValue, path: string): (readonly [string, JsonValue])[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [[path, value]]
  return Object.entries(value).flatMap(([key, member]) => leaves(member, memberPath(path, key)))
}

/** As conditions write paths, so that a dot in a name is not taken for a step. */
function memberPath(path: string, key: string): string {
  if (!/^[A-Za-z0-9_$-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
