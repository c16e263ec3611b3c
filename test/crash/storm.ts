/**
 * Every 300 ms something is killed: a process of ours, Redis, PostgreSQL as a whole, or else one of its backends with the
 * connection that somebody was using. Beside that, processes are ended in good order, stopped and continued, and the server is
 * away now and then. Whatever is gone comes back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dice } from '../sim/scheduler.ts'
import { HARNESS } from './asking-database.ts'
import type { Standstill } from './evidence.ts'
import type { Lane, Slot } from './lane.ts'
import { heal } from './trial.ts'

export interface Storm {
  readonly counts: Readonly<Record<Harm, number>>
  /** How long each process took until it was ready again. */
  readonly startsMs: readonly number[]
  /** Who stood still, and when. */
  readonly standstills: readonly Standstill[]
  /** Resolves when every process is there again and the world behaves. */
  end(): Promise<void>
}

const none = {
  killed: 0,
  'connections killed': 0,
  ended: 0,
  stopped: 0,
  continued: 0,
  'started again': 0,
  'Redis killed': 0,
  'PostgreSQL killed': 0,
  'server away': 0,
}
type Harm = keyof typeof none

const EVERY_MS = 300
/** A process that is told to end has this long; a stop in good order is bounded by less. */
const END_MS_MAX = 30_000
const AWAY_MS_MAX = 1_500
/** In three ticks of a hundred: every ten seconds or so. */
const RARELY = 0.03
/** Were most of them gone most of the time, nothing would happen that can go wrong. */
const GONE_MAX = 0.5
/** A process that cannot come back while PostgreSQL is away tries again. */
const STARTS_MAX = 20

export function startStorm(
  lane: Lane,
  dice: Dice,
  postgresDies: ((awayMs: number) => Promise<void>) | null,
): Storm {
  const counts = { ...none }
  const count = (harm: Harm) => {
    counts[harm]++
  }
  const startsMs: number[] = []
  const standstills: Standstill[] = []
  const goingOn = new Set<Promise<void>>()
  const busy = new Set<Slot | 'redis' | 'upstream' | 'postgres'>()
  let isOver = false
  const raging = rage()

  async function rage(): Promise<void> {
    for (; !isOver; await sleep(EVERY_MS)) {
      kill()
      if (dice.chance(RARELY)) alone('upstream', serverIsAway)
      if (dice.chance(0.1)) disturb(dice.pick(lane.slots))
    }
  }

  function kill(): void {
    if (dice.chance(RARELY) && lane.redis !== null && !busy.has('redis')) alone('redis', redisDies)
    else if (dice.chance(RARELY) && postgresDies !== null && !busy.has('postgres'))
      alone('postgres', () => databaseDies(postgresDies))
    else {
      const slot = dice.pick(lane.slots)
      if (isSpared(slot)) alone('postgres', connectionDies)
      else {
        count('killed')
        alone(slot, () => goesAndComesBack(slot, () => slot.running.kill()))
      }
    }
  }

  function isSpared(slot: Slot): boolean {
    const gone = lane.slots.filter((one) => busy.has(one)).length
    return busy.has(slot) || gone >= lane.slots.length * GONE_MAX || isLastGateway(slot)
  }

  function isLastGateway({ running }: Slot): boolean {
    return lane.gateways().length === 1 && lane.gateways()[0] === running && dice.chance(0.9)
  }

  /** One thing at a time happens to each. */
  function alone(one: Slot | 'redis' | 'upstream' | 'postgres', happen: () => Promise<void>): void {
    if (busy.has(one)) return
    busy.add(one)
    const happening = happen().finally(() => {
      busy.delete(one)
      goingOn.delete(happening)
    })
    goingOn.add(happening)
  }

  /** What is no kill: stopped and continued, and ended in good order. */
  function disturb(slot: Slot): void {
    if (busy.has(slot)) return
    if (slot.isFrozen) thaw(slot)
    else if (isLastGateway(slot)) return
    else if (dice.chance(0.6)) freeze(slot)
    else {
      count('ended')
      const stop = () => Promise.race([slot.running.stop(), sleep(END_MS_MAX, undefined, { ref: false })])
      alone(slot, () => goesAndComesBack(slot, stop))
    }
  }

  async function goesAndComesBack(slot: Slot, go: () => Promise<unknown>): Promise<void> {
    const awayMs = dice.below(AWAY_MS_MAX)
    await go()
    await sleep(awayMs)
    const atMs = performance.now()
    for (let starts = 1; ; starts++) {
      try {
        await lane.replace(slot)
        break
      } catch (error) {
        if (starts >= STARTS_MAX) throw error
        await sleep(EVERY_MS)
      }
    }
    startsMs.push(performance.now() - atMs)
    count('started again')
  }

  function freeze(slot: Slot): void {
    count('stopped')
    slot.isFrozen = true
    standstills.push({ pid: slot.running.pid, fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY })
    slot.running.freeze()
  }

  function thaw(slot: Slot): void {
    count('continued')
    slot.running.thaw()
    slot.isFrozen = false
    for (const one of standstills)
      if (one.pid === slot.running.pid) one.untilMs = Math.min(one.untilMs, Date.now())
  }

  function thawAll(): void {
    for (const slot of lane.slots.filter(({ isFrozen }) => isFrozen)) thaw(slot)
  }

  async function connectionDies(): Promise<void> {
    count('connections killed')
    await lane.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name <> $1 ORDER BY random() LIMIT 1`,
      [HARNESS],
    )
  }

  async function databaseDies(dies: (awayMs: number) => Promise<void>): Promise<void> {
    count('PostgreSQL killed')
    await dies(dice.below(AWAY_MS_MAX))
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
    standstills,
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
