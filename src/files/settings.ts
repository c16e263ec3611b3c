/** The `timings` and `limits` of `holdpoint.yaml`: each name, its unit and its bounds. */
import { z } from 'zod'
import { defaultLimits, type Limits } from '../domain/limits.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { defaultTimings, type Timings } from '../domain/timings.ts'
import type { Document, Path } from './document.ts'
import { durationMs, durationShape } from './duration.ts'
import type { Problem } from './problem.ts'
import { checkShape, problemAt, says } from './shape.ts'

/** How each duration is called in `timings`. */
export const timingNames = {
  decisionMs: 'decision',
  decisionMaxMs: 'decision_max',
  startByMs: 'start_by',
  coolDownMs: 'cool_down',
  keepOutcomeMs: 'keep_outcome',
  replayMs: 'replay',
  holdMs: 'hold',
  returnMs: 'return',
  commentMs: 'comment',
  progressMs: 'progress',
  nodeLeaseMs: 'node_lease',
  replyIdleMs: 'reply_idle',
  loopMs: 'loop',
  pollMs: 'poll',
  sessionIdleMs: 'session_idle',
  unservedMs: 'unserved',
  keepDecisionsMs: 'keep_decisions',
} as const satisfies Record<keyof Timings, string>

/** How each bound is called in `limits`. */
export const limitNames = {
  bodyBytesMax: 'body',
  bodyBytesInFlightMax: 'bodies_in_flight',
  pendingPerPrincipalMax: 'pending_per_principal',
  heldRequestsMax: 'held_requests',
  heldPerPrincipalMax: 'held_per_principal',
  heldPerApprovalMax: 'held_per_approval',
  replyBytesMax: 'reply',
  childrenMax: 'children',
  childrenPerServerMax: 'children_per_server',
  childrenPerOwnerMax: 'children_per_owner',
  childrenPerPrincipalMax: 'children_per_principal',
  lineBytesMax: 'line',
  decisionsMax: 'decisions',
} as const satisfies Record<keyof Limits, string>

export function readTimings(document: Document): Result<Timings, Problem[]> {
  const read = readSection(document, 'timings', defaultTimings, timingNames, (_field, path) =>
    readDuration(document, path),
  )
  if (!read.ok || read.value.nodeLeaseMs >= NODE_LEASE_MS_MIN) return read
  const message = 'a lease this short ends while its gateway lives'
  const remedy = 'write at least 2s: it is renewed four times in its length'
  return err([problemAt(document, ['timings', 'node_lease'], message, remedy)])
}

/** One duration, in milliseconds. */
export function readDuration(document: Document, path: Path): Result<number, Problem[]> {
  const written = checkShape(document, durationShape, path)
  if (!written.ok) return written
  const duration = durationMs(written.value)
  if (duration >= DURATION_MIN_MS && duration <= DURATION_MAX_MS) return ok(duration)
  return err([problemAt(document, path, 'the duration is out of bounds', 'write one between 10ms and 20d')])
}

export function readLimits(document: Document): Result<Limits, Problem[]> {
  return readSection(document, 'limits', defaultLimits, limitNames, (field, path) =>
    isSize(field) ? readSize(document, path) : readCount(document, path),
  )
}

/** A busy gateway answers itself a little late now and then. */
const NODE_LEASE_MS_MIN = 2_000
const isSize = (field: keyof Limits) => field.includes('Bytes')

/** Shorter than this is a busy loop. */
const DURATION_MIN_MS = 10
/** Timers of Node.js end at 24.8 days, and fire at once beyond that. */
const DURATION_MAX_MS = 20 * 24 * 60 * 60 * 1000

function readSize(document: Document, path: Path): Result<number, Problem[]> {
  const number = checkShape(document, z.number(), path)
  const written = number.ok ? ok(String(number.value)) : checkShape(document, z.string(), path)
  const parts = written.ok ? /^(\d{1,12}(?:\.\d{1,3})?) ?(B|KiB|MiB|GiB)?$/.exec(written.value) : null
  if (parts === null) {
    const remedy = 'write a number of bytes, or a number and a unit, as 512KiB or 4MiB'
    return err([problemAt(document, path, 'this is not a size', remedy)])
  }
  const [, amount = '', unit = 'B'] = parts
  const bytes = Math.round(Number.parseFloat(amount) * (unitBytes[unit] ?? Number.NaN))
  if (bytes >= KiB && bytes <= GiB) return ok(bytes)
  return err([problemAt(document, path, 'the size is out of bounds', 'write one between 1KiB and 1GiB')])
}

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB, MiB, GiB }

function readCount(document: Document, path: Path): Result<number, Problem[]> {
  const error = says('the number is out of bounds', 'write a whole number between 1 and 1000000')
  return checkShape(document, z.int(error).min(1, error).max(1_000_000, error), path)
}

/** A section whose keys are the fields of one table in the domain, each under its name for people. */
function readSection<Field extends string>(
  document: Document,
  section: string,
  defaults: Readonly<Record<Field, number>>,
  names: Readonly<Record<Field, string>>,
  read: (field: Field, path: Path) => Result<number, Problem[]>,
): Result<Record<Field, number>, Problem[]> {
  const values: Record<Field, number> = { ...defaults }
  const fields = Object.keys(names).filter((key): key is Field => key in defaults)
  const known = z.strictObject(
    Object.fromEntries(fields.map((field) => [names[field], z.unknown().optional()])),
  )
  const shape = checkShape(document, known.nullable().optional(), [section])
  const problems: Problem[] = shape.ok ? [] : [...shape.error]
  for (const field of fields) {
    const path = [section, names[field]]
    if (document.get(path) === undefined) continue
    const value = read(field, path)
    if (value.ok) values[field] = value.value
    else problems.push(...value.error)
  }
  return problems.length > 0 ? err(problems) : ok(values)
}
