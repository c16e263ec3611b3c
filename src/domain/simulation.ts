/** What another policy would have said about calls of the past: counted, with the doubts that are left said as numbers. */
import type { Action } from './policy/rule.ts'

/** Hidden tools are refused as well. */
export type Answer = Action

export const changes = [
  'unchanged',
  'newly_denied',
  'newly_asked',
  'no_longer_asked',
  'no_longer_denied',
] as const
export type Change = (typeof changes)[number]

/** One call of the past under the other policy. Where its arguments were not kept, the answer lies between two readings. */
export interface Replayed {
  readonly atMs: number
  readonly tool: string
  /** Equal where it is the same call of the same agent; `null`: cannot be compared. */
  readonly sameness: string | null
  readonly was: Answer
  readonly strictest: Answer
  readonly mildest: Answer
  /** What decides in the strictest reading. */
  readonly rule: string | null
  /** The strictest reading if rules in shadow were enforced; `null`: there are none. */
  readonly asIf: Answer | null
  /** People who would be asked, should it ask. */
  readonly asked: readonly string[]
  /** Whether it was a limit that refuses it, in each reading. */
  readonly limited: { readonly strictest: boolean; readonly mildest: boolean }
  /** A limit on it counts an amount that was not kept, and was not replayed. */
  readonly isUnmeasured: boolean
}

export interface ChangedCalls {
  readonly tool: string
  readonly was: Answer
  readonly strictest: Answer
  readonly mildest: Answer
  readonly rule: string | null
  readonly calls: number
}

export interface PersonsLoad {
  readonly person: string
  readonly approvals: number
  readonly perDay: number
  readonly busiestDay: number
}

export interface Simulation {
  readonly fromMs: number
  readonly toMs: number
  readonly calls: number
  /** There are more in that time than were looked at: these are the newest. */
  readonly isMore: boolean
  /** Calls about which the two readings differ. */
  readonly uncertain: number
  readonly strictest: Readonly<Record<Change, number>>
  readonly mildest: Readonly<Record<Change, number>>
  /** Calls that a limit would have refused. */
  readonly limited: { readonly atLeast: number; readonly atMost: number }
  /** Calls with a limit on an amount that was not kept. */
  readonly unmeasured: number
  /** What enforcing the rules in shadow would change about `strictest`; `null`: there are none. */
  readonly asIf: Readonly<Record<Change, number>> | null
  /** Most calls first; not all, where there are many. */
  readonly changed: readonly ChangedCalls[]
  readonly approvals: { readonly atLeast: number; readonly atMost: number }
  /** Of `atMost`, busiest person first. Everybody who may decide is asked. */
  readonly people: readonly PersonsLoad[]
  /** Of `atMost`: when it begins, and how many in that hour. `null`: nothing would be asked. */
  readonly busiestHour: { readonly fromMs: number; readonly approvals: number } | null
  /** How long people took lately, in the middle; `null`: nobody has decided yet. */
  readonly usualDecisionMs: number | null
  /** Approvals that wait at once in the busiest hour, if people take as long as lately (Little's law). */
  readonly expectedQueue: number | null
}

const rank: Readonly<Record<Answer, number>> = { allow: 0, require_approval: 1, deny: 2 }
const CHANGED_SHOWN_MAX = 50
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export function changeOf(was: Answer, is: Answer): Change {
  if (was === is) return 'unchanged'
  if (is === 'deny') return 'newly_denied'
  if (was === 'deny') return 'no_longer_denied'
  return is === 'require_approval' ? 'newly_asked' : 'no_longer_asked'
}

export interface Tallying {
  /** In any order by tool, the oldest first. */
  add(call: Replayed): void
  result(about: Pick<Simulation, 'toMs' | 'isMore' | 'usualDecisionMs'> & { sinceMs: number }): Simulation
}

/** @param repeatMs a repeat of the same call within this time attaches to the approval that is there already */
export function createTallying(repeatMs: number): Tallying {
  const none = { unchanged: 0, newly_denied: 0, newly_asked: 0, no_longer_asked: 0, no_longer_denied: 0 }
  const [strictest, mildest, asIf] = [{ ...none }, { ...none }, { ...none }]
  let hasShadow = false
  const changed = new Map<string, ChangedCalls>()
  const counted = new Map<string, number>()
  const hours = new Map<number, number>()
  const people = new Map<string, { approvals: number; days: Map<number, number> }>()
  let [calls, uncertain, atLeast, atMost, unmeasured] = [0, 0, 0, 0, 0]
  const limited = { atLeast: 0, atMost: 0 }
  let oldestMs = Number.POSITIVE_INFINITY

  function isRepeat({ sameness, atMs }: Replayed): boolean {
    if (sameness === null) return false
    const first = counted.get(sameness)
    if (first !== undefined && atMs - first < repeatMs) return true
    counted.set(sameness, atMs)
    return false
  }

  function countApproval({ atMs, asked }: Replayed): void {
    atMost++
    addTo(hours, Math.floor(atMs / HOUR_MS))
    for (const person of asked) {
      const load = people.get(person) ?? { approvals: 0, days: new Map<number, number>() }
      load.approvals++
      addTo(load.days, Math.floor(atMs / DAY_MS))
      people.set(person, load)
    }
  }

  return {
    add(call) {
      calls++
      oldestMs = Math.min(oldestMs, call.atMs)
      const { tool, was, rule } = call
      strictest[changeOf(was, call.strictest)]++
      mildest[changeOf(was, call.mildest)]++
      if (call.asIf !== null) {
        hasShadow = true
        asIf[changeOf(call.strictest, call.asIf)]++
      }
      const isSure = call.strictest === call.mildest
      if (!isSure) uncertain++
      if (call.isUnmeasured) unmeasured++
      if (call.limited.mildest) limited.atLeast++
      if (call.limited.strictest) limited.atMost++
      if (!isSure || was !== call.strictest) {
        const key = JSON.stringify([tool, was, call.strictest, call.mildest, rule])
        const same = changed.get(key)
        const row = { tool, was, strictest: call.strictest, mildest: call.mildest, rule }
        changed.set(key, { ...row, calls: (same?.calls ?? 0) + 1 })
      }
      const mayAsk =
        rank[call.mildest] <= rank.require_approval && rank[call.strictest] >= rank.require_approval
      if (!mayAsk || isRepeat(call)) return
      countApproval(call)
      if (isSure) atLeast++
    },

    result({ sinceMs, toMs, isMore, usualDecisionMs }) {
      // A log that is younger than what was asked for must not thin out what it holds.
      const fromMs = calls === 0 ? sinceMs : Math.max(sinceMs, oldestMs)
      const days = Math.max(1, (toMs - fromMs) / DAY_MS)
      const loads = [...people].map(([person, load]) => ({
        ...{ person, approvals: load.approvals, perDay: load.approvals / days },
        busiestDay: Math.max(...load.days.values()),
      }))
      const [busiest] = [...hours].sort((a, b) => b[1] - a[1] || a[0] - b[0])
      return {
        ...{ fromMs, toMs, calls, isMore, uncertain, strictest, mildest, approvals: { atLeast, atMost } },
        ...{ limited, unmeasured },
        asIf: hasShadow ? asIf : null,
        changed: [...changed.values()].sort((a, b) => b.calls - a.calls).slice(0, CHANGED_SHOWN_MAX),
        people: loads.sort((a, b) => b.approvals - a.approvals || a.person.localeCompare(b.person)),
        busiestHour: busiest === undefined ? null : { fromMs: busiest[0] * HOUR_MS, approvals: busiest[1] },
        usualDecisionMs,
        expectedQueue:
          busiest === undefined || usualDecisionMs === null ? null : (busiest[1] * usualDecisionMs) / HOUR_MS,
      }
    },
  }
}

const addTo = (counts: Map<number, number>, at: number) => counts.set(at, (counts.get(at) ?? 0) + 1)
