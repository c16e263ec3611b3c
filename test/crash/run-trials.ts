/** Runs a plan on several lanes at once; each trial belongs to one lane, and waits for what it needs there. */
import type { Broken } from '../support/promises.ts'
import { checkCards } from './cards.ts'
import { checkCounts } from './counts.ts'
import { type Lane, type LaneOptions, openLane } from './lane.ts'
import { againOf, shapeOf, type Trial } from './plan.ts'
import { checkSeals } from './seals.ts'
import type { LaneStores } from './stores.ts'
import { runTrial, type Tried } from './trial.ts'

export interface RunOptions {
  readonly stores: LaneStores
  readonly lanes: number
  readonly mutant: string | null
  /** How long the agents of a trial wait for their outcomes until they count as lost. */
  readonly patienceMs: number
  /** `true`: nothing more is started. */
  isEnough(tried: Tried): boolean
  tell(line: string): void
}

/** What every agent gets to know in time, on a machine with other things to do. */
export const PATIENCE_MS = 180_000

/** Short, so that every deadline is met in a trial. */
const DEADLINE_MS = 6_000

/** A team on Redis, and processes that do everything on PostgreSQL alone. */
function laneOptions(n: number, { stores, mutant }: RunOptions): LaneOptions {
  const { postgresUrl } = stores
  const shared = { name: String(n), postgresUrl, gateways: 2, workers: 1, mutant, deadlineMs: DEADLINE_MS }
  const shape = shapeOf(n)
  return { ...shared, shape, withRedis: shape === 'team' && stores.withRedis }
}

export async function runTrials(plan: readonly Trial[], options: RunOptions): Promise<Tried[]> {
  const waiting = [...plan]
  const all: Tried[] = []
  const count = Math.min(options.lanes, options.stores.lanesMax, plan.length)
  // One trial alone is a replay: it happens to processes of the same shape again.
  const lanes = plan.length === 1 ? [plan[0]?.index ?? 0] : Array.from({ length: count }, (_, n) => n)
  await Promise.all(lanes.map(runLane))
  return all

  function take(n: number): Trial | undefined {
    const isMine = ({ shape }: Trial) =>
      shape === shapeOf(n) || lanes.every((lane) => shapeOf(lane) !== shape)
    const at = waiting.findIndex(isMine)
    return at < 0 ? undefined : waiting.splice(at, 1)[0]
  }

  async function runLane(n: number): Promise<void> {
    const lane = await openLane(laneOptions(n, options))
    try {
      for (let trial = take(n); trial !== undefined; trial = take(n)) {
        const tried = await withCards(lane, await runTrial(lane, trial, options.patienceMs), options)
        all.push(tried)
        // A mutant may keep everybody from ever passing it.
        const again = tried.victim === null && options.mutant === null ? againOf(trial) : null
        if (again !== null) waiting.push(again)
        options.tell(line(tried, all.length, plan.length, again))
        if (options.isEnough(tried)) waiting.length = 0
      }
      const seals = [...(await checkSeals(lane)), ...(await checkCounts(lane))]
      const last = all.at(-1)
      if (seals.length > 0 && last !== undefined) all.push({ ...last, markers: [], calls: 0, broken: seals })
    } finally {
      await lane.close()
    }
  }
}

async function withCards(lane: Lane, tried: Tried, { mutant }: RunOptions): Promise<Tried> {
  // What a mutant breaks is seen elsewhere.
  if (mutant !== null) return tried
  return { ...tried, broken: [...tried.broken, ...(await checkCards(lane, tried.markers))] }
}

export const inWords = ({ invariant, harm, text }: Broken): string => `${invariant} (${harm}): ${text}`

/** Those whose point nobody passed, however often they were tried: they prove nothing. */
export const neverPassed = (tried: readonly Tried[]): Trial[] =>
  tried.flatMap(({ trial }) =>
    trial.again === 0 && !tried.some((one) => one.trial.index === trial.index && one.victim !== null)
      ? [trial]
      : [],
  )

function line(
  { trial, victim, recoveryMs, outcomes, broken }: Tried,
  count: number,
  of: number,
  again: Trial | null,
): string {
  const what = `${trial.signal === 'SIGKILL' ? 'killed' : 'stopped'} at "${trial.point.name}"`
  const who = victim === null ? 'nobody passed' : `${victim} ${what}`
  const back = recoveryMs === null ? '' : `, all known after ${(recoveryMs / 1_000).toFixed(1)} s`
  const end = broken.length === 0 ? 'all promises kept' : broken.map(inWords).join('; ')
  const next = again === null ? '' : `; tried again with other dice (${again.again})`
  return `${String(count).padStart(3)}/${of} #${trial.index} ${victim === null ? `${who} "${trial.point.name}"` : who}${back} [${outcomes.join(' ')}] ${end}${next}`
}
