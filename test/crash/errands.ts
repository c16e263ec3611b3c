/** What agents want while the storm goes on, and what people say to it. Agents leave, come back, or ask for the same on two gateways. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dice } from '../sim/scheduler.ts'
import { type AgentCall, callsUntilKnown, type Heard } from './agents.ts'
import type { Lane } from './lane.ts'
import { actsOn, type Done, type Wanted } from './people.ts'
import { untilSettled } from './trial.ts'

export interface Errand {
  readonly call: AgentCall
  /** From the beginning of the storm. */
  readonly atMs: number
  /** `null`: nobody says anything to it. */
  readonly wanted: Wanted | null
  /** Asked by two requests at the same time. */
  readonly isTwice: boolean
  /** How long an agent that leaves is away; `null`: for good. */
  readonly awayMs: number | null
}

const SLOW_MS = 600
const LEAVES_AFTER_MS_MAX = 3_000
const AWAY_MS_MAX = 4_000

export function errandsOf(count: number, withinMs: number, dice: Dice): Errand[] {
  return Array.from({ length: count }, (_, n): Errand => {
    const call: AgentCall = {
      marker: `ch-${n + 1}-`,
      agent: dice.pick(['night-agent', 'day-agent']),
      era: dice.pick(['legacy', 'modern']),
      note: 'pay',
      gateway: dice.below(8),
      comesBackBy: dice.pick(['ticket', 'stream']),
      delayMs: dice.chance(0.3) ? SLOW_MS : 0,
      leavesAfterMs: dice.chance(0.25) ? dice.below(LEAVES_AFTER_MS_MAX) : null,
    }
    const act = actOf(dice.next())
    const door = dice.pick(['rest', 'slack'] as const)
    return {
      call,
      atMs: (withinMs * n) / count,
      wanted: act === null ? null : { marker: call.marker, act, door, gateway: dice.below(8) },
      isTwice: dice.chance(0.2),
      awayMs: dice.chance(0.7) ? dice.below(AWAY_MS_MAX) : null,
    }
  })
}

function actOf(roll: number): Wanted['act'] | null {
  if (roll < 0.5) return 'approve'
  if (roll < 0.65) return 'edit'
  if (roll < 0.77) return 'reject'
  return roll < 0.87 ? 'cancel' : null
}

export interface Errands {
  readonly heard: Heard[]
  readonly done: Done[]
  /** From the first request of an agent that stayed until it knew. */
  readonly knownAfterMs: number[]
  /** Agents that came, or came back, and never got to know. */
  readonly unanswered: string[]
}

/** Resolves when every agent knows, and every call of one that left is over; or `isGivenUp`. */
export async function runErrands(
  lane: Lane,
  errands: readonly Errand[],
  isGivenUp: () => boolean,
): Promise<Errands> {
  const all: Errands = { heard: [], done: [], knownAfterMs: [], unanswered: [] }
  await Promise.all(
    errands.map(async (errand) => {
      await sleep(errand.atMs)
      let isOver = false
      const people =
        errand.wanted === null ? null : actsOn(lane, errand.wanted, all.done, () => isOver || isGivenUp())
      await Promise.all(Array.from({ length: errand.isTwice ? 2 : 1 }, () => live(errand)))
      await untilSettled(lane, errand.call.marker, isGivenUp)
      isOver = true
      await people
    }),
  )
  return all

  async function live({ call, awayMs }: Errand): Promise<void> {
    const startedMs = performance.now()
    if (call.leavesAfterMs !== null) {
      if ((await callsUntilKnown(lane, call, all.heard, isGivenUp)) || awayMs === null) return
      await sleep(awayMs)
    }
    if (await callsUntilKnown(lane, { ...call, leavesAfterMs: null }, all.heard, isGivenUp))
      all.knownAfterMs.push(performance.now() - startedMs)
    else all.unanswered.push(call.marker)
  }
}
