/** A slice of `npm run crash`, so that it cannot rot: real processes killed and stopped where it hurts most. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planOf } from './plan.ts'
import { inWords, neverPassed, PATIENCE_MS, runTrials } from './run-trials.ts'
import { type LaneStores, openLaneStores } from './stores.ts'

const slice = [
  ['decision: after', 'SIGKILL'],
  ['claim: after', 'SIGSTOP'],
  ['first byte: after', 'SIGKILL'],
  ['answered: after', 'SIGKILL'],
  ['card posted: after', 'SIGKILL'],
  ['first byte: before', 'SIGSTOP'],
] as const
const SEED = 7

let stores: LaneStores
beforeAll(async () => {
  stores = await openLaneStores()
})
afterAll(() => stores.close())

test('a slice of the crash harness', { timeout: 10 * 60_000 }, async () => {
  const plan = slice.flatMap(([point, signal], index) =>
    planOf({ seed: SEED, trials: index + 1, point, signal, only: index }),
  )
  const lines: string[] = []
  const tried = await runTrials(plan, {
    stores,
    lanes: 2,
    mutant: null,
    patienceMs: PATIENCE_MS,
    isEnough: () => false,
    tell: (line) => lines.push(line),
  })
  expect(
    tried.flatMap(({ broken }) => broken.map(inWords)),
    lines.join('\n'),
  ).toEqual([])
  expect(
    neverPassed(tried).map(({ point }) => point.name),
    lines.join('\n'),
  ).toEqual([])
})
