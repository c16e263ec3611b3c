/** One call in its surroundings, from which steps are taken: what can be changed there, and what the ledger lets be written. */
import type { Approval } from '../../src/domain/approval.ts'
import type { ApprovalEvent, Deadline } from '../../src/domain/transition.ts'
import type { Design } from './designs.ts'
import { meantAfter, nobodyYet } from './people.ts'
import { NOW_MS, type Records, type Row } from './records.ts'
import {
  type Around,
  approvalIn,
  type Call,
  endMs,
  type Request,
  type Shape,
  type Slot,
  type Work,
} from './state.ts'
import type { Chance, World } from './world.ts'

export interface Step {
  readonly label: string
  readonly shape: Shape
  readonly around: Around
  /** It happens by itself, sooner or later, whatever people and accidents do. */
  readonly isCertain: boolean
  readonly broken: string | null
}

export interface Scene {
  readonly call: Shape
  readonly around: Around
  readonly world: World
  readonly records: Records
  /** The other call, which nothing but a broken design looks at. */
  readonly other: { readonly call: Call; readonly position: 0 | 1 } | null
  readonly position: 0 | 1
}

export const isBuiltSo = ({ world }: Scene, design: Design): boolean => world.design === design

export const certain = (label: string, shape: Shape, around: Around, broken: string | null = null): Step => ({
  label,
  shape,
  around,
  isCertain: true,
  broken,
})

export const possible = (
  label: string,
  shape: Shape,
  around: Around,
  broken: string | null = null,
): Step => ({ label, shape, around, isCertain: false, broken })

/** The surroundings once more of it has happened; `null`: it has happened as often as it may. */
export function spend(around: Around, { among }: World, chance: Chance): Around | null {
  const left = around.left[chance]
  const isAmong = among.chances.includes(chance)
  if (left === 0 || (isAmong && around.leftAmong === 0)) return null
  const leftAmong = around.leftAmong - (isAmong ? 1 : 0)
  const after = { ...around.left, [chance]: left - 1 }
  // None of them happens any more, so that it is all one which of them have.
  if (leftAmong === 0) for (const one of among.chances) after[one] = 0
  return { ...around, left: after, leftAmong }
}

const replaced = <T>(all: readonly T[], at: number, one: T): readonly T[] =>
  all.map((each, n) => (n === at ? one : each))

export const withSlot = (shape: Shape, at: number, change: Partial<Slot>): Shape => ({
  ...shape,
  slots: shape.slots.map((slot, n) => (n === at ? { ...slot, ...change } : slot)),
})
export const withRequest = (shape: Shape, at: number, request: Request): Shape => ({
  ...shape,
  requests: replaced(shape.requests, at, request),
})
export const withWork = (shape: Shape, at: number, work: Work): Shape => ({
  ...shape,
  work: replaced(shape.work, at, work),
})
export const withNewSlot = (shape: Shape, row: Row): Shape => ({
  ...shape,
  slots: [...shape.slots, { row, isTimeUp: false, click: 'none', hits: 0, meant: nobodyYet }],
})

export interface Save {
  readonly name: string
  readonly event: (approval: Approval, position: 0 | 1) => ApprovalEvent
  /** What its author had read; left out: it reads again, as `change` does. */
  readonly read?: Row
  /** Whoever judged it did so in time, and may have stood still since. */
  readonly isJudgedInTime?: boolean
  /** What a broken design writes in place of what `transition` says. */
  readonly forced?: (approval: Approval) => Approval | null
}

/** The one door: guarded by what was read, and by the ledger's clock; `null`: nothing was written. */
export function save(
  scene: Scene,
  at: number,
  { name, event, read, isJudgedInTime, forced }: Save,
): Shape | null {
  const { call, records } = scene
  const slot = call.slots[at]
  if (slot === undefined) return null
  if (read !== undefined && read !== slot.row && !isBuiltSo(scene, 'a write is not guarded by the version'))
    return null
  const row = read ?? slot.row
  const ledgerMs = slot.isTimeUp ? endMs(slot.row) : NOW_MS
  const atMs = isJudgedInTime === true ? NOW_MS : ledgerMs
  const written = records.written(row, at, name, event, atMs, forced ?? null)
  if (written === null) return null
  const isTimed = !isBuiltSo(scene, 'the deadline is not in the statement')
  if (isTimed && !holds(written.deadline, ledgerMs)) return null
  return withSlot(call, at, slotAfter(slot, written.row))
}

function holds(deadline: Deadline, nowMs: number): boolean {
  switch (deadline.kind) {
    case 'none':
      return true
    case 'before':
      return nowMs < deadline.atMs
    case 'from':
      return nowMs >= deadline.atMs
    case 'within':
      return nowMs >= deadline.fromMs && nowMs < deadline.beforeMs
  }
}

function slotAfter(slot: Slot, row: Row): Slot {
  const before = approvalIn(slot)
  const [{ approval }] = row.as
  const isEdited = approval.edits.length > before.edits.length
  const isClicked = approval.status === 'pending' && slot.click !== 'none'
  return {
    row,
    // Every status has a deadline of its own.
    isTimeUp: slot.isTimeUp && approval.status === before.status,
    click: isClicked ? (isEdited ? 'outdated' : slot.click) : 'none',
    hits: slot.hits,
    meant: meantAfter(before, approval, slot.meant),
  }
}
