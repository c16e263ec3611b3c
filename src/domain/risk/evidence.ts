/** What spoke for a category or a level: which words, in which field, by which rule, and why that matters. */
import { type Category, categories, type Risk, risks } from '../risk.ts'

export interface Evidence {
  /** Where it stands: `name`, `description`, `inputSchema/properties/sql`, `annotations/destructiveHint` … */
  readonly field: string
  /** As written there, shortened. */
  readonly quote: string
  /** Name of the rule that fired; `docs/risk.md` lists them. */
  readonly rule: string
  /** One clause for people. */
  readonly reason: string
  /** `null`: says nothing about what the tool does, only how bad it can be. */
  readonly category: Category | null
  readonly risk: Risk
  /** Gives way to the operations that the schema offers. */
  readonly isVague: boolean
}

/** The reason of evidence that is about SQL, which a server may hold to reading. */
export const RUNS_SQL = 'runs SQL that the caller writes'

export const worseCategory = (a: Category, b: Category): Category =>
  categories.indexOf(a) >= categories.indexOf(b) ? a : b

export const worseRisk = (a: Risk, b: Risk): Risk => (risks.indexOf(a) >= risks.indexOf(b) ? a : b)

/** A quote is there to be recognised, not to repeat a description that may be pages long. */
export const QUOTE_LENGTH_MAX = 80

export function quoted(text: string): string {
  const line = text.replace(/\s+/gu, ' ').trim()
  return line.length > QUOTE_LENGTH_MAX ? `${line.slice(0, QUOTE_LENGTH_MAX - 1)}…` : line
}
