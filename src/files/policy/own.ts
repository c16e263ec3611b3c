/** Holdpoint's own spelling: lists of names, `tools` one by one, and `rules` for everything else. */

import type { z } from 'zod'
import type { Condition } from '../../domain/policy/condition.ts'
import { type Glob, glob, isExact } from '../../domain/policy/glob.ts'
import { isEverybody } from '../../domain/policy/kinds-of-names.ts'
import { type Action, type Rule, usualTerms } from '../../domain/policy/rule.ts'
import { type Path, pointer } from '../document.ts'
import { noteNames } from './call-fields.ts'
import { globsOf, readCondition } from './conditions.ts'
import type { Reader } from './reader.ts'
import type { Selector } from './selector.ts'
import { namesShape, reasonsShape, ruleShape, toolShape } from './shapes.ts'
import { readLimits } from './tallies.ts'
import { readTerms } from './terms.ts'

const plain = { categories: null, risks: null, when: null, treatAs: null, limits: [], terms: usualTerms }

export function plainRule(action: Action, tool: string, path: Path, reason: string | null = null): Rule {
  return { ...plain, pointer: pointer(path), action, reason, tools: [glob(tool)] }
}

/** `allow: [names]`, and for the other two also `deny: { name: reason }`. */
export function readLists(reader: Reader): Rule[] {
  return (['allow', 'deny', 'require_approval'] as const).flatMap((action) => {
    const written = reader.document.get([action])
    if (written === undefined) return []
    if (action === 'allow' || Array.isArray(written)) {
      const names = reader.check(namesShape, [action]) ?? []
      return names.map((tool, index) => plainRule(action, tool, [action, index]))
    }
    const reasons = reader.check(reasonsShape, [action]) ?? {}
    return Object.entries(reasons).map(([tool, reason]) => plainRule(action, tool, [action, tool], reason))
  })
}

/** An entry under `tools` in our own or the per-tool spelling. */
export function readTool(reader: Reader, tool: string, at: Path): Rule | null {
  const written = reader.check(toolShape, at)
  if (written === null) return null
  if (saysNothing(written)) {
    return reader.refuse(at, '"action" is missing', 'write one of: allow, deny, require_approval')
  }
  const about = { tools: [glob(tool)], categories: null, risks: null }
  const rule = readParts(reader, written, at, about)
  const decider = written.action === undefined ? at : [...at, 'action']
  return rule && { ...rule, ...about, pointer: pointer(decider) }
}

export function readRules(reader: Reader): Rule[] {
  const written = reader.document.get(['rules'])
  if (written === undefined) return []
  if (!Array.isArray(written)) {
    reader.refuse(['rules'], '"rules" must be a list', 'write a list')
    return []
  }
  return written.flatMap((_, index) => {
    const rule = readRule(reader, ['rules', index])
    return rule === null ? [] : [rule]
  })
}

function readRule(reader: Reader, at: Path): Rule | null {
  const written = reader.check(ruleShape, at)
  if (written === null) return null
  const { tools, category, risk } = written
  if (tools === undefined && category === undefined && risk === undefined) {
    const remedy = 'name `tools`, a `category` or a `risk`; `tools: "*"` means every tool'
    return reader.refuse(at, 'it is not said which tools this rule is about', remedy)
  }
  if (saysNothing(written)) {
    return reader.refuse(
      at,
      'this rule does nothing',
      'give it an `action`, a limit or a `treat_as`, or remove it',
    )
  }
  const about = {
    tools: globsOf(tools ?? '*'),
    categories: category === undefined ? null : listed(category),
    risks: risk === undefined ? null : listed(risk),
  }
  const rule = readParts(reader, written, at, about)
  return rule && { ...rule, ...about, pointer: pointer(at) }
}

const saysNothing = ({ action, rate_limit, spend_limit, treat_as }: z.output<typeof toolShape>) =>
  [action, rate_limit, spend_limit, treat_as].every((part) => part === undefined)

const listed = <T extends string>(written: T | T[]): T[] => (Array.isArray(written) ? written : [written])

type Parts = Pick<Rule, 'action' | 'reason' | 'when' | 'treatAs' | 'limits' | 'terms'>

function readParts(
  reader: Reader,
  written: z.output<typeof toolShape>,
  at: Path,
  about: Omit<Selector, 'when'>,
): Parts | null {
  const before = reader.problems.length
  const conditions: (Condition | null)[] = []
  for (const [key, path] of [
    ['agents', 'agent'],
    ['owners', 'owner'],
    ['servers', 'server'],
  ] as const) {
    const names = written[key]
    if (names === undefined) continue
    if (key === 'agents') noteKinds(reader, globsOf(names), written.action ?? null, [...at, key])
    noteNames(reader, path, globsOf(names), [...at, key])
    conditions.push({
      kind: 'value',
      path: { source: path, root: path, steps: [] },
      otherwise: undefined,
      is: [{ op: 'like', patterns: globsOf(names) }],
    })
  }
  if (written.when !== undefined) conditions.push(readCondition(reader, written.when, [...at, 'when']))
  if (written.approval !== undefined && written.action !== 'require_approval') {
    const remedy = 'write `action: require_approval`, or remove the block'
    reader.refuseKey(
      [...at, 'approval'],
      'people are asked only where the action is require_approval',
      remedy,
    )
  }
  const known = conditions.filter((condition) => condition !== null)
  const [only] = known
  const when: Condition | null = known.length <= 1 ? (only ?? null) : { kind: 'all', of: known }
  const limits = readLimits(reader, at, { ...about, when })
  const terms = readTerms(reader, written.approval, [...at, 'approval'])
  if (reader.problems.length > before) return null
  return {
    action: written.action ?? null,
    reason: written.reason ?? null,
    when,
    treatAs: written.treat_as ?? null,
    limits,
    terms,
  }
}

/** Patterns for names of agents where it is easily missed which agents they are about. */
function noteKinds(reader: Reader, patterns: readonly Glob[], action: Action | null, at: Path): void {
  const partial = patterns.filter((pattern) => !isExact(pattern) && !isEverybody(pattern))
  const others = partial.find(({ source }) => source.includes('#'))
  if (others !== undefined && action === 'allow') {
    reader.note(
      at,
      `"${others.source}" lets pass whoever an issuer of \`oauth\` lets take such a name`,
      'write the whole name of the agent, with what follows the #',
    )
  }
  const [own] = partial.filter(({ source }) => !source.includes('#'))
  if (own === undefined || others !== undefined || reader.known?.hasIssuers !== true) return
  reader.note(
    at,
    action === 'allow'
      ? `"${own.source}" lets pass agents with tokens of Holdpoint, and none with a token of another issuer`
      : `"${own.source}" is about agents with tokens of Holdpoint and, to be on the safe side, about those of other issuers that are called so`,
    `where those are meant as well, add a pattern with a #, as "${own.source}#*"`,
  )
}
