/** Where a launched process dies or stands still: at the n-th passing of one named point, by its own hand, in the middle of the work. */
import { openSync, writeSync } from 'node:fs'
import { z } from 'zod'

export const signals = ['SIGKILL', 'SIGSTOP'] as const
export type Signal = (typeof signals)[number]

const armed = z.object({
  point: z.string(),
  /** Acts when the point is passed for the n-th time from now. */
  nth: z.int().min(1),
  signal: z.enum(signals),
  /** All processes are armed and one acts: the first that can make this file. */
  once: z.string(),
})
export type Armed = z.infer<typeof armed>

/** What the harness sends to a process. */
export const order = z.object({ armed: armed.nullable() })

/** The file descriptor on which a process says where it is, synchronously, right before it does not go on. */
export const LAST_WORDS_FD = 4

export interface Trap {
  /** `null`: goes on for ever. */
  arm(next: Armed | null): void
  pass(point: string): void
}

export function createTrap(): Trap {
  let trap: Armed | null = null
  let passed = 0
  return {
    arm(next) {
      trap = next
      passed = 0
    },
    pass(point) {
      if (trap === null || point !== trap.point || ++passed < trap.nth) return
      const { signal, once } = trap
      trap = null
      if (!isFirst(once)) return
      writeSync(LAST_WORDS_FD, `${point}\n`)
      process.kill(process.pid, signal)
    },
  }
}

function isFirst(file: string): boolean {
  try {
    openSync(file, 'wx')
    return true
  } catch {
    return false
  }
}
