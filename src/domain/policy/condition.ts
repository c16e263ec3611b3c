/** When a rule applies. Conditions are true, false, or unknown where a call gives them nothing to judge. */
import type { JsonValue } from '../canonical.ts'
import { foldName } from '../fold-name.ts'
import { type Comparison, compare } from './comparison.ts'
import type { Glob } from './glob.ts'
import type { JudgedCall } from './judged-call.ts'
import { compareName } from './kinds-of-names.ts'
import { type Tally, tallyKey } from './tally.ts'
import { isWithin, type TimeWindow } from './time-window.ts'
import { allOf, anyOf, not, type Truth } from './truth.ts'
import { type Found, type ValuePath, valueAt } from './value-path.ts'

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** `otherwise`: what counts as the value where there is none. */
  | {
      readonly kind: 'value'
      readonly path: ValuePath
      readonly otherwise: JsonValue | undefined
      readonly is: readonly Comparison[]
    }
  | { readonly kind: 'time'; readonly window: TimeWindow }
  | History

/** What went through before. `tools`: whose calls are counted; `null`: nothing is counted for this condition alone. */
export interface History {
  readonly kind: 'history'
  readonly tally: Tally
  readonly tools: readonly Glob[] | null
  readonly is: readonly Comparison[]
}

export function truthOf(condition: Condition, call: JudgedCall): Truth {
  switch (condition.kind) {
    case 'all':
      return allOf(condition.of, (each) => truthOf(each, call))
    case 'any':
      return anyOf(condition.of, (each) => truthOf(each, call))
    case 'not':
      return not(truthOf(condition.of, call))
    case 'value': {
      if (condition.path.root === 'args' && call.onlyNames !== undefined) {
        return truthByNames(condition, call.onlyNames)
      }
      const value = read(condition.path, call) ?? condition.otherwise
      const { root } = condition.path
      if (root === 'agent' || root === 'owner') {
        return allOf(condition.is, (comparison) => compareName(root, comparison, value))
      }
      return allOf(condition.is, (comparison) => compare(comparison, value))
    }
    case 'time':
      return isWithin(condition.window, call.nowMs)
    case 'history': {
      const count = call.tallies?.get(tallyKey(condition.tally, call))
      return allOf(condition.is, (comparison) => compare(comparison, count))
    }
  }
}

/** Of an argument that had no value everything is known, of another one only that it was there. */
function truthByNames(
  { path, otherwise, is }: Extract<Condition, { kind: 'value' }>,
  names: readonly string[] | null,
): Truth {
  const [name, ...below] = path.steps
  if (names === null || typeof name !== 'string' || isAmbiguous(name, names)) return null
  if (!names.includes(name)) return allOf(is, (comparison) => compare(comparison, otherwise))
  return allOf(is, (comparison) =>
    comparison.op === 'exists' && below.length === 0 ? comparison.value : null,
  )
}

/** Whether there was another spelling of it: then nobody could know its value at the time either. */
const isAmbiguous = (name: string, names: readonly string[]) =>
  names.some((each) => each !== name && foldName(each) === foldName(name))

/** Whether a condition asks about what was not kept of a call of the past: then it may have held or not. */
export function leavesOpen(condition: Condition, call: JudgedCall): boolean {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.some((each) => leavesOpen(each, call))
    case 'not':
      return leavesOpen(condition.of, call)
    case 'value': {
      const [name] = condition.path.steps
      if (condition.path.root !== 'args' || call.onlyNames === undefined) return false
      if (call.onlyNames === null || typeof name !== 'string') return true
      return call.onlyNames.includes(name) && !isAmbiguous(name, call.onlyNames)
    }
    case 'time':
      return false
    case 'history':
      return call.tallies?.get(tallyKey(condition.tally, call)) === undefined
  }
}

function read({ root, steps }: ValuePath, call: JudgedCall): Found {
  switch (root) {
    case 'args':
      return valueAt(call.arguments, steps)
    case 'category':
      return call.facts.category ?? undefined
    case 'risk':
      return call.facts.risk
    default:
      return call[root]
  }
}

/** Everything a condition asks the counters about. */
export function historyIn(condition: Condition): readonly History[] {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.flatMap(historyIn)
    case 'not':
      return historyIn(condition.of)
    case 'history':
      return [condition]
    default:
      return []
  }
}
