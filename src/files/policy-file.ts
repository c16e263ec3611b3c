/**
 * Reads a server's policy in any of its spellings. Nothing is half-loaded, and what this version cannot enforce is
 * refused rather than ignored: a rule that looks as if it protected and does not is worse than none.
 *
 * `policies/README.md` describes the language.
 */
import { z } from 'zod'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import type { Action, Policy, Rule } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { type Document, type Path, pointer, readDocument } from './document.ts'
import type { Problem } from './problem.ts'
import { checkShape, problemAt, problemAtKey, says } from './shape.ts'

/** What an empty policy would most likely have meant. */
const ifEmpty = 'write `default: require_approval`, which asks about every call, or name no policy'

/** @param file the name people know; it becomes `source`, and the name in problems */
export function readPolicy(file: string, text: string): Result<Policy, Problem[]> {
  const read = readDocument(file, text, ifEmpty)
  if (!read.ok) return read
  const document = read.value
  const problems: Problem[] = []

  collect(checkShape(document, topShape))
  const fallback = collect(checkShape(document, actionShape.optional(), ['default'])) ?? null
  const hidden = collect(checkShape(document, hiddenShape.optional(), ['hide'])) ?? []
  const entries = collect(checkShape(document, entriesShape, ['tools'])) ?? {}

  const common = ['all_tools', 'limits']
  if (isFilled(document, common)) problems.push(unsupported(document, common))

  const tools = new Map<string, Rule>()
  const add = (tool: string, rule: Rule, path: Path) => {
    const earlier = tools.get(tool)
    if (earlier === undefined) {
      tools.set(tool, rule)
      return
    }
    const message = `the tool "${tool}" has a rule already, at ${earlier.pointer}`
    problems.push(problemAt(document, path, message, 'keep one of the two'))
  }

  for (const [tool, entry] of Object.entries(entries)) {
    const path = ['tools', tool]
    const name = collect(nameShape.safeParse(tool).success ? ok(tool) : err([badName(document, path)]))
    const rule = collect(toolRule(document, path, entry, fallback))
    if (name !== null && rule !== null) add(tool, rule, path)
  }
  for (const action of ['allow', 'deny', 'require_approval'] as const) {
    for (const { tool, reason, path } of collect(namedTools(document, action)) ?? []) {
      add(tool, ruleOf(action, reason, path), path)
    }
  }
  if (problems.length > 0) return err(problems)

  return ok({
    source: file,
    fallback:
      fallback === null
        ? { action: 'require_approval', pointer: '/default', reason: 'no rule of the policy names this tool' }
        : ruleOf(fallback, null, ['default']),
    tools,
    hidden: new Set(hidden),
  })

  function collect<T>(result: Result<T, Problem[]>): T | null {
    if (result.ok) return result.value
    problems.push(...result.error)
    return null
  }
}

const actionShape = z.enum(['allow', 'deny', 'require_approval'])
const nameError = says(
  'a tool name has 1 to 128 of the characters A-Z a-z 0-9 _ . -',
  'write the exact name; patterns are not supported, and `default` is the rule for all other tools',
)
const nameShape = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, nameError)
const hiddenShape = z.array(z.string().regex(/^(\*|[A-Za-z0-9_.-]{1,128})$/, nameError))
const reasonShape = z
  .string()
  .max(REASON_LENGTH_MAX, says(`a reason has at most ${REASON_LENGTH_MAX} characters`, 'shorten it'))
const anyList = z.array(z.unknown())

const anything = z.unknown().optional()

const topShape = z.strictObject({
  version: z.literal(['1', 1]).optional(),
  description: z.string().optional(),
  default: anything,
  hide: anything,
  all_tools: z.strictObject({ limits: anyList.optional() }).optional(),
  tools: anything,
  allow: anything,
  deny: anything,
  require_approval: anything,
})
const entriesShape = z.record(z.string(), z.unknown()).optional()

const toolShape = z.strictObject({
  action: actionShape.optional(),
  reason: reasonShape.optional(),
  rate_limit: anything,
  require: anyList.optional(),
  deny_if: anyList.optional(),
  limits: anyList.optional(),
  rules: z
    .array(
      z.strictObject({
        name: z.string().optional(),
        action: z.enum(['allow', 'deny', 'require_approval', 'evaluate']).optional(),
        reason: reasonShape.optional(),
        on_deny: reasonShape.optional(),
        conditions: anything,
        rate_limit: anything,
        state: anything,
      }),
    )
    .optional(),
})

/** The rule of one entry under `tools`, which may have the hosted, the per-tool or the rule-list spelling. */
function toolRule(
  document: Document,
  path: Path,
  written: unknown,
  fallback: Action | null,
): Result<Rule, Problem[]> {
  if (written === null) {
    const message = `"${path.at(-1)}" says nothing`
    return err([problemAtKey(document, path, message, 'write { action: allow }, or remove the line')])
  }
  const shape = checkShape(document, toolShape, path)
  if (!shape.ok) return shape
  const entry = shape.value
  const problems: Problem[] = []
  for (const key of ['require', 'deny_if', 'limits'] as const) {
    if (isFilled(document, [...path, key])) problems.push(unsupported(document, [...path, key]))
  }
  if (entry.rate_limit !== undefined) problems.push(unsupported(document, [...path, 'rate_limit']))

  entry.rules?.forEach((rule, index) => {
    const at = [...path, 'rules', index]
    for (const key of ['conditions', 'rate_limit', 'state'] as const) {
      if (rule[key] !== undefined) problems.push(unsupported(document, [...at, key]))
    }
    const isBare = rule.conditions === undefined && rule.rate_limit === undefined
    if (isBare && (rule.action === undefined || rule.action === 'evaluate')) {
      problems.push(problemAt(document, at, 'this rule does nothing', 'give it `action: deny`, or remove it'))
    }
  })
  if (entry.action !== undefined && entry.rules !== undefined) {
    const message = '`action` and `rules` are two answers for one tool'
    problems.push(problemAt(document, [...path, 'rules'], message, 'keep one of the two'))
  }
  if (problems.length > 0) return err(problems)

  if (entry.action !== undefined) {
    const reason = entry.reason ?? null
    return ok(ruleOf(entry.action, reason, [...path, 'action']))
  }
  if (entry.reason !== undefined) {
    const message = '"action" is missing'
    return err([problemAt(document, path, message, 'write one of: allow, deny, require_approval')])
  }
  if (entry.rules !== undefined) {
    // Every rule of a list has to pass, so the strictest one decides; an empty list checks nothing and allows.
    for (const action of ['deny', 'require_approval'] as const) {
      const index = entry.rules.findIndex((rule) => rule.action === action)
      const rule = entry.rules[index]
      if (rule !== undefined) {
        return ok(ruleOf(action, rule.on_deny ?? rule.reason ?? null, [...path, 'rules', index]))
      }
    }
    return ok(ruleOf('allow', null, [...path, 'rules']))
  }
  if (fallback === 'allow' || fallback === 'deny') return ok(ruleOf('allow', null, path))
  // The hosted spelling, where listing a tool allows it, has a `default` of allow or deny. Without one nobody can know
  // that this was meant.
  const message = `"${path.at(-1)}" has no action`
  const remedy =
    'write { action: allow }; only under `default: deny` or `default: allow` does {} allow a tool'
  return err([problemAtKey(document, path, message, remedy)])
}

interface NamedTool {
  readonly tool: string
  readonly reason: string | null
  readonly path: Path
}

/** `allow: [names]`, and for the other two also `deny: { name: reason }`. */
function namedTools(document: Document, action: Action): Result<NamedTool[], Problem[]> {
  const written = document.get([action])
  if (written === undefined) return ok([])
  if (action === 'allow' || Array.isArray(written)) {
    const list = checkShape(document, z.array(nameShape), [action])
    if (!list.ok) return list
    return ok(list.value.map((tool, index) => ({ tool, reason: null, path: [action, index] })))
  }
  const map = checkShape(document, z.record(nameShape, reasonShape.nullable()), [action])
  if (!map.ok) return map
  return ok(Object.entries(map.value).map(([tool, reason]) => ({ tool, reason, path: [action, tool] })))
}

function ruleOf(action: Action, reason: string | null, path: Path): Rule {
  return action === 'allow' ? { action, pointer: pointer(path) } : { action, pointer: pointer(path), reason }
}

function badName(document: Document, path: Path): Problem {
  const [message = '', remedy = ''] = nameError.split('\n')
  return problemAtKey(document, path, message, remedy)
}

function isFilled(document: Document, path: Path): boolean {
  const list = document.get(path)
  return Array.isArray(list) && list.length > 0
}

function unsupported(document: Document, path: Path): Problem {
  const key = String(path.at(-1))
  const kind = key === 'require' || key === 'deny_if' || key === 'conditions' ? 'argument rules' : 'limits'
  const remedy = `remove \`${key}\`; \`action: require_approval\` lets a person look at every call instead`
  return problemAtKey(document, path, `${kind} (\`${key}\`) are not supported in this version`, remedy)
}
