/** Writes a policy in Holdpoint's own spelling: what is read from it again decides every call as before. */
import { stringify } from 'yaml'
import type { JsonValue } from '../../domain/canonical.ts'
import type { LookupCall } from '../../domain/lookups.ts'
import type { Comparison } from '../../domain/policy/comparison.ts'
import type { Condition } from '../../domain/policy/condition.ts'
import { type Glob, isExact } from '../../domain/policy/glob.ts'
import type { GrantTerms } from '../../domain/policy/grant-terms.ts'
import type { ApprovalTerms, Rule } from '../../domain/policy/rule.ts'
import type { Limit, Tally } from '../../domain/policy/tally.ts'
import { timeOf } from '../../domain/policy/time-window.ts'
import type { Policy } from '../../domain/policy.ts'

type Written = Record<string, JsonValue>

/** Where editors find the language. */
export const SCHEMA_COMMENT = '# yaml-language-server: $schema=policy.schema.json\n'

export function writePolicy(policy: Policy, description: string | null): string {
  const { fallback, hidden, rules } = policy
  const named = listed(rules)
  const document: Written = {
    version: '1',
    ...(description === null ? {} : { description }),
    default: fallback.action,
    ...(hidden.size === 0 ? {} : { hide: [...hidden] }),
  }
  for (const action of ['allow', 'deny', 'require_approval'] as const) {
    const entries = named.filter((rule) => rule.action === action)
    if (entries.length === 0) continue
    const hasReasons = action !== 'allow' && entries.some(({ reason }) => reason !== null)
    document[action] = hasReasons
      ? Object.fromEntries(entries.map((rule) => [nameOf(rule), rule.reason]))
      : entries.map(nameOf)
  }
  const others = rules.filter((rule) => !named.includes(rule))
  const tried = policy.shadow.map((rule): Written => ({ ...writeRule(rule), shadow: true }))
  if (others.length + tried.length > 0) document.rules = [...others.map(writeRule), ...tried]
  return SCHEMA_COMMENT + stringify(document, { lineWidth: 120 })
}

/** Rules that say one thing about one name, of which there is no other, need no more than their name. */
function listed(rules: readonly Rule[]): readonly Rule[] {
  const isFlat = (rule: Rule) =>
    rule.action !== null &&
    rule.tools.length === 1 &&
    rule.tools.every(isExact) &&
    (rule.action !== 'allow' || rule.reason === null) &&
    [rule.categories, rule.risks, rule.when, rule.treatAs].every((part) => part === null) &&
    rule.limits.length === 0 &&
    Object.values(rule.terms).every((term) => term === null)
  const count = new Map<string, number>()
  for (const { tools } of rules)
    for (const { source } of tools) count.set(source, (count.get(source) ?? 0) + 1)
  return rules.filter((rule) => isFlat(rule) && count.get(nameOf(rule)) === 1)
}

const nameOf = ({ tools: [tool] }: Rule): string => tool?.source ?? '*'
const namesOf = (globs: readonly Glob[]) => globs.map(({ source }) => source)

export function writeRule(rule: Rule): Written {
  const { action, reason, tools, categories, risks, when, treatAs, limits, terms, pointer } = rule
  const rates = limits.filter(({ tally }) => typeof tally.amount === 'number').map(writeLimit)
  const spends = limits.filter(({ tally }) => typeof tally.amount !== 'number').map(writeLimit)
  const approval = writeTerms(terms)
  return present({
    name: `was ${pointer}`,
    tools: namesOf(tools),
    category: categories === null ? undefined : [...categories],
    risk: risks === null ? undefined : [...risks],
    when: when === null ? undefined : writeCondition(when),
    action: action ?? undefined,
    reason: reason ?? undefined,
    treat_as: treatAs ?? undefined,
    rate_limit: rates.length === 0 ? undefined : rates,
    spend_limit: spends.length === 0 ? undefined : spends,
    approval: Object.keys(approval).length === 0 ? undefined : approval,
  })
}

function present(parts: Record<string, JsonValue | undefined>): Written {
  return Object.fromEntries(
    Object.entries(parts).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  )
}

function writeTerms(terms: ApprovalTerms): Written {
  const { stages, quorum, selfConfirm, timeoutMs, onClientGone, reasonRequired } = terms
  const { remindersMs, escalation, lookups, grants } = terms
  return present({
    ...(stages === null ? writePeople(terms.approvers) : {}),
    stages: stages?.map((stage) => present({ ...writePeople(stage), quorum: stage.quorum })),
    quorum: quorum ?? undefined,
    self_confirm: selfConfirm ?? undefined,
    timeout: timeoutMs === null ? undefined : `${timeoutMs}ms`,
    on_client_gone: onClientGone ?? undefined,
    reason_required: reasonRequired ?? undefined,
    evidence: lookups === null ? undefined : lookups.map(writeLookup),
    grants: grants === null ? undefined : writeGrants(grants),
    reminders: remindersMs === null ? undefined : remindersMs.map((ms) => `${ms}ms`),
    escalation:
      escalation === null
        ? undefined
        : escalation.map(({ afterMs, groups, people }) =>
            present({
              after: `${afterMs}ms`,
              groups: groups.length === 0 ? undefined : [...groups],
              people: people.length === 0 ? undefined : [...people],
            }),
          ),
  })
}

function writeGrants({ usesMax, durationMsMax, mayDiffer }: GrantTerms): Written {
  return present({
    max_uses: usesMax,
    max_duration: `${durationMsMax}ms`,
    may_differ:
      mayDiffer.length === 0
        ? undefined
        : mayDiffer.map(({ path, is }) =>
            is.length === 0 ? path : Object.assign({ path }, ...is.map(writeComparison)),
          ),
  })
}

function writeLookup({ label, tool, arguments: args }: LookupCall): Written {
  const filled = args.map((argument) => [
    argument.name,
    'path' in argument ? { path: argument.path.source } : argument.value,
  ])
  return present({
    label: label ?? undefined,
    tool,
    arguments: args.length === 0 ? undefined : Object.fromEntries(filled),
  })
}

const writePeople = (approvers: ApprovalTerms['approvers']) => ({
  groups: approvers === null || approvers.groups.length === 0 ? undefined : [...approvers.groups],
  people: approvers === null || approvers.people.length === 0 ? undefined : [...approvers.people],
})

function writeLimit({ tally, max, reason }: Limit): Written {
  const { amount } = tally
  return present({
    path: typeof amount === 'number' ? undefined : amount.source,
    adds: amount === 1 || typeof amount !== 'number' ? undefined : amount,
    max: max ?? undefined,
    ...writeTally(tally),
    reason: reason ?? undefined,
  })
}

function writeTally({ name, per, window }: Tally): Written {
  const span: Written = window.kind === 'sliding' ? { window: window.seconds } : { calendar: window.unit }
  return { ...span, ...(per === 'agent' ? {} : { per }), counter: name }
}

export function writeCondition(condition: Condition): Written {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return { [condition.kind]: condition.of.map(writeCondition) }
    case 'not':
      return { not: writeCondition(condition.of) }
    case 'time': {
      const { zone, days, from, to } = condition.window
      return { time: { zone, days: [...days], from: timeOf(from), to: timeOf(to) } }
    }
    case 'value': {
      const { path, otherwise } = condition
      const first = { path: path.source, ...(otherwise === undefined ? {} : { default: otherwise }) }
      return writeComparisons(first, condition.is)
    }
    case 'history': {
      const { tally, tools } = condition
      // The counter keeps its name, so that what was counted before still counts.
      const what: Written = tools === null ? {} : { tools: namesOf(tools) }
      return writeComparisons({ history: { ...what, ...writeTally(tally) } }, condition.is)
    }
  }
}

/** Two comparisons of one kind cannot stand beside each other; they are two conditions then. */
function writeComparisons(subject: Written, is: readonly Comparison[]): Written {
  const written = is.map(writeComparison)
  const keys = written.flatMap(Object.keys)
  if (new Set(keys).size === keys.length) return Object.assign({}, subject, ...written)
  return { all: written.map((each) => ({ ...subject, ...each })) }
}

function writeComparison(comparison: Comparison): Written {
  switch (comparison.op) {
    case 'in':
    case 'not_in':
    case 'in_text':
      return { [comparison.op]: [...comparison.values] }
    case 'like':
      return { like: namesOf(comparison.patterns) }
    case 'matches':
      return { matches: comparison.regex.source }
    case 'length':
      return { length: Object.assign({}, ...comparison.is.map(writeComparison)) }
    case 'some':
    case 'every': {
      const { path } = comparison
      const first: Written = path === null ? {} : { path: path.source }
      return { [comparison.op]: Object.assign(first, ...comparison.is.map(writeComparison)) }
    }
    default:
      return { [comparison.op]: comparison.value }
  }
}
