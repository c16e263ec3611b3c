/**
 * One seeded order of everything. Each use of a port is two steps, its effect and the news of it, so that a process can
 * die, stall or be overtaken between them. Nothing runs on its own: the scheduler picks every next step.
 */

/** mulberry32: small, seeded, good enough to shuffle with. */
export function createDice(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    below: (n: number) => Math.floor(next() * n),
    chance: (p: number) => next() < p,
    pick<T>(items: readonly T[]): T {
      const item = items[Math.floor(next() * items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
  }
}
export type Dice = ReturnType<typeof createDice>

interface Step {
  readonly label: string
  readonly owner: Owner | null
  run(): void | Promise<void>
}

interface Timer {
  readonly dueMs: number
  readonly owner: Owner | null
  ring(): void
}

/** A process: while it is dead its steps are gone, while it is stalled they wait. */
export interface Owner {
  readonly name: string
  isDead: boolean
  stalledUntilMs: number
}

export function createScheduler(dice: Dice) {
  let nowMs = 1_000_000
  let steps: Step[] = []
  let timers: Timer[] = []
  let count = 0
  const trace: string[] = []

  const canRun = (owner: Owner | null) => owner === null || (!owner.isDead && owner.stalledUntilMs <= nowMs)
  const drain = () => new Promise<void>((resolve) => setImmediate(resolve))

  return {
    trace,
    nowMs: () => nowMs,
    count: () => count,
    /** A use of a port by `owner`: the effect happens at one step, the caller hears of it at a later one. */
    use<T>(owner: Owner | null, label: string, effect: () => T | Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        steps.push({
          label,
          owner,
          async run() {
            let news: () => void
            try {
              const value = await effect()
              news = () => resolve(value)
            } catch (error) {
              news = () => reject(error)
            }
            steps.push({ label: `${label} heard`, owner, run: () => news() })
          },
        })
      })
    },
    /** Something that happens once, in the world. */
    later(owner: Owner | null, label: string, run: () => void | Promise<void>): void {
      steps.push({ label, owner, run })
    },
    sleep(owner: Owner | null, ms: number, signal?: AbortSignal): Promise<void> {
      return new Promise((resolve) => {
        if (signal?.aborted === true) return resolve()
        const aborted = () => {
          timers = timers.filter((other) => other !== timer)
          resolve()
        }
        const ring = () => {
          signal?.removeEventListener('abort', aborted)
          resolve()
        }
        const timer: Timer = { dueMs: nowMs + ms, owner, ring }
        timers.push(timer)
        signal?.addEventListener('abort', aborted, { once: true })
      })
    },
    /** Time passes: everything that is due rings, in order. */
    advance(ms: number): void {
      nowMs += ms
      const due = timers
        .filter((timer) => timer.dueMs <= nowMs && canRun(timer.owner))
        .sort((a, b) => a.dueMs - b.dueMs)
      timers = timers.filter((timer) => !due.includes(timer))
      for (const timer of due) timer.ring()
    },
    /** Runs one step of those that can run. `false`: there is none. */
    async runOne(): Promise<boolean> {
      await drain()
      steps = steps.filter((step) => step.owner?.isDead !== true)
      const ready = steps.filter((step) => canRun(step.owner))
      if (ready.length === 0) return false
      const step = dice.pick(ready)
      steps = steps.filter((other) => other !== step)
      count++
      trace.push(`${nowMs} ${step.owner?.name ?? '-'} ${step.label}`)
      await step.run()
      await drain()
      return true
    },
    kill(owner: Owner): void {
      owner.isDead = true
      timers = timers.filter((timer) => timer.owner !== owner)
    },
  }
}
export type Scheduler = ReturnType<typeof createScheduler>
