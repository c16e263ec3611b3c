/** One trial: arm a point, let agents and people work, let the others finish what the victim left, and judge. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDice } from '../sim/scheduler.ts'
import type { Broken } from '../support/promises.ts'
import { type AgentCall, callsUntilKnown, type Heard } from './agents.ts'
import { anybodyLate, check, nobodyLate } from './check.ts'
import { type Lane, LEASE_MS, type Slot } from './lane.ts'
import type { Launched } from './launched.ts'
import { actsOn, type Done, rowsOf } from './people.ts'
import type { Trial } from './plan.ts'
import { type Batch, batchOf } from './scenarios.ts'

export interface Tried {
  readonly trial: Trial
  /** Whose process passed the point; `null`: none did. */
  readonly victim: Slot['role'] | null
  readonly calls: number
  readonly markers: readonly string[]
  /** From the end of the victim until every agent knew its outcome and everything was settled. */
  readonly recoveryMs: number | null
  readonly outcomes: readonly string[]
  readonly broken: readonly Broken[]
}

/** Beyond the lease, so that others have taken the process for dead when it goes on. */
const STOPPED_MS = LEASE_MS + 1_000
/** Beyond the time that a drawer of cards has for one. */
const STOPPED_DRAWING_MS = 8_000
/** Points of the background are passed by themselves, the rarest every ten seconds. */
const BACKGROUND_MS = 11_000
/** What a process that goes on does at once is done by then. */
const AFTER_THAW_MS = 400
/** Calls are made again until the point is passed. */
const BATCHES_MAX = 4
/** So many times the point may be passed as often as planned; then the first passing counts, for what comes once in a batch. */
const BATCHES_AS_PLANNED = 2
const LOOK_MS = 25

/** No two calls of a run are the same call. */
let batches = 0

export async function runTrial(lane: Lane, trial: Trial, patienceMs: number): Promise<Tried> {
  const { point, signal, nth, seed } = trial
  const dice = createDice(seed)
  const victims: { slot: Slot; atMs: number }[] = []
  const caring: Promise<void>[] = []
  lane.onLastWords = (slot) => {
    victims.push({ slot, atMs: performance.now() })
    caring.push(signal === 'SIGKILL' ? afterKill(lane, slot, trial) : afterStop(slot, trial))
  }
  const once = join(mkdtempSync(join(tmpdir(), 'crash-')), 'passed')
  const armed = new Map<Launched, number>()
  const armAll = (batch: number) => {
    const passing = batch < BATCHES_AS_PLANNED ? nth : 1
    for (const { running } of lane.slots) {
      // Arming it again would make it count from the beginning.
      if (armed.get(running) === passing) continue
      running.arm({ point: point.step ?? point.name, nth: passing, signal, once })
      armed.set(running, passing)
    }
  }
  const hasStruck = () => victims.length > 0

  const calls: AgentCall[] = []
  const heard: Heard[] = []
  const done: Done[] = []
  const unanswered: string[] = []
  let overMs = performance.now()
  for (let batch = 0; batch < BATCHES_MAX && !hasStruck(); batch++) {
    // A scenario may have killed somebody on its own.
    await heal(lane)
    armAll(batch)
    const prefix = `mk-${++batches}`
    const work = batchOf(lane, point.scenario, prefix, dice)
    calls.push(...work.calls)
    unanswered.push(...(await runBatch(lane, work, { heard, done, patienceMs, hasStruck })))
    overMs = performance.now()
    lane.upstream.behave()
    const untilMs = overMs + (point.group === 'background' ? BACKGROUND_MS : 200)
    while (!hasStruck() && performance.now() < untilMs) await sleep(LOOK_MS)
  }
  for (const { running } of lane.slots) running.arm(null)
  await Promise.all(caring)
  await heal(lane)
  if (signal === 'SIGSTOP') await sleep(AFTER_THAW_MS)
  // Perhaps it is the one thing that nobody else can prevent: it stood still between the look and the act.
  const mayBeLate =
    signal === 'SIGSTOP' && (point.name === 'first byte: now' || point.name === 'first byte alone: now')
  const lateAfter = mayBeLate ? anybodyLate : nobodyLate
  const broken = await check(lane, { calls, heard, done, unanswered }, lateAfter)
  const victim = victims[0]
  return {
    trial,
    victim: victim?.slot.role ?? null,
    calls: calls.length,
    markers: [...new Set(calls.map(({ marker }) => marker))],
    recoveryMs: victim === undefined ? null : Math.max(0, overMs - victim.atMs),
    outcomes: heard.flatMap(({ isOver, outcome }) => (isOver && outcome !== null ? [outcome] : [])),
    broken,
  }
}

/** @returns the markers whose agents did not get to know their outcome */
async function runBatch(
  lane: Lane,
  work: Batch,
  {
    heard,
    done,
    patienceMs,
    hasStruck,
  }: { heard: Heard[]; done: Done[]; patienceMs: number; hasStruck: () => boolean },
): Promise<string[]> {
  const left = new Set<string>()
  const giveUpMs = performance.now() + patienceMs
  let isEverybodyDone = false
  const isGivenUp = () => performance.now() > giveUpMs
  const isOver = () => isEverybodyDone || isGivenUp()
  const course = { isOver, hasStruck, hasLeft: (marker: string) => left.has(marker) }
  const agents = work.calls.map(async (call) => {
    const isKnown = await callsUntilKnown(lane, call, heard, isGivenUp)
    if (!isKnown) left.add(call.marker)
    if (isKnown || call.leavesAfterMs !== null) await untilSettled(lane, call.marker, isGivenUp)
    return isKnown || call.leavesAfterMs !== null ? [] : [call.marker]
  })
  const people = work.prepare(course).then(async () => {
    const meddling = work.meddle(course)
    await Promise.all(work.acts.map((wanted) => actsOn(lane, wanted, done, isGivenUp)))
    await meddling
  })
  const unanswered = (await Promise.all(agents)).flat()
  isEverybodyDone = true
  await people
  return unanswered
}

export async function untilSettled(lane: Lane, marker: string, isGivenUp: () => boolean): Promise<void> {
  while (!isGivenUp() && (await rowsOf(lane, marker)).some(({ status }) => status !== 'settled'))
    await sleep(LOOK_MS)
}

async function afterKill(lane: Lane, slot: Slot, { isReplacedAtOnce }: Trial): Promise<void> {
  await slot.running.exited
  // Somebody has to be there who goes on; a scenario may have killed the other one.
  if (isReplacedAtOnce || lane.gateways().length === 0) await lane.replace(slot)
}

async function afterStop(slot: Slot, { point }: Trial): Promise<void> {
  slot.isFrozen = true
  await sleep(point.group === 'cards' ? STOPPED_DRAWING_MS : STOPPED_MS)
  slot.running.thaw()
  slot.isFrozen = false
}

/** Every slot has a process again, and the world behaves. */
export async function heal(lane: Lane): Promise<void> {
  lane.upstream.behave()
  await lane.upstream.accept()
  for (const slot of lane.slots) {
    if (slot.isFrozen) slot.running.thaw()
    slot.isFrozen = false
    if (!slot.running.isAlive()) await lane.replace(slot)
  }
}
