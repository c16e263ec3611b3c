/** Finds the rules that can concern a tool: by exact name in one step, the others by their patterns. */
import { type History, historyIn } from './condition.ts'
import { type Glob, isExact, matchesGlob } from './glob.ts'
import type { Rule } from './rule.ts'
import type { Limit } from './tally.ts'

interface Named<T> {
  readonly tools: readonly Glob[]
  readonly item: T
}

interface Table<T> {
  readonly exact: ReadonlyMap<string, readonly T[]>
  readonly patterns: readonly Named<T>[]
}

interface Index {
  readonly rules: Table<Rule>
  /** What is only counted, because some condition asks about it. */
  readonly counted: Table<Limit>
}

/** Made once for each list of rules, and gone with it. */
const indexes = new WeakMap<readonly Rule[], Index>()

export const rulesFor = (rules: readonly Rule[], tool: string): readonly Rule[] =>
  lookUp(indexOf(rules).rules, tool)

export const countedFor = (rules: readonly Rule[], tool: string): readonly Limit[] =>
  lookUp(indexOf(rules).counted, tool)

/** What has to be known of the past before a call of this tool can be judged. */
export function historyFor(rules: readonly Rule[], tool: string): readonly History[] {
  return rulesFor(rules, tool).flatMap(({ when }) => (when === null ? [] : historyIn(when)))
}

function indexOf(rules: readonly Rule[]): Index {
  const known = indexes.get(rules)
  if (known !== undefined) return known
  const counted = rules.flatMap(({ when, pointer }) =>
    (when === null ? [] : historyIn(when)).flatMap(({ tools, tally }) => {
      if (tools === null) return []
      const limit: Limit = { pointer, tally, max: null, reason: null }
      return [{ tools, item: limit }]
    }),
  )
  const index = {
    rules: tableOf(rules.map((rule) => ({ tools: rule.tools, item: rule }))),
    counted: tableOf(counted),
  }
  indexes.set(rules, index)
  return index
}

function tableOf<T>(entries: readonly Named<T>[]): Table<T> {
  const exact = new Map<string, T[]>()
  const patterns: Named<T>[] = []
  for (const { tools, item } of entries) {
    for (const { source } of new Map(tools.filter(isExact).map((tool) => [tool.source, tool])).values()) {
      const items = exact.get(source)
      if (items === undefined) exact.set(source, [item])
      else items.push(item)
    }
    const globs = tools.filter((tool) => !isExact(tool))
    if (globs.length > 0) patterns.push({ tools: globs, item })
  }
  return { exact, patterns }
}

function lookUp<T>({ exact, patterns }: Table<T>, tool: string): readonly T[] {
  const named = exact.get(tool) ?? []
  if (patterns.length === 0) return named
  const found = [...named]
  for (const { tools, item } of patterns) {
    if (!found.includes(item) && tools.some((pattern) => matchesGlob(pattern, tool))) found.push(item)
  }
  return found
}
