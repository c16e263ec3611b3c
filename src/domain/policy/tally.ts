/** What is counted: calls or amounts, of whom, over which time. Limits and conditions about history read the same tallies. */
import type { JsonValue } from '../canonical.ts'
import { digestOf } from '../canonical.ts'
import { type ValuePath, valueAt } from './value-path.ts'

/** Whose calls are counted together. Without protocol sessions a session is the principal. */
export const countedPer = ['agent', 'session', 'owner', 'server', 'global'] as const
export type Per = (typeof countedPer)[number]

export const calendarUnits = ['minute', 'hour', 'day'] as const
export type CalendarUnit = (typeof calendarUnits)[number]

/** The last so many seconds, or the running UTC minute, hour or day. */
export type Window =
  | { readonly kind: 'sliding'; readonly seconds: number }
  | { readonly kind: 'calendar'; readonly unit: CalendarUnit }

export interface Tally {
  /** Limits that share a name share a count. */
  readonly name: string
  readonly per: Per
  readonly window: Window
  /** What one call adds: a fixed number, or the number at a place in its arguments. */
  readonly amount: number | ValuePath
}

export interface Limit {
  readonly pointer: string
  readonly tally: Tally
  /** The sum that may be reached and not passed; `null`: counted only, for conditions that ask about it. */
  readonly max: number | null
  /** What the agent is told. */
  readonly reason: string | null
}

/** Asked of the counters before an allowed call is sent. */
export interface Reservation {
  readonly key: string
  readonly window: Window
  readonly amount: number
  readonly max: number | null
  readonly rule: string
  readonly reason: string | null
}

export interface Caller {
  readonly server: string
  readonly agent: string
  readonly owner: string
  readonly session: string | null
}

/** Under which the counters know it. Names of agents and owners are not part of it as text. */
export function tallyKey({ name, per, window }: Tally, caller: Caller): string {
  const { server, agent, owner, session } = caller
  const who = {
    agent: { agent, owner },
    session: { agent, owner, session },
    owner: { owner },
    server: {},
    global: {},
  }[per]
  const span = window.kind === 'sliding' ? window.seconds : window.unit
  return digestOf({ v: 1, server: per === 'global' ? null : server, name, per, window: span, ...who })
}

/** Money in the smallest unit, and far more of it than there is; beyond it numbers are no longer exact. */
export const AMOUNT_MAX = 1e15

/**
 * What a call adds, or `null` where that cannot be counted: missing, no number, negative, not finite, absurdly large.
 * Nothing that a caller writes can take from a count.
 */
export function amountOf({ amount }: Tally, args: JsonValue): number | null {
  const value = typeof amount === 'number' ? amount : valueAt(args, amount.steps)
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > AMOUNT_MAX) return null
  // Negative zero is zero.
  return Math.abs(value)
}

export function windowText(window: Window): string {
  if (window.kind === 'calendar') return `${window.unit} (UTC)`
  const { seconds } = window
  const units = [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ] as const
  const [size, unit] = units.find(([each]) => seconds % each === 0) ?? [1, 'second']
  const count = seconds / size
  return count === 1 ? unit : `${count} ${unit}s`
}
