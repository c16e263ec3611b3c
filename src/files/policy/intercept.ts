/**
 * PolicyLayer Intercept: every rule of a tool, and every rule of `"*"`, has to pass. Windows are the running minute, hour or
 * day in UTC. Its `state` counts before the call is sent, and takes back what was not sent.
 */
import type { Condition } from '../../domain/policy/condition.ts'
import { glob } from '../../domain/policy/glob.ts'
import { type Rule, usualTerms } from '../../domain/policy/rule.ts'
import type { CalendarUnit, Limit, Tally } from '../../domain/policy/tally.ts'
import { parseDottedPath } from '../../domain/policy/value-path.ts'
import { type Path, pointer } from '../document.ts'
import { readForeignCondition } from './foreign.ts'
import { readAmount } from './hosted.ts'
import { plainRule } from './own.ts'
import type { Reader } from './reader.ts'
import { type InterceptRule, interceptToolShape } from './shapes.ts'

const scopeOf = (tool: string) => (tool === '*' ? '_global' : tool)

/** @param tools names of the entries that have `rules` */
export function readIntercept(reader: Reader, tools: readonly string[]): Rule[] {
  const entries = tools.flatMap((tool) => {
    const at = ['tools', tool]
    if (tool.includes('*') && tool !== '*') {
      reader.refuseKey(at, 'names are exact in Intercept, except `"*"`', 'name the tools one by one')
    }
    const written = reader.check(interceptToolShape, at)
    return written === null ? [] : [{ tool, at, rules: written.rules }]
  })
  const counters = new Map<string, Tally>()
  for (const { tool, at, rules } of entries) {
    const names = new Set<string>()
    rules.forEach((rule, index) => {
      const path = [...at, 'rules', index]
      const name = rule.state?.counter ?? rateOf(rule)?.counter
      if (name !== undefined && names.has(name)) {
        reader.refuse(
          path,
          `the counter "${name}" of this tool has a rule already`,
          'use another counter or window',
        )
      }
      if (name !== undefined) names.add(name)
      const tally = tallyOf(reader, tool, rule, path)
      if (tally !== null) counters.set(`state.${tally.name}`, tally)
    })
  }
  for (const { at, rules } of entries) {
    rules.forEach((rule, index) => {
      noteStricter(reader, rule, [...at, 'rules', index])
    })
  }
  return entries.flatMap(({ tool, at, rules }) => [
    // The wildcard has rules for every tool and allows none.
    ...(tool === '*' ? [] : [plainRule('allow', tool, [...at, 'rules'])]),
    ...rules.flatMap((rule, index) => readRule(reader, tool, rule, [...at, 'rules', index], counters)),
  ])
}

/** Where ours is another answer than Intercept's, each said once for the whole policy. */
function noteStricter(reader: Reader, rule: InterceptRule, at: Path): void {
  if (rule.rate_limit !== undefined || rule.state !== undefined) {
    reader.noteOnce(
      at,
      'a call that the server answers with an error stays counted here; Intercept takes it back',
      'nothing to do: such a call may have been carried out all the same',
    )
  }
  for (const [index, { op, path }] of (rule.conditions ?? []).entries()) {
    const place = [...at, 'conditions', index]
    if ((op === 'neq' || op === 'not_in') && !path.startsWith('state.')) {
      reader.noteOnce(
        place,
        `\`${op}\` does not hold here for null, lists and maps, which pass in Intercept`,
        'nothing to do: what a server makes of them nobody knows',
      )
    }
    if (path.startsWith('args.') && path.includes('[')) {
      reader.note(
        [...place, 'path'],
        'brackets are part of a name, as they are in Intercept: this looks into no list',
        'nothing to do where an argument is called so; in our own spelling args.items[0] is an entry of a list',
      )
    }
  }
}

function readRule(
  reader: Reader,
  tool: string,
  rule: InterceptRule,
  at: Path,
  counters: ReadonlyMap<string, Tally>,
): Rule[] {
  const { action = 'evaluate', conditions = [], rate_limit, state } = rule
  const reason = rule.on_deny ?? rule.reason ?? null
  if (rate_limit !== undefined && (conditions.length > 0 || state !== undefined || action === 'deny')) {
    reader.refuseKey([...at, 'rate_limit'], '`rate_limit` stands alone', 'write two rules')
    return []
  }
  if (action !== 'evaluate') {
    if (conditions.length > 0 || state !== undefined) {
      const remedy =
        'remove them, or the action: a rule without action denies what its conditions do not hold for'
      reader.refuse(at, `a rule with \`action: ${action}\` has no conditions`, remedy)
      return []
    }
    return [plainRule(action, tool, at, reason)]
  }
  if (rate_limit === undefined && conditions.length === 0) {
    reader.refuse(at, 'this rule does nothing', 'give it `action: deny`, or remove it')
    return []
  }
  const of = conditions.map((each, index) =>
    readForeignCondition(reader, each, [...at, 'conditions', index], {
      parsePath: parseDottedPath,
      counterOf: (path) => counters.get(path) ?? null,
      isRequirement: true,
    }),
  )
  if (!of.every((each) => each !== null)) return []
  const limits = limitsOf(rule, tool, at, reason, counters)
  // What the limit says about its own counter is checked where it is counted, exactly and for all gateways at once.
  const asked = of.filter((each) => !limits.some(({ tally, max }) => isOwnLimit(each, tally, max)))
  const denies: Condition | null = asked.length === 0 ? null : { kind: 'not', of: { kind: 'all', of: asked } }
  const counting: Rule = {
    ...{ categories: null, risks: null, treatAs: null, terms: usualTerms, when: null },
    ...{ pointer: pointer(at), action: null, reason: null, tools: [glob(tool)], limits },
  }
  return [
    ...(denies === null ? [] : [{ ...plainRule('deny', tool, at, reason), when: denies }]),
    ...(limits.length === 0 ? [] : [counting]),
  ]
}

function limitsOf(
  rule: InterceptRule,
  tool: string,
  at: Path,
  reason: string | null,
  counters: ReadonlyMap<string, Tally>,
): Limit[] {
  const rate = rateOf(rule)
  const counter = rule.state?.counter ?? rate?.counter
  const path = `state.${scopeOf(tool)}.${counter}`
  const tally = counters.get(path)
  if (counter === undefined || tally === undefined) return []
  if (rate !== null) {
    const usual = `Rate limit of ${rate.max} per ${rate.unit} reached. Try again later.`
    return [{ pointer: pointer(at), tally, max: rate.max, reason: reason ?? usual }]
  }
  const maxima = (rule.conditions ?? []).flatMap((each) => {
    if (each.path !== path || typeof each.value !== 'number') return []
    return each.op === 'lte' ? [each.value] : each.op === 'lt' ? [below(each.value)] : []
  })
  return [
    {
      pointer: pointer(at),
      tally,
      max: maxima.length === 0 ? null : Math.max(0, Math.min(...maxima)),
      reason,
    },
  ]
}

/** Intercept counts in whole numbers: what is less than 10 is at most 9. */
const below = (value: number) => Math.ceil(value) - 1

function isOwnLimit(condition: Condition, tally: Tally, max: number | null): boolean {
  if (max === null || condition.kind !== 'history' || condition.tally !== tally) return false
  return condition.is.every(({ op }) => op === 'lte' || op === 'lt')
}

function tallyOf(reader: Reader, tool: string, rule: InterceptRule, at: Path): Tally | null {
  const counter = rule.state?.counter ?? rateOf(rule)?.counter
  const unit = rule.state?.window ?? rateOf(rule)?.unit
  if (counter === undefined || unit === undefined) return null
  const amount =
    rule.state === undefined ? 1 : readAmount(reader, rule.state, [...at, 'state'], parseDottedPath)
  if (amount === null) return null
  return { name: `${scopeOf(tool)}.${counter}`, per: 'server', window: { kind: 'calendar', unit }, amount }
}

function rateOf({ rate_limit }: InterceptRule): { max: number; unit: CalendarUnit; counter: string } | null {
  const [, max, unit] = /^(\d+)\/(minute|hour|day)$/.exec(rate_limit ?? '') ?? []
  if (unit !== 'minute' && unit !== 'hour' && unit !== 'day') return null
  return { max: Number(max), unit, counter: `_rate_${unit}` }
}
