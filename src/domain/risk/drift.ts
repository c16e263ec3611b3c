/**
 * What changed about a tool, and how grave that is. Other words about a tool that only reads pass with a notice, because people
 * switch off what cries at every release; everything else waits until a person has looked.
 */
import { canonical, type JsonObject, type JsonValue, sha256 } from '../canonical.ts'
import { type Category, categories, type Risk, risks, type ToolFacts, unknownTool } from '../risk.ts'
import { definingPart } from '../tool-call.ts'
import { classify } from './classify.ts'

/** A definition as it was seen, and what the classifier made of it then. */
export interface SeenTool extends ToolFacts {
  readonly tool: string
  /** As approvals pin it. */
  readonly digest: string
  /** Canonical JSON of the defining members. */
  readonly text: string
}

/** A definition of half a megabyte is a manual or an attack; it is not kept, and stays unknown. */
const DEFINITION_LENGTH_MAX = 256 * 1024

/**
 * `null`: it has no name, no canonical form, or is too large to keep.
 * @param isTrusted the server is marked as trusted: its annotations are believed
 */
export function seenTool(listed: JsonObject, isTrusted = false): SeenTool | null {
  if (typeof listed.name !== 'string' || !/^[A-Za-z0-9_.-]{1,128}$/.test(listed.name)) return null
  try {
    const text = canonical(definingPart(listed))
    if (text.length > DEFINITION_LENGTH_MAX) return null
    const { category, risk } = classify(listed, { isTrusted })
    return { tool: listed.name, digest: sha256(text), text, category, risk }
  } catch {
    return null
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

/** Member by member, in the order of the canonical form. @param before `null`: the tool is new */
export function diffOf(
  before: string | null,
  after: string,
): { lines: readonly DiffLine[]; isComplete: boolean } {
  const was = new Map(before === null ? [] : leaves(parsed(before), ''))
  const is = new Map(leaves(parsed(after), ''))
  const paths = [...new Set([...was.keys(), ...is.keys()])]
  const lines = paths
    .map((path) => ({ path, before: was.get(path) ?? null, after: is.get(path) ?? null }))
    .filter((line) => line.before !== line.after)
  return { lines: lines.slice(0, DIFF_LINES_MAX), isComplete: lines.length <= DIFF_LINES_MAX }
}

function leaves(value: JsonValue, path: string): (readonly [string, string])[] {
  if (isObject(value) && Object.keys(value).length > 0) {
    return Object.entries(value).flatMap(([key, member]) =>
      leaves(member, path === '' ? key : `${path}.${key}`),
    )
  }
  return [[path, typeof value === 'string' ? value : JSON.stringify(value)]]
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
