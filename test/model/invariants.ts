/**
 * The promises as they can be told from one call in one state. Records are judged where they are written, steps where they are
 * taken; here is what has to hold between a record, the requests that the upstream received, and the requests of the agent.
 */
import { successorOf } from '../../src/domain/approval.ts'
import { attachKey } from '../../src/domain/tool-call.ts'
import { brokenYeses } from './people.ts'
import { calls, ticketOf } from './records.ts'
import { approvalIn, type Shape, type Slot, saidOf } from './state.ts'
import type { World } from './world.ts'

export function brokenIn({ slots, requests }: Shape, world: World): string | null {
  let open = 0
  for (const [at, slot] of slots.entries()) {
    if (slot.row.broken !== null) return slot.row.broken
    const broken =
      brokenSlot(slot, slots, at) ?? (world.isQuorum ? brokenYeses(approvalIn(slot), slot.meant) : null)
    if (broken !== null) return broken
    if (approvalIn(slot).status !== 'settled') open++
  }
  if (open > 1) return 'I1: the same call waits as two approvals'
  for (const request of requests) {
    if (request.at !== 'held' && request.at !== 'told') continue
    const slot = slots[request.slot]
    if (slot === undefined) return 'I4: a request waits for what is not there'
    if (request.at === 'told' && saidOf(approvalIn(slot)) !== request.said)
      return `I5: told as ${request.said}, and it is not`
    for (const position of [0, 1] as const) {
      if (slot.row.as[position].approval.asked.attachKey !== attachKey(calls[position]))
        return 'I8: a request waits for another call'
    }
  }
  return null
}

function brokenSlot(slot: Slot, slots: readonly Slot[], at: number): string | null {
  const approval = approvalIn(slot)
  const { hits } = slot
  if (approval.id !== ticketOf(0, at)) return 'I4: one approval stands in the place of another'
  if (hits > 1) return 'I1: sent twice'
  switch (approval.status) {
    case 'pending':
    case 'approved':
      return hits > 0 ? 'I2: sent without a claim' : null
    case 'executing':
      return null
    case 'settled': {
      const { kind } = approval.outcome
      if (saidOf(approval) === 'unexecuted' && hits > 0) return `I5: ${kind}, but it was sent`
      if (kind === 'answered' && hits === 0) return 'I5: answered, but it was not sent'
      const successor = successorOf(approval)
      const next = slots[at + 1]
      const isThere = next !== undefined && approvalIn(next).id === successor
      if (successor !== null && (!isThere || approvalIn(next).predecessor?.id !== approval.id))
        return 'I4: it names a successor that is not there'
      return null
    }
  }
}
