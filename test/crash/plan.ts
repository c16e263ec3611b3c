/** Which process meets what at which point: all of it follows from a seed, so that a trial can be run again. */
import { createDice } from '../sim/scheduler.ts'
import type { Shape } from './lane.ts'
import { type CrashPoint, points } from './points.ts'
import { type Signal, signals } from './trap.ts'

export interface Trial {
  readonly index: number
  /** The processes it happens to; a run with fewer lanes takes what it has. */
  readonly shape: Shape
  readonly point: CrashPoint
  readonly signal: Signal
  /** At the n-th passing, counted in each process. */
  readonly nth: number
  /** A killed process is replaced at once; otherwise only when the others have finished the work. */
  readonly isReplacedAtOnce: boolean
  /** For everything else that is left to chance in it. */
  readonly seed: number
  /** How many times it was tried before, and nobody passed its point. */
  readonly again: number
}

export interface Wish {
  readonly seed: number
  readonly trials: number
  /** Only this point, only this signal, only this trial of the plan. */
  readonly point: string | null
  readonly signal: Signal | null
  readonly only: number | null
}

/** Of the n-th trial and of the n-th lane: two of a team to one of processes that do everything. */
export const shapeOf = (n: number): Shape => (n % 3 === 1 ? 'whole' : 'team')

/** Every point with every signal comes once before any comes again. */
export function planOf({ seed, trials, point, signal, only }: Wish): Trial[] {
  const wanted = points.filter(({ name }) => point === null || name === point)
  if (wanted.length === 0) {
    throw new Error(`there is no point "${point}". There are: ${points.map(({ name }) => name).join(', ')}`)
  }
  const pairs = wanted.flatMap((one) =>
    signals.filter((two) => signal === null || two === signal).map((two) => ({ point: one, signal: two })),
  )
  const plan: Trial[] = []
  while (plan.length < trials) {
    const round = Math.floor(plan.length / pairs.length)
    for (const pair of shuffled(pairs, seed + round)) {
      const index = plan.length
      const own = seed * 1_000_003 + index
      const dice = createDice(own)
      plan.push({
        ...pair,
        index,
        shape: shapeOf(index),
        nth: dice.chance(0.7) ? 1 : 2,
        isReplacedAtOnce: dice.chance(0.5),
        seed: own,
        again: 0,
      })
    }
  }
  return plan.slice(0, trials).filter(({ index }) => only === null || index === only)
}

/** Whether somebody passes a point is left to chance as well: then the same trial is tried with other dice, so often at the most. */
const AGAIN_MAX = 5

/** `null`: it was tried often enough. */
export function againOf(trial: Trial): Trial | null {
  const again = trial.again + 1
  // The simplest of its kind: at the first passing.
  return again > AGAIN_MAX ? null : { ...trial, again, nth: 1, seed: trial.seed + again * 500_009 }
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const dice = createDice(seed)
  return items
    .map((item) => ({ item, key: dice.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
