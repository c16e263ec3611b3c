/** Names in a policy that are of no tool which its server lists: a typo, or a tool that is gone. What they were to forbid passes. */
import { didYouMean } from '../../domain/did-you-mean.ts'
import { type Glob, glob, matchesGlob } from '../../domain/policy/glob.ts'
import { type Policy, withShadow } from '../../domain/policy.ts'
import { type Document, type Path, readDocument } from '../document.ts'
import type { Problem } from '../problem.ts'
import { problemAtKey } from '../shape.ts'
import { entryOf } from './shadow.ts'

/** @param listed all tools that the server lists; nothing is said against an empty list */
export function unknownTools(policy: Policy, text: string, listed: readonly string[]): readonly Problem[] {
  const document = readDocument(policy.source, text, '')
  if (!document.ok || listed.length === 0) return []
  const isUnknown = (pattern: Glob) => !listed.some((tool) => matchesGlob(pattern, tool))
  const said = new Set<string>()
  const rules = withShadow(policy).rules.flatMap((rule) =>
    rule.tools
      .filter(isUnknown)
      .map(({ source }) => ({ source, path: placeOf(document.value, entryOf(rule), source) })),
  )
  const hidden = [...policy.hidden]
    .filter((name) => isUnknown(glob(name)))
    .map((source) => ({ source, path: placeOf(document.value, ['hide'], source) }))
  return [...rules, ...hidden].flatMap(({ source, path }) => {
    const key = JSON.stringify([source, path])
    if (said.has(key)) return []
    said.add(key)
    const what = source.includes('*')
      ? `no tool of the server is called like "${source}"`
      : `the server has no tool "${source}"`
    const remedy = didYouMean(source, listed) ?? 'correct the name, or remove it'
    return [problemAtKey(document.value, path, what, remedy)]
  })
}

/** Where the name itself stands, if it stands in a list or as `tools` of a rule. */
function placeOf(document: Document, entry: Path, name: string): Path {
  for (const at of [entry, [...entry, 'tools'], entry.slice(0, 1)]) {
    const written = document.get(at)
    if (written === name) return at
    const index = Array.isArray(written) ? written.indexOf(name) : -1
    if (index !== -1) return [...at, index]
  }
  return entry
}
