/**
 * Writes suggested rules into the text of a policy, comments and order kept as far as YAML allows. The rule that asks so far gets
 * the exception as a condition, because a stricter rule always wins; its limits move to a rule of their own, because a limit counts
 * only where its rule matches, and has to go on counting for what is allowed now.
 */
import { isMap, isScalar, isSeq, parseDocument, visit, type Document as YamlDocument } from 'yaml'
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import type { Policy } from '../../domain/policy.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Suggestion } from '../../domain/suggestion.ts'
import type { Path } from '../document.ts'
import { readPolicyInForce } from '../policy-file.ts'
import { formatProblems } from '../problem.ts'

/** A suggestion may have to get past several rules; more than this many are a policy that a person should look at. */
const EXEMPTED_MAX = 5

/**
 * @param asking the pointer of a rule that asks, under this policy, about a call which is to be allowed; `null`: none does
 * @returns the whole new text, or why it cannot be written, in words
 */
export function amended(
  source: string,
  text: string,
  { action, tool, when, reason }: Suggestion,
  asking: (policy: Policy) => string | null,
): Result<string, string> {
  const read = readPolicyInForce(source, text)
  if (!read.ok) return err(formatProblems(read.error))
  if (read.value.spelling === 'hosted' || read.value.spelling === 'intercept') {
    return err(
      'the policy is written in a foreign spelling; `policy convert` rewrites it into one that can be changed',
    )
  }
  const document = parseDocument(text)
  if (!isMap(document.contents)) return err('it is no mapping')
  addRule(document, {
    tools: tool,
    action,
    ...(action === 'deny' ? { reason } : { name: reason }),
    ...(when === null ? {} : { when }),
  })
  if (action === 'allow' && when !== null) {
    for (let round = 0; round < EXEMPTED_MAX; round++) {
      const now = readPolicyInForce(source, written(document, text))
      if (!now.ok) return err(formatProblems(now.error))
      const pointer = asking(now.value)
      if (pointer === null) break
      const problem = exempt(document, pathOf(pointer), tool, when)
      if (problem !== null) return err(problem)
    }
  }
  return ok(written(document, text))
}

/** In the notation that it was in. */
function written(document: YamlDocument, text: string): string {
  if (text.trimStart().startsWith('{')) return `${JSON.stringify(document.toJS(), null, 2)}\n`
  // The library writes `[ a ]`; a line that is no other than it was keeps its own spaces.
  const spaceless = (line: string) => line.replace(/(?<=[[{])\s+|\s+(?=[\]}])/g, '')
  const before = new Map(text.split('\n').map((line) => [spaceless(line), line]))
  const lines = document.toString({ lineWidth: 120 }).split('\n')
  return lines.map((line) => before.get(spaceless(line)) ?? line).join('\n')
}

/** @returns what is in the way; `null`: nothing */
function exempt(document: YamlDocument, at: Path, tool: string, when: JsonObject): string | null {
  const [section, entry] = at
  if (section === 'tools' || section === 'rules') {
    if (entry === undefined) return `there is no rule at ${at.join('/')}`
    const place = [section, entry]
    if (!document.hasIn(place)) return `there is no rule at ${place.join('/')} any more`
    const isExact = entry === tool || document.getIn([...place, 'tools']) === tool
    const not = { not: isExact ? when : onlyOf(tool, when) }
    const before = toJson(document, [...place, 'when'])
    splitLimits(document, place)
    document.setIn([...place, 'when'], nodeOf(document, before === undefined ? not : { all: [before, not] }))
    return null
  }
  if (section === 'require_approval' && entry !== undefined) {
    const list = document.get('require_approval', true)
    const isList = isSeq(list)
    const name = isList ? toJson(document, ['require_approval', Number(entry)]) : entry
    if (typeof name !== 'string' || (!isList && !document.hasIn(['require_approval', entry])))
      return `there is no rule at ${at.join('/')} any more`
    const reason = isList ? null : toJson(document, ['require_approval', entry])
    document.deleteIn(['require_approval', isList ? Number(entry) : entry])
    const left = toJson(document, ['require_approval'])
    if (left !== undefined && left !== null && Object.keys(left).length === 0)
      document.delete('require_approval')
    addRule(document, {
      tools: name,
      action: 'require_approval',
      ...(typeof reason === 'string' ? { reason } : {}),
      when: { not: name === tool ? when : onlyOf(tool, when) },
    })
    return null
  }
  return `the rule at ${at.join('/')} asks`
}

/** Which calls a rule is about. A count without a name is named by all of these, so they stay as they are. */
const aboutKeys = ['tools', 'category', 'risk', 'agents', 'owners', 'servers', 'when']
const limitKeys = ['rate_limit', 'spend_limit']

/** Puts the limits of a rule, with their comments, into a rule that only limits, about the same calls as before. */
function splitLimits(document: YamlDocument, place: Path): void {
  const rule = document.getIn(place, true)
  if (!isMap(rule)) return
  const limits = rule.items.filter(({ key }) => limitKeys.includes(nameOf(key)))
  if (limits.length === 0) return
  const [section, entry] = place
  const about: Record<string, JsonValue> = section === 'tools' ? { tools: String(entry) } : {}
  for (const key of aboutKeys) {
    const value = toJson(document, [...place, key])
    if (value !== undefined) about[key] = value
  }
  rule.items = rule.items.filter((pair) => !limits.includes(pair))
  addRule(document, about)
  const rules = document.get('rules', true)
  const split = isSeq(rules) ? rules.items.at(-1) : null
  if (isMap(split)) split.items.push(...limits)
}

const nameOf = (key: unknown): string => String(isScalar(key) ? key.value : key)

const onlyOf = (tool: string, when: JsonObject): JsonObject => ({ all: [{ path: 'tool', eq: tool }, when] })

/** One question on one line, as people write them. */
function nodeOf(document: YamlDocument, value: JsonValue) {
  const node = document.createNode(value)
  visit(node, {
    Map(_, map) {
      if (map.has('path')) map.flow = true
    },
  })
  return node
}

function addRule(document: YamlDocument, rule: JsonObject): void {
  if (isSeq(document.get('rules', true))) document.addIn(['rules'], nodeOf(document, rule))
  else document.set('rules', nodeOf(document, [rule]))
}

function toJson(document: YamlDocument, path: Path): JsonValue | undefined {
  let value: JsonValue | undefined = document.toJS()
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Object.entries(value).find(([key]) => key === String(step))?.[1]
  }
  return value
}

/** `/rules/3`: a number where a list is; names stay what they are. */
function pathOf(pointer: string): Path {
  const [section = '', ...rest] = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return [section, ...rest.map((step, index) => (section === 'rules' && index === 0 ? Number(step) : step))]
}
