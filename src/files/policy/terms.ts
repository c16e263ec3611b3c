/** Reads the `approval` block of a rule: everything that its shape cannot say is looked at here, with its place. */

import type { z } from 'zod'
import { didYouMean } from '../../domain/did-you-mean.ts'
import { type ApprovalTerms, type EscalationStep, type Stage, usualTerms } from '../../domain/policy/rule.ts'
import { STAGES_MAX, YESES_MAX, yesesWanted } from '../../domain/quorum.ts'
import type { Path } from '../document.ts'
import { durationMs } from '../duration.ts'
import { readEvidence } from './evidence.ts'
import { readGrants } from './grants.ts'
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
  const { self_confirm: selfConfirm = null, timeout } = written
  const timeoutMs = timeout === undefined ? null : durationMs(timeout)
  if (timeoutMs !== null && !(timeoutMs >= TIMEOUT_MS_MIN && timeoutMs <= TIMEOUT_MS_MAX)) {
    reader.refuse([...at, 'timeout'], 'the duration is out of bounds', 'write one between 10s and 20d')
  }
  const { approvers, stages, quorum } = readWho(reader, written, at)
  if (selfConfirm === true && (stages !== null || quorum !== null)) {
    reader.refuseKey(
      [...at, 'self_confirm'],
      "an owner's confirmation is none of several yeses",
      'remove it, or let one yes decide',
    )
  }
  return {
    approvers,
    stages,
    quorum,
    selfConfirm,
    timeoutMs,
    onClientGone: written.on_client_gone ?? null,
    reasonRequired: written.reason_required ?? null,
    remindersMs: readReminders(reader, written.reminders ?? [], timeoutMs, at),
    escalation: readEscalation(reader, written.escalation ?? [], timeoutMs, at),
    lookups: readEvidence(reader, written.evidence ?? [], [...at, 'evidence']),
    grants: readGrants(reader, written.grants, { stages, quorum }, [...at, 'grants']),
  }
}

type Written = z.output<typeof approvalShape>
type Who = Pick<ApprovalTerms, 'approvers' | 'stages' | 'quorum'>

/** Whom the rule asks: its own people, or stages of them, or the server's. */
function readWho(reader: Reader, written: Written, at: Path): Who {
  const { groups, people, quorum, stages } = written
  if (stages !== undefined) {
    const others = (['groups', 'people', 'quorum'] as const).filter((key) => written[key] !== undefined)
    for (const key of others) {
      reader.refuseKey([...at, key], `\`${key}\` and \`stages\` say two things`, 'write it in its stage')
    }
    return readStages(reader, stages, [...at, 'stages'])
  }
  if (quorum !== undefined) checkCount(reader, quorum, [...at, 'quorum'])
  const several = quorum === undefined || quorum === 1 ? null : quorum
  if (groups === undefined && people === undefined) return { approvers: null, stages: null, quorum: several }
  const approvers = readPeople(
    reader,
    { groups, people },
    at,
    "or remove the lines: then the server's approvers decide",
  )
  checkEnough(reader, { ...approvers, quorum: several ?? 1 }, at)
  return { approvers, stages: null, quorum: several }
}

function readStages(reader: Reader, written: NonNullable<Written['stages']>, at: Path): Who {
  if (written.length === 0 || written.length > STAGES_MAX) {
    reader.refuse(at, `there are ${written.length} stages`, `write 1 to ${STAGES_MAX} of them`)
  }
  const stages = written.map(({ groups, people, quorum = 1 }, index) => {
    const place = [...at, index]
    const stage = { ...readPeople(reader, { groups, people }, place, 'who say yes in this stage'), quorum }
    checkEnough(reader, stage, place)
    return stage
  })
  checkCount(reader, yesesWanted(stages), at)
  const approvers = {
    groups: [...new Set(stages.flatMap(({ groups }) => groups))],
    people: [...new Set(stages.flatMap(({ people }) => people))],
  }
  return { approvers, stages, quorum: null }
}

function readPeople(
  reader: Reader,
  written: Pick<Written, 'groups' | 'people'>,
  at: Path,
  remedy: string,
): NonNullable<ApprovalTerms['approvers']> {
  const { groups = [], people = [] } = written
  if (groups.length + people.length === 0) {
    reader.refuse(at, 'nobody is named', `name \`groups\` or \`people\`, ${remedy}`)
  }
  for (const kind of ['groups', 'people'] as const) {
    for (const [index, name] of (written[kind] ?? []).entries()) {
      checkName(reader, kind, name, [...at, kind, index])
    }
  }
  return { groups, people }
}

/** Without a group it is known here how many there are; with one, where people and agents are known. */
function checkEnough(reader: Reader, { groups, people, quorum }: Stage, at: Path): void {
  const there = new Set(people).size
  if (groups.length > 0 || there === 0 || quorum <= there) return
  const message = `${quorum} different people have to say yes, and ${there} ${there === 1 ? 'is' : 'are'} named`
  reader.refuseKey([...at, 'quorum'], message, 'name more people, or ask for fewer yeses')
}

function checkCount(reader: Reader, yeses: number, at: Path): void {
  if (yeses > YESES_MAX) {
    reader.refuse(
      at,
      `it takes ${yeses} yeses`,
      `ask for at most ${YESES_MAX}: more is a poll, not a decision`,
    )
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
