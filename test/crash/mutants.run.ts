/** Every broken design is caught in real processes, and by the harm that it does. A checker that cannot fail proves nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Harm } from '../support/promises.ts'
import { mutants } from './mutants.ts'
import { planOf } from './plan.ts'
import type { Scenario } from './points.ts'
import { runTrials } from './run-trials.ts'
import { type LaneStores, openLaneStores } from './stores.ts'
import type { Signal } from './trap.ts'
import * as wishes from './wishes.ts'

interface Catch {
  readonly point: string
  readonly signal: Signal
  /** Where another one than the point's own shows it. */
  readonly scenario?: Scenario
  readonly harms: readonly Harm[]
}

/** Where each does its harm. */
const catches: Readonly<Record<string, Catch>> = {
  'the claim is taken after the send': { point: 'send: after', signal: 'SIGKILL', harms: ['double'] },
  'the HTTP client sends again': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    scenario: 'server breaks off',
    harms: ['double'],
  },
  'a broken connection is called not sent': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    scenario: 'server breaks off',
    harms: ['false "not sent"'],
  },
  'a repeat of what runs is turned away as not executed': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    scenario: 'repeats of what runs',
    harms: ['false "not sent"'],
  },
  'time-out approves': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    scenario: 'nobody decides',
    harms: ['unapproved'],
  },
  'a stalled sender means that nothing was sent': {
    point: 'first byte: after',
    signal: 'SIGKILL',
    harms: ['false "not sent"'],
  },
  'a stalled sender means that it is sent again': {
    point: 'first byte: after',
    signal: 'SIGKILL',
    harms: ['double'],
  },
  'the queue is trusted: nobody looks by themselves': {
    point: 'expired: before',
    signal: 'SIGKILL',
    harms: ['lost'],
  },
  'a dead gateway is taken for alive': { point: 'first byte: after', signal: 'SIGKILL', harms: ['lost'] },
  'the answer is noted before it came': { point: 'wake-up: after', signal: 'SIGKILL', harms: ['untrue'] },
  'a process that stood still sends all the same': {
    point: 'first byte: before',
    signal: 'SIGSTOP',
    harms: ['untrue'],
  },
  'other bytes are sent than were decided on': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    harms: ['unapproved'],
  },
  'whoever waits gets the newest answer': {
    point: 'wake-up: after',
    signal: 'SIGKILL',
    harms: ['wrong recipient', 'untrue'],
  },
}

const TRIALS_MAX = 6
/** Nobody is slow here: who does not know by then never will. */
const PATIENCE_MS = 15_000

let stores: LaneStores
beforeAll(async () => {
  stores = await openLaneStores()
})
afterAll(() => stores.close())

const wanted = mutants.filter(({ name }) => wishes.mutant === null || name === wishes.mutant)

test.each(wanted.map(({ name }) => name))('%s', { timeout: 10 * 60_000 }, async (name) => {
  const caught = catches[name]
  if (caught === undefined) expect.fail('it is nowhere said where it is caught')
  const plan = planOf({
    seed: wishes.seed,
    trials: TRIALS_MAX,
    point: caught.point,
    signal: caught.signal,
    only: null,
  }).map((trial) => ({
    ...trial,
    point: { ...trial.point, scenario: caught.scenario ?? trial.point.scenario },
  }))
  const isCaught = (harms: readonly Harm[]) => harms.some((harm) => caught.harms.includes(harm))
  const tried = await runTrials(plan, {
    stores,
    lanes: 1,
    mutant: name,
    patienceMs: PATIENCE_MS,
    isEnough: ({ broken }) => isCaught(broken.map(({ harm }) => harm)),
    tell: (line) => process.stdout.write(`${line}\n`),
  })
  expect(isCaught(tried.flatMap(({ broken }) => broken.map(({ harm }) => harm)))).toBe(true)
})
