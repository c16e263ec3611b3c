/** What the command line asked for; the runs are vitest files, so it comes by the environment. */
import { signals } from './trap.ts'

const text = (name: string): string | null => {
  const value = process.env[name] ?? ''
  return value === '' ? null : value
}
const number = (name: string): number | null => (text(name) === null ? null : Number(text(name)))

export const seed = number('CRASH_SEED') ?? Math.floor(Math.random() * 1_000_000)
export const trials = number('CRASH_TRIALS')
export const point = text('CRASH_POINT')
export const signal =
  signals.find((one) => one === `SIG${(text('CRASH_SIGNAL') ?? '').toUpperCase()}`) ?? null
export const only = number('CRASH_ONLY')
export const mutant = text('CRASH_MUTANT')
export const minutes = number('CHAOS_MINUTES') ?? 1
export const calls = number('CHAOS_CALLS') ?? 60
