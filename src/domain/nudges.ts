/**
 * When people are called again to a call that still waits: reminders to those who may decide, escalation to further people.
 * The moments count from when it was asked; what was done stands in the record, so that whoever looks late does it once.
 */
import type { InstantMs, Pending } from './approval.ts'
import type { EscalationStep } from './policy/rule.ts'

/** `stage`: the earlier yeses are there, and the next people are asked. */
export const nudgeKinds = ['reminder', 'escalation', 'stage'] as const
export type NudgeKind = (typeof nudgeKinds)[number]

/** People were called again. */
export interface Nudge {
  readonly kind: NudgeKind
  /** The moment of the rule that this was, counted from the asking, and all of its kind that had passed before it. */
  readonly afterMs: number
  readonly atMs: InstantMs
}

export interface DueNudge {
  readonly kind: Exclude<NudgeKind, 'stage'>
  readonly afterMs: number
  readonly dueMs: InstantMs
}

type Timed = Pick<Pending, 'asking' | 'createdAtMs' | 'expiresAtMs' | 'nudges'>

/** Who was late does one of a kind for all that were missed. Further people first: the reminder is then for them as well. */
export function dueNudge(approval: Timed, nowMs: InstantMs): DueNudge | null {
  const due = openNudges(approval).filter(({ dueMs }) => dueMs <= nowMs)
  return due.findLast(({ kind }) => kind === 'escalation') ?? due.at(-1) ?? null
}

/** `null`: none is left before the deadline. */
export const nextNudgeMs = (approval: Timed): InstantMs | null => openNudges(approval)[0]?.dueMs ?? null

/** What the rule asks for and nobody has done, in the order of time. A deadline that is moved can open some again. */
function openNudges({ asking, createdAtMs, expiresAtMs, nudges }: Timed): readonly DueNudge[] {
  const doneMs = (kind: DueNudge['kind']) =>
    Math.max(0, ...nudges.filter((nudge) => nudge.kind === kind).map(({ afterMs }) => afterMs))
  const of = (kind: DueNudge['kind'], moments: readonly number[]) =>
    moments
      .filter((afterMs) => afterMs > doneMs(kind))
      .map((afterMs) => ({ kind, afterMs, dueMs: createdAtMs + afterMs }))
  return [
    ...of('reminder', asking.remindersMs),
    ...of(
      'escalation',
      asking.escalation.map(({ afterMs }) => afterMs),
    ),
  ]
    .filter(({ dueMs }) => dueMs < expiresAtMs)
    .sort((a, b) => a.dueMs - b.dueMs)
}

/** The steps whose people this escalation called, and nobody had called before. */
export function calledBy(
  nudge: Nudge,
  { asking, nudges }: Pick<Timed, 'asking' | 'nudges'>,
): EscalationStep[] {
  if (nudge.kind !== 'escalation') return []
  const before = nudges.filter(({ kind, afterMs }) => kind === 'escalation' && afterMs < nudge.afterMs)
  const fromMs = Math.max(0, ...before.map(({ afterMs }) => afterMs))
  return asking.escalation.filter(({ afterMs }) => afterMs > fromMs && afterMs <= nudge.afterMs)
}
