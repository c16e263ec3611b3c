/**
 * What can happen to processes, all the time: by chance one is killed, ended in good order, stopped or continued, and whatever
 * is gone comes back; Redis dies and the server is away now and then.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dice } from '../sim/scheduler.ts'
import type { Lane, Slot } from './lane.ts'
import { heal } from './trial.ts'

export interface Storm {
  readonly counts: Readonly<Record<Harm, number>>
  /** How long each process took until it was ready again. */
  readonly startsMs: readonly number[]
  /** Resolves when every process is there again and the world behaves. */
  end(): Promise<void>
}

const none = {
  killed: 0,
  ended: 0,
  stopped: 0,
  continued: 0,
  'started again': 0,
  'Redis killed': 0,
  'server away': 0,
}
type Harm = keyof typeof none

const EVERY_MS = 300
/** A process that is told to end has this long; a stop in good order is bounded by less. */
const END_MS_MAX = 30_000
const AWAY_MS_MAX = 1_500
/** In three ticks of a hundred: every ten seconds or so. */
const RARELY = 0.03

export function startStorm(lane: Lane, dice: Dice): Storm {
  const counts = { ...none }
  const count = (harm: Harm) => {
    counts[harm]++
  }
  const startsMs: number[] = []
  const goingOn = new Set<Promise<void>>()
  const busy = new Set<Slot | 'redis' | 'upstream'>()
  let isOver = false
  const raging = rage()

  async function rage(): Promise<void> {
    for (; !isOver; await sleep(EVERY_MS)) {
      if (dice.chance(RARELY)) alone('redis', redisDies)
      if (dice.chance(RARELY)) alone('upstream', serverIsAway)
      const slot = dice.pick(lane.slots)
      if (!busy.has(slot)) hit(slot)
    }
  }

  /** One thing at a time happens to each. */
  function alone(one: Slot | 'redis' | 'upstream', happen: () => Promise<void>): void {
    if (busy.has(one)) return
    busy.add(one)
    const happening = happen().finally(() => {
      busy.delete(one)
      goingOn.delete(happening)
    })
    goingOn.add(happening)
  }

  function hit(slot: Slot): void {
    if (slot.isFrozen && dice.chance(0.8)) {
      count('continued')
      slot.running.thaw()
      slot.isFrozen = false
      return
    }
    // Were there no gateway most of the time, nothing would happen that can go wrong.
    const isLast = lane.gateways().length === 1 && lane.gateways()[0] === slot.running
    if (isLast && dice.chance(0.9)) return
    if (!slot.isFrozen && dice.chance(0.4)) {
      count('stopped')
      slot.isFrozen = true
      slot.running.freeze()
      return
    }
    const isKill = slot.isFrozen || dice.chance(0.75)
    const awayMs = dice.below(AWAY_MS_MAX)
    count(isKill ? 'killed' : 'ended')
    alone(slot, async () => {
      if (isKill) await slot.running.kill()
      else await Promise.race([slot.running.stop(), sleep(END_MS_MAX, undefined, { ref: false })])
      await sleep(awayMs)
      const atMs = performance.now()
      await lane.replace(slot)
      startsMs.push(performance.now() - atMs)
      count('started again')
    })
  }

  function thawAll(): void {
    for (const slot of lane.slots.filter(({ isFrozen }) => isFrozen)) {
      slot.running.thaw()
      slot.isFrozen = false
    }
  }

  async function redisDies(): Promise<void> {
    if (lane.redis === null) return
    count('Redis killed')
    const awayMs = dice.below(AWAY_MS_MAX)
    await lane.redis.kill()
    await sleep(awayMs)
    await lane.redis.start()
  }

  async function serverIsAway(): Promise<void> {
    count('server away')
    const awayMs = dice.below(AWAY_MS_MAX)
    await lane.upstream.refuse()
    await sleep(awayMs)
    await lane.upstream.accept()
  }

  return {
    counts,
    startsMs,
    async end() {
      isOver = true
      await raging
      // Whoever stands still may hold what somebody else needs to start.
      thawAll()
      await Promise.all(goingOn)
      await heal(lane)
    },
  }
}
