/** `npm run chaos`: a team of processes in a storm, and every promise holds. The seed throws the same dice; time does the rest. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDice } from '../sim/scheduler.ts'
import { checkCards } from './cards.ts'
import { check, lateAfterStandstill } from './check.ts'
import { errandsOf, runErrands } from './errands.ts'
import { openLane } from './lane.ts'
import { inWords, PATIENCE_MS } from './run-trials.ts'
import { scoreboard } from './scoreboard.ts'
import { checkSeals } from './seals.ts'
import { type LaneStores, openLaneStores } from './stores.ts'
import { startStorm } from './storm.ts'
import * as wishes from './wishes.ts'

const GATEWAYS = 3
const WORKERS = 2
/** A process takes its time to come back when several do at once, and calls have to outlive it. */
const DEADLINE_MS = 20_000

let stores: LaneStores
beforeAll(async () => {
  stores = await openLaneStores()
})
afterAll(() => stores.close())

test('a team in a storm', { timeout: 24 * 60 * 60 * 1_000 }, async () => {
  const { seed, minutes } = wishes
  const { postgresUrl, withRedis } = stores
  const shared = { postgresUrl, withRedis, mutant: null, deadlineMs: DEADLINE_MS }
  const lane = await openLane({
    ...shared,
    name: 'chaos',
    shape: 'team',
    gateways: GATEWAYS,
    workers: WORKERS,
  })
  try {
    const dice = createDice(seed)
    const durationMs = minutes * 60_000
    const errands = errandsOf(wishes.calls, durationMs, dice)
    const calls = errands.map(({ call }) => call)
    const startedMs = performance.now()
    let giveUpMs = Number.POSITIVE_INFINITY
    const running = runErrands(lane, errands, () => performance.now() > giveUpMs)
    const storm = startStorm(lane, dice, stores.postgresDies)
    await new Promise((done) => setTimeout(done, durationMs))
    await storm.end()
    const quietMs = performance.now()
    giveUpMs = quietMs + PATIENCE_MS + DEADLINE_MS
    const { heard, done, knownAfterMs, unanswered } = await running
    const settledMs = performance.now() - quietMs
    const broken = [
      ...(await check(lane, { calls, heard, done, unanswered }, lateAfterStandstill(storm.standstills))),
      ...(await checkCards(
        lane,
        calls.map(({ marker }) => marker),
      )),
      ...(await checkSeals(lane)),
    ]
    process.stdout.write(
      scoreboard({
        title: `${GATEWAYS} gateways, ${2 * WORKERS} workers, Redis and PostgreSQL in a storm of ${minutes} min`,
        counts: { calls: calls.length, 'acts of people': done.length, ...storm.counts },
        outcomes: heard.flatMap(({ isOver, outcome }) => (isOver && outcome !== null ? [outcome] : [])),
        broken,
        spreadsMs: new Map([
          ['an agent knew after', knownAfterMs],
          ['a process came back after', storm.startsMs],
          ['all over after it', [settledMs]],
        ]),
        seed,
        tookMs: performance.now() - startedMs,
      }),
    )
    expect(broken.map(inWords), `npm run chaos -- --seed ${seed} --minutes ${minutes}`).toEqual([])
    // A storm in which nothing ran proves nothing.
    expect(heard.some(({ outcome }) => outcome === 'answered')).toBe(true)
  } finally {
    await lane.close()
  }
})
