/** What loads and is probably not what was meant: rules that can never decide, and what a foreign spelling does by itself. */
import { covers, type Glob, glob, isExact, matchesGlob } from '../../domain/policy/glob.ts'
import { isStricter, type Rule } from '../../domain/policy/rule.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Path } from '../document.ts'
import { noteContradictions } from './contradictions.ts'
import { noteMoments } from './moments.ts'
import type { Reader } from './reader.ts'

/** Comparing each rule with each pattern is not done for more of them than people write. */
const COMPARED_MAX = 200

export function noteOddities(reader: Reader, policy: Policy) {
  const { rules, hidden, fallback, spelling } = policy
  if (spelling === 'intercept' && fallback.action === 'allow') {
    const message = 'tools without a rule pass: that is what Intercept does where `default` is not `deny`'
    reader.note(['default'], message, 'write `default: deny` to let only listed tools pass')
  }
  noteShadowed(reader, rules, [...hidden].map(glob))
  noteApprovers(reader, rules)
  noteMoments(reader, rules, ({ pointer }) => pathOf(pointer))
  noteContradictions(reader, [...rules, ...policy.shadow])
  noteEvidence(reader, policy)
  for (const { limits } of rules) {
    for (const { tally, pointer } of limits) {
      if (tally.per !== 'session') continue
      const remedy = 'count `per: agent`, which an agent cannot leave'
      reader.note(pathOf(pointer), 'an agent that opens a new session begins a new count', remedy)
    }
  }
}

/** Evidence is read only by what the policy itself allows; where nothing can allow it, people are shown nothing but that. */
function noteEvidence(reader: Reader, { rules, hidden, fallback }: Policy) {
  const hiders = [...hidden].map(glob)
  for (const { terms, pointer } of rules) {
    for (const { tool } of terms.lookups ?? []) {
      const isHidden = hiders.some((pattern) => matchesGlob(pattern, tool))
      const mayPass =
        fallback.action === 'allow' ||
        rules.some(
          (rule) => rule.action === 'allow' && rule.tools.some((pattern) => matchesGlob(pattern, tool)),
        )
      if (mayPass && !isHidden) continue
      const message = `the evidence of ${tool} is never read: this policy does not allow that tool`
      reader.note(pathOf(pointer), message, `allow ${tool}, or remove it here`)
    }
  }
}

const pathOf = (pointer: string): Path =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

/** Rules whose every tool is hidden, or has a stricter rule without a condition. */
function noteShadowed(reader: Reader, rules: readonly Rule[], hidden: readonly Glob[]) {
  const flat = rules.filter(({ when, action }) => when === null && action !== null)
  const exact = new Map<string, Rule[]>()
  const patterns: { tool: Glob; rule: Rule }[] = []
  for (const rule of flat) {
    for (const tool of rule.tools) {
      if (!isExact(tool)) patterns.push({ tool, rule })
      else exact.set(tool.source, [...(exact.get(tool.source) ?? []), rule])
    }
  }
  const compared = patterns.slice(0, COMPARED_MAX)
  const hiders = hidden.filter((tool) => !isExact(tool)).slice(0, COMPARED_MAX)
  const hiddenNames = new Set(hidden.filter(isExact).map(({ source }) => source))

  for (const rule of rules) {
    const { action, pointer, tools } = rule
    const isHidden = (tool: Glob) =>
      hiddenNames.has(tool.source) || hiders.some((outer) => covers(outer, tool))
    if (tools.length > 0 && tools.every(isHidden)) {
      reader.note(
        pathOf(pointer),
        'this rule never decides: its tools are hidden',
        'remove it, or do not hide them',
      )
      continue
    }
    if (action === null) continue
    const stricterOn = (tool: Glob) =>
      (isExact(tool) ? (exact.get(tool.source) ?? []) : []).find((other) => isOver(other, rule)) ??
      compared.find((other) => isOver(other.rule, rule) && covers(other.tool, tool))?.rule
    const over = tools.map(stricterOn)
    const [first] = over
    // A tool that is listed to be allowed, with rules that forbid, is how the foreign spellings say "forbidden".
    if (first === undefined || !over.every((each) => each !== undefined) || sameEntry(first, rule)) continue
    const message = `this rule never decides: ${first.pointer} is stricter for the same tools`
    reader.note(pathOf(pointer), message, 'remove it, or give the stricter rule a condition')
  }
}

/** Whether `other` is stricter wherever `rule` matches, as far as their tools are the same. */
function isOver(other: Rule, rule: Rule): boolean {
  if (other.action === null || rule.action === null || !isStricter(other.action, rule.action)) return false
  // What it asks about keeps the level that this one gives it.
  if (rule.treatAs !== null && other.action === 'require_approval') return false
  // One that says the level itself goes by what is known about the tool, every other one by what is said.
  const isSameLevel = other.risks === null || (other.treatAs === null) === (rule.treatAs === null)
  return isSameLevel && isWithin(rule.categories, other.categories) && isWithin(rule.risks, other.risks)
}

const isWithin = <T>(inner: readonly T[] | null, outer: readonly T[] | null) =>
  outer === null || (inner?.every((each) => outer.includes(each)) ?? false)

const sameEntry = (a: Rule, b: Rule) => {
  const [, section, tool] = a.pointer.split('/')
  return section === 'tools' && b.pointer.startsWith(`/tools/${tool}`)
}

const whoOf = ({ terms: { approvers, stages, quorum } }: Rule) => JSON.stringify([approvers, stages, quorum])

/** Where two rules ask about one tool, the one with the higher risk names the approvers; between equals it has to be said. */
function noteApprovers(reader: Reader, rules: readonly Rule[]) {
  const asking = rules.filter(
    ({ action, terms }) => action === 'require_approval' && terms.approvers !== null,
  )
  for (const [index, rule] of asking.slice(0, COMPARED_MAX).entries()) {
    const other = asking
      .slice(0, index)
      .find(
        (each) =>
          each.treatAs === rule.treatAs &&
          whoOf(each) !== whoOf(rule) &&
          each.tools.some((a) => rule.tools.some((b) => covers(a, b) || covers(b, a))),
      )
    if (other === undefined) continue
    const message = `this rule and ${other.pointer} can ask about one call and name different approvers`
    reader.note(pathOf(rule.pointer), message, 'give the one that should decide a higher `treat_as`')
  }
}
