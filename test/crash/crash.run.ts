/** `npm run crash`: real processes die at every step and stand still at every step, and every promise holds. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planOf, type Trial } from './plan.ts'
import { points } from './points.ts'
import { inWords, neverPassed, PATIENCE_MS, runTrials } from './run-trials.ts'
import { scoreboard } from './scoreboard.ts'
import { type LaneStores, openLaneStores } from './stores.ts'
import { signals } from './trap.ts'
import type { Tried } from './trial.ts'
import * as wishes from './wishes.ts'

const TRIALS = points.length * signals.length

let stores: LaneStores
beforeAll(async () => {
  stores = await openLaneStores()
})
afterAll(() => stores.close())

test('every point with both signals', { timeout: 24 * 60 * 60 * 1_000 }, async () => {
  const { seed, point, signal, only } = wishes
  const wanted = wishes.trials ?? (point === null && only === null ? TRIALS : signals.length)
  const plan = planOf({
    seed,
    point,
    signal,
    only,
    trials: only === null ? wanted : Math.max(wanted, only + 1),
  })
  const startedMs = performance.now()
  const tried = await runTrials(plan, {
    stores,
    lanes: 3,
    mutant: null,
    patienceMs: PATIENCE_MS,
    isEnough: () => false,
    tell: (line) => process.stdout.write(`${line}\n`),
  })
  process.stdout.write(
    scoreboard({
      title: `Killed and stopped at ${points.length} points`,
      counts: { trials: tried.length, calls: tried.reduce((sum, { calls }) => sum + calls, 0) },
      outcomes: tried.flatMap(({ outcomes }) => outcomes),
      broken: tried.flatMap(({ broken }) => broken),
      spreadsMs: recoveries(tried),
      seed,
      tookMs: performance.now() - startedMs,
    }),
  )
  const replay = ({ index }: Trial) => `npm run crash -- --seed ${seed} --only ${index}`
  expect(
    tried.flatMap((one) => one.broken.map((each) => `${inWords(each)}\n  replay: ${replay(one.trial)}`)),
  ).toEqual([])
  // A point that nobody passes proves nothing.
  expect(neverPassed(tried).map((trial) => `${trial.point.name}: ${replay(trial)}`)).toEqual([])
})

function recoveries(tried: readonly Tried[]): Map<string, number[]> {
  const by = new Map<string, number[]>()
  for (const { trial, recoveryMs } of tried) {
    if (recoveryMs === null) continue
    const what = `back after (${trial.point.group}, ${trial.signal === 'SIGKILL' ? 'killed' : 'stopped'})`
    by.set(what, [...(by.get(what) ?? []), recoveryMs])
  }
  return new Map([...by].sort(([a], [b]) => (a < b ? -1 : 1)))
}
