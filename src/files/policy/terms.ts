/** Reads the `approval` block of a rule. What cannot be enforced yet is refused: a promise nobody keeps is worse than none. */

import type { z } from 'zod'
import { didYouMean } from '../../domain/did-you-mean.ts'
import { type ApprovalTerms, usualTerms } from '../../domain/policy/rule.ts'
import type { Path } from '../document.ts'
import { durationMs } from '../duration.ts'
import type { Reader } from './reader.ts'
import type { approvalShape } from './shapes.ts'

/** Nobody decides in less. */
const TIMEOUT_MS_MIN = 10_000
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
  const { quorum = 1, stages = [], reminders = [], escalation = [], evidence = [] } = written
  return [
    ['quorum', quorum > 1, 'remove it: one approver decides'],
    ['stages', stages.length > 0, 'name the group of the last stage under `groups`'],
    ['reminders', reminders.length > 0, 'remove it'],
    ['escalation', escalation.length > 0, 'name everybody who may decide under `groups`'],
    ['evidence', evidence.length > 0, 'remove it'],
    ['grants', written.grants !== undefined, 'remove it: every call is decided by itself'],
  ] as const
}
