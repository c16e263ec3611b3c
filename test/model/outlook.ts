/**
 * What can still make a difference: where no call can be edited any more it does not matter whether one edit was left, and so on.
 * States that differ in nothing else are one.
 */
import { type Around, approvalIn, type Shape } from './state.ts'
import type { Chance } from './world.ts'

/** As bits, so that those of two calls are put together by `|`. */
const ASKED = 1
const HELD = 2
const UNCLAIMED = 4
const EXECUTING = 8
const UNKNOWN = 16
export const OUTLOOKS = 32

export function outlookOf({ slots, requests, work }: Shape): number {
  let outlook = 0
  for (const { at } of requests) {
    if (at === 'away' || at === 'looked') outlook |= ASKED
    if (at === 'held') outlook |= HELD
  }
  for (const slot of slots) {
    const approval = approvalIn(slot)
    if (approval.status === 'pending' || approval.status === 'approved') outlook |= UNCLAIMED
    if (approval.status === 'executing') outlook |= EXECUTING
    if (approval.status === 'settled' && approval.outcome.kind === 'indeterminate') outlook |= UNKNOWN
  }
  if (work.some(({ step }) => step !== 'idle')) outlook |= EXECUTING
  return outlook
}

/** Nobody repeats a call any more: of requests that are still away, only the first one of a call comes. */
export function withoutRepeats(shape: Shape): Shape {
  const isAsked = shape.requests.some(({ at }) => at !== 'away')
  const requests = shape.requests.filter(({ at }, n) => at !== 'away' || (!isAsked && n === 0))
  return { ...shape, requests }
}

export function withOutlook(around: Around, outlook: number): Around {
  const { left, nodes } = around
  const has = (bits: number) => (outlook & bits) !== 0
  const isAskedAgain = left.again > 0 && has(EXECUTING | UNKNOWN)
  const isToDecide = has(ASKED | UNCLAIMED) || isAskedAgain
  const isGoingOn = has(ASKED | HELD | UNCLAIMED | EXECUTING) || isAskedAgain
  const kept = (chance: Chance, isKept: boolean) => (isKept ? left[chance] : 0)
  const decided = { repeat: kept('repeat', has(ASKED)), leave: kept('leave', has(ASKED | HELD)) }
  const asked = { edit: kept('edit', isToDecide), extend: kept('extend', isToDecide) }
  const judged = { policy: kept('policy', isToDecide), tool: kept('tool', isToDecide) }
  const broken = { crash: kept('crash', isGoingOn), stall: kept('stall', isGoingOn) }
  const found = {
    note: kept('note', isGoingOn || has(UNKNOWN)),
    again: kept('again', isGoingOn || has(UNKNOWN)),
  }
  const after = {
    ...decided,
    ...asked,
    ...judged,
    ...broken,
    ...found,
    failover: kept('failover', isGoingOn),
  }
  const isSome = Object.values(after).some((count) => count > 0)
  return {
    ...around,
    left: after,
    leftAmong: isSome ? around.leftAmong : 0,
    nodes: isGoingOn ? nodes : nodes.map(() => ({ isUp: true, isLapsed: false, life: 1 })),
    inForce: isToDecide ? around.inForce : 'asks',
  }
}
