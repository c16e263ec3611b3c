/**
 * Rules that follow from what people have decided again and again: always approved becomes allowed under exactly that condition,
 * always rejected becomes forbidden. Nothing here is ever applied by itself; what comes out is for a person to read.
 */
import type { InstantMs } from './approval.ts'
import type { JsonObject, JsonValue } from './canonical.ts'
import type { ToolFacts } from './risk.ts'

/** One call that people decided about. */
export interface DecidedCall {
  readonly id: string
  readonly tool: string
  readonly agent: string
  readonly owner: string
  /** As they were approved or rejected. */
  readonly arguments: JsonValue
  /**
   * With `_meta`, or answers to what the upstream asked, that people saw too. No rule can ask about these, so that a yes to such a
   * call says nothing about one without, and neither does a no; but a rule must not contradict either.
   */
  readonly saysMore: boolean
  readonly answer: 'approve' | 'reject'
  readonly by: string
  readonly atMs: InstantMs
}

/** A condition as policies write it. */
export type WrittenCondition = JsonObject

export interface Suggestion {
  readonly action: 'allow' | 'deny'
  readonly tool: string
  /** `null`: every call of the tool. */
  readonly when: WrittenCondition | null
  readonly reason: string
  /** Arguments that were different from call to call and are not limited, by name. */
  readonly open: readonly string[]
  /** Newest first. */
  readonly evidence: readonly DecidedCall[]
}

export interface SuggestingTerms {
  /** So many decisions, all alike. */
  readonly decisionsMin: number
  /** By so many people. */
  readonly peopleMin: number
}

/** Beyond this a person reads no further. */
export const SUGGESTIONS_MAX = 20
/** More values of one argument are no pattern. */
const VALUES_MAX = 5
const VALUE_LENGTH_MAX = 100
/** A value under such a name does not belong into a policy file. */
const secretName = /pass|secret|token|api_?key|credential|authorization|private/i

/** @param decided of one server @param factsOf what is known about a tool */
export function suggestionsFrom(
  decided: readonly DecidedCall[],
  factsOf: (tool: string) => ToolFacts,
  terms: SuggestingTerms,
): readonly Suggestion[] {
  const newest = decided.toSorted((a, b) => b.atMs - a.atMs || compare(a.id, b.id))
  return [...grouped(newest, ({ tool }) => tool)]
    .toSorted(([a], [b]) => compare(a, b))
    .flatMap(([tool, calls]) => aboutTool(tool, calls, factsOf(tool), terms))
    .slice(0, SUGGESTIONS_MAX)
}

function aboutTool(
  tool: string,
  calls: readonly DecidedCall[],
  facts: ToolFacts,
  terms: SuggestingTerms,
): readonly Suggestion[] {
  if (answerOf(calls, terms) === 'reject') return [suggestion('deny', tool, null, [], evidenceIn(calls))]
  // Which arguments a call has is part of its pattern: an argument that nobody has seen is another call.
  return [...grouped(calls, namesOf)]
    .toSorted(([a], [b]) => compare(a, b))
    .flatMap(([, alike]) => aboutAlike(tool, alike, facts, terms))
}

function aboutAlike(
  tool: string,
  calls: readonly DecidedCall[],
  facts: ToolFacts,
  terms: SuggestingTerms,
): readonly Suggestion[] {
  const [first] = calls
  if (first === undefined || !isObject(first.arguments)) return []
  if (answerOf(calls, terms) === 'approve') return allowing(tool, evidenceIn(calls), facts)
  if (calls.every(({ answer }) => answer === 'reject') || calls.every(({ answer }) => answer === 'approve'))
    return []
  // Mixed: perhaps one argument tells them apart.
  const splits = Object.keys(first.arguments)
    .toSorted(compare)
    .filter((name) => !secretName.test(name))
    .flatMap((name) => {
      const values = valuesOf(calls, name)
      if (values === null) return []
      const parts = values.map((value) => ({
        value,
        calls: calls.filter((call) => isSame(argument(call, name), value)),
      }))
      const settled = parts.filter((part) => answerOf(part.calls, terms) !== null)
      const covered = settled.reduce((sum, part) => sum + part.calls.length, 0)
      return settled.length === 0 ? [] : [{ name, settled, covered }]
    })
    .toSorted((a, b) => b.covered - a.covered || compare(a.name, b.name))
  const [best] = splits
  if (best === undefined) return []
  return best.settled.flatMap(({ value, calls: part }) =>
    answerOf(part, terms) === 'approve'
      ? allowing(tool, evidenceIn(part), facts)
      : [suggestion('deny', tool, { path: pathOf(best.name), eq: value }, [], evidenceIn(part))],
  )
}

const evidenceIn = (calls: readonly DecidedCall[]) => calls.filter(({ saysMore }) => !saysMore)

/** What all of them say, where there is enough evidence among them by enough people. */
function answerOf(calls: readonly DecidedCall[], { decisionsMin, peopleMin }: SuggestingTerms) {
  const [first] = calls
  const evidence = evidenceIn(calls)
  if (first === undefined || evidence.length < decisionsMin) return null
  if (calls.some(({ answer }) => answer !== first.answer)) return null
  return new Set(evidence.map(({ by }) => by)).size < peopleMin ? null : first.answer
}

/**
 * Only for the agents that asked, of the owners that they had, only with these arguments. What destroys, pays, executes or is
 * grave otherwise has to name the values that were seen of every argument; a tool that nobody has classified is never allowed.
 */
function allowing(tool: string, calls: readonly DecidedCall[], facts: ToolFacts): readonly Suggestion[] {
  const [first] = calls
  if (first === undefined || facts.category === null || !isObject(first.arguments)) return []
  const isMild =
    (facts.category === 'read' || facts.category === 'write') &&
    (facts.risk === 'low' || facts.risk === 'medium')
  const names = Object.keys(first.arguments).toSorted(compare)
  const conditions: WrittenCondition[] = []
  const open: string[] = []
  for (const name of names) {
    const path = pathOf(name)
    const values = secretName.test(name) ? null : valuesOf(calls, name)
    const [only] = values ?? []
    if (only !== undefined && values?.length === 1) conditions.push({ path, eq: only })
    else if (values !== null) conditions.push({ path, in: values })
    else if (isMild) {
      const range = rangeOf(calls, name)
      conditions.push(range === null ? { path, exists: true } : { path, ...range })
      if (range === null) open.push(name)
    } else return []
  }
  if (names.length === 0 && !isMild) return []
  const asking = askingOf(calls)
  if (asking === null) return []
  const when = {
    all: [
      ...asking,
      // And no other argument.
      { path: 'args', length: { eq: names.length } },
      ...conditions,
    ],
  }
  return [suggestion('allow', tool, when, open, calls)]
}

/** Each agent with the owner it had: a name that moves to somebody else is another agent. `null`: they are too many. */
function askingOf(calls: readonly DecidedCall[]): readonly WrittenCondition[] | null {
  const owners = [...grouped(calls, ({ owner }) => owner)].toSorted(([a], [b]) => compare(a, b))
  const parts = owners.map(([owner, theirs]) => {
    const agents = [...new Set(theirs.map(({ agent }) => agent))].toSorted(compare)
    return {
      agents,
      all: [
        { path: 'agent', in: agents },
        { path: 'owner', eq: owner },
      ],
    }
  })
  if (parts.reduce((sum, { agents }) => sum + agents.length, 0) > VALUES_MAX) return null
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only.all : [{ any: parts.map(({ all }) => ({ all })) }]
}

function suggestion(
  action: Suggestion['action'],
  tool: string,
  when: WrittenCondition | null,
  open: readonly string[],
  evidence: readonly DecidedCall[],
): Suggestion {
  const people = new Set(evidence.map(({ by }) => by)).size
  const did = action === 'allow' ? 'approved' : 'rejected'
  const reason = `${people} people ${did} all ${evidence.length} such calls.`
  return { action, tool, when, reason, open, evidence }
}

/** The values of an argument, if they are few, short and plain; `null`: they are no pattern. */
function valuesOf(
  calls: readonly DecidedCall[],
  name: string,
): readonly (string | number | boolean)[] | null {
  const values = new Set<string | number | boolean>()
  for (const call of calls) {
    const value = argument(call, name)
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null
    if (typeof value === 'string' && value.length > VALUE_LENGTH_MAX) return null
    values.add(value)
    if (values.size > VALUES_MAX) return null
  }
  return [...values].toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b)))
}

function rangeOf(calls: readonly DecidedCall[], name: string): { gte: number; lte: number } | null {
  const numbers = calls.map((call) => argument(call, name)).filter((value) => typeof value === 'number')
  if (numbers.length < calls.length) return null
  return { gte: Math.min(...numbers), lte: Math.max(...numbers) }
}

const argument = ({ arguments: args }: DecidedCall, name: string): JsonValue | undefined =>
  isObject(args) && Object.hasOwn(args, name) ? args[name] : undefined

const isSame = (a: JsonValue | undefined, b: JsonValue) => a === b

/** What is no object has no names, and is never like anything. */
const namesOf = ({ arguments: args, id }: DecidedCall): string =>
  isObject(args) ? JSON.stringify(Object.keys(args).toSorted(compare)) : id

const pathOf = (name: string) =>
  /^[A-Za-z0-9_-]+$/.test(name) ? `args.${name}` : `args[${JSON.stringify(name)}]`

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
