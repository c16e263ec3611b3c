/** Reads the `approval` block of a rule. What cannot be enforced yet is refused: a promise nobody keeps is worse than none. */

import type { z } from 'zod'
import { didYouMean } from '../../domain/did-you-mean.ts'
import { type ApprovalTerms, type EscalationStep, usualTerms } from '../../domain/policy/rule.ts'
import type { Path } from '../document.ts'
import { durationMs } from '../duration.ts'
import { readEvidence } from './evidence.ts'
import type { Reader } from './reader.ts'
import type { approvalShape } from './shapes.ts'

/** Nobody decides in less. */
const TIMEOUT_MS_MIN = 10_000
/** Of a reminder or an escalation: less is no time in which anybody could have decided. */
const MOMENT_MS_MIN = 1_000
/** As for `timings.decision`: timers of Node.js end at 24.8 days. */
const TIMEOUT_MS_MAX = 20 * 24 * 60 * 60 * 1000

export function readTerms(
  reader: Reader,
  written: z.output<typeof approvalShape> | undefined,
  at: Path,
): ApprovalTerms {
  if (written === undefined) return usualTerms
  for (const [key, isUsed, remedy] of unsupported(written)) {
    if (isUsed) reader.refuseKey([...at, key], `\`${key}\` is not enforced in this version`, remedy)
  }
  const { groups, people, self_confirm: selfConfirm = null, timeout } = written
  const timeoutMs = timeout === undefined ? null : durationMs(timeout)
  if (timeoutMs !== null && !(timeoutMs >= TIMEOUT_MS_MIN && timeoutMs <= TIMEOUT_MS_MAX)) {
    reader.refuse([...at, 'timeout'], 'the duration is out of bounds', 'write one between 10s and 20d')
  }
  const isNamed = groups !== undefined || people !== undefined
  const approvers = isNamed ? { groups: groups ?? [], people: people ?? [] } : null
  if (approvers !== null && approvers.groups.length + approvers.people.length === 0) {
    reader.refuse(
      at,
      'nobody is named',
      "name `groups` or `people`, or remove the lines: then the server's approvers decide",
    )
  }
  for (const kind of ['groups', 'people'] as const) {
    for (const [index, name] of (written[kind] ?? []).entries()) {
      checkName(reader, kind, name, [...at, kind, index])
    }
  }
  return {
    approvers,
    selfConfirm,
    timeoutMs,
    onClientGone: written.on_client_gone ?? null,
    reasonRequired: written.reason_required ?? null,
    remindersMs: readReminders(reader, written.reminders ?? [], timeoutMs, at),
    escalation: readEscalation(reader, written.escalation ?? [], timeoutMs, at),
    lookups: readEvidence(reader, written.evidence ?? [], [...at, 'evidence']),
  }
}

function readReminders(
  reader: Reader,
  written: readonly string[],
  timeoutMs: number | null,
  at: Path,
): readonly number[] | null {
  const moments = written.map(durationMs)
  checkMoments(reader, moments, timeoutMs, (index) => [...at, 'reminders', index])
  return moments.length === 0 ? null : moments
}

function readEscalation(
  reader: Reader,
  written: NonNullable<z.output<typeof approvalShape>['escalation']>,
  timeoutMs: number | null,
  at: Path,
): readonly EscalationStep[] | null {
  const steps = written.map(({ after, groups = [], people = [] }) => ({
    afterMs: durationMs(after),
    ...{ groups, people },
  }))
  const moments = steps.map(({ afterMs }) => afterMs)
  checkMoments(reader, moments, timeoutMs, (index) => [...at, 'escalation', index, 'after'])
  for (const [index, { groups, people }] of steps.entries()) {
    const step = [...at, 'escalation', index]
    if (groups.length + people.length === 0) {
      reader.refuse(step, 'nobody is named', 'name `groups` or `people` who may decide from then on')
    }
    for (const [place, name] of groups.entries())
      checkName(reader, 'groups', name, [...step, 'groups', place])
    for (const [place, name] of people.entries())
      checkName(reader, 'people', name, [...step, 'people', place])
  }
  return steps.length === 0 ? null : steps
}

/** Moments after the asking: in the order of time, and before the deadline where the rule has one. */
function checkMoments(
  reader: Reader,
  moments: readonly number[],
  timeoutMs: number | null,
  placeOf: (index: number) => Path,
) {
  for (const [index, ms] of moments.entries()) {
    const before = moments[index - 1] ?? 0
    if (!(ms >= MOMENT_MS_MIN && ms <= TIMEOUT_MS_MAX)) {
      reader.refuse(placeOf(index), 'the duration is out of bounds', 'write one between 1s and 20d')
    } else if (timeoutMs !== null && ms >= timeoutMs) {
      const remedy = 'write a shorter one: it counts from when the call was asked'
      reader.refuse(placeOf(index), 'this is not before the `timeout`, so it never comes', remedy)
    } else if (ms <= before) {
      const remedy = 'write them in the order of time, each once'
      reader.refuse(placeOf(index), 'this is not later than the one before it', remedy)
    }
  }
}

function checkName(reader: Reader, kind: 'groups' | 'people', name: string, at: Path) {
  const { known } = reader
  if (known === null || known[kind].includes(name)) return
  const other = kind === 'groups' ? 'people' : 'groups'
  const remedy = known[other].includes(name)
    ? `it stands under \`${other}\`: write it there`
    : (didYouMean(name, known[kind]) ?? `add it under \`${kind}\` in holdpoint.yaml`)
  reader.refuse(at, `there is no "${name.slice(0, 64)}" among the ${kind} of holdpoint.yaml`, remedy)
}

function unsupported(written: z.output<typeof approvalShape>) {
  const { quorum = 1, stages = [] } = written
  return [
    ['quorum', quorum > 1, 'remove it: one approver decides'],
    ['stages', stages.length > 0, 'name the group of the last stage under `groups`'],
    ['grants', written.grants !== undefined, 'remove it: every call is decided by itself'],
  ] as const
}
