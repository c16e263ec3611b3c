/**
 * What limits would have done to calls of the past, counted in the order of time. Where it cannot be known whether a call would have
 * been sent (people were asked, its arguments were not kept), it counts in one reading and not in the other; so what is surely refused,
 * what may be, and what surely passes are told apart. Counting begins at zero, as if the policy had come into force then.
 */
import type { Window } from './policy/tally.ts'
import type { LimitOn } from './policy.ts'
import type { Answer } from './simulation.ts'

export interface LimitedAnswer {
  readonly strictest: Answer
  readonly mildest: Answer
  /** The limit that is reached, in the strictest reading; `null`: none. */
  readonly rule: string | null
}

export interface ReplayedLimits {
  /** What was counted before this moment, where that is sure. */
  known(key: string, atMs: number): number | null
  /** Each call once, the oldest first. */
  judge(
    limits: readonly LimitOn[],
    answer: { readonly strictest: Answer; readonly mildest: Answer },
    atMs: number,
  ): LimitedAnswer
}

export function createReplayedLimits(): ReplayedLimits {
  const counts = new Map<string, Count>()
  const countOf = (key: string, window: Window) => {
    const known = counts.get(key)
    if (known !== undefined) return known
    const made = createCount(window)
    counts.set(key, made)
    return made
  }

  return {
    known(key, atMs) {
      const { surely, perhaps } = counts.get(key)?.at(atMs) ?? { surely: 0, perhaps: 0 }
      return surely === perhaps ? surely : null
    },

    judge(limits, answer, atMs) {
      const full = (which: 'surely' | 'perhaps') =>
        limits.find(
          ({ isSure, reservation: { key, window, amount, max } }) =>
            max !== null &&
            (isSure || which === 'perhaps') &&
            exact(countOf(key, window).at(atMs)[which] + amount) > max,
        )
      if (answer.mildest === 'deny') return { ...answer, rule: null }
      const surely = full('surely')
      if (surely !== undefined) return { strictest: 'deny', mildest: 'deny', rule: surely.reservation.rule }
      const perhaps = full('perhaps')
      const strictest = perhaps === undefined ? answer.strictest : 'deny'
      for (const { isSure, reservation } of limits) {
        const { key, window, amount } = reservation
        countOf(key, window).add(atMs, amount, isSure && strictest === 'allow')
      }
      const rule = perhaps === undefined || answer.strictest === 'deny' ? null : perhaps.reservation.rule
      return { strictest, mildest: answer.mildest, rule }
    },
  }
}

interface Count {
  at(nowMs: number): { readonly surely: number; readonly perhaps: number }
  add(nowMs: number, amount: number, isSure: boolean): void
}

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

/** The windows of the counters in the ledger: the last so many seconds, or the running one in UTC. */
function createCount(window: Window): Count {
  const entries: { readonly atMs: number; readonly amount: number; readonly isSure: boolean }[] = []
  let [oldest, surely, perhaps] = [0, 0, 0]
  const isInside = (atMs: number, nowMs: number) =>
    window.kind === 'sliding'
      ? atMs > nowMs - window.seconds * 1_000
      : atMs >= nowMs - (nowMs % unitMs[window.unit])

  return {
    at(nowMs) {
      for (let entry = entries[oldest]; entry !== undefined && !isInside(entry.atMs, nowMs); ) {
        perhaps = exact(perhaps - entry.amount)
        if (entry.isSure) surely = exact(surely - entry.amount)
        oldest++
        entry = entries[oldest]
      }
      return { surely, perhaps }
    },
    add(atMs, amount, isSure) {
      entries.push({ atMs, amount, isSure })
      perhaps = exact(perhaps + amount)
      if (isSure) surely = exact(surely + amount)
    },
  }
}

/** As the ledger adds, in decimals, down to what anybody pays. */
const exact = (amount: number) => Math.round(amount * 1e6) / 1e6
