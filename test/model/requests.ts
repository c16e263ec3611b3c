/** Agents' requests: they look, ask, attach, wait, follow and are told, each as `ask` and `awaitOutcome` do it, in steps. */
import { type Settled, successorOf } from '../../src/domain/approval.ts'
import { refusedAfter, sameCallAgain } from '../../src/domain/same-call-again.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { attachKey } from '../../src/domain/tool-call.ts'
import { calls, ticketOf } from './records.ts'
import {
  certain,
  isBuiltSo,
  possible,
  type Scene,
  type Step,
  spend,
  withNewSlot,
  withRequest,
} from './scene.ts'
import { type Around, approvalIn, type Request, type Slot, saidOf } from './state.ts'

export function* requestSteps(scene: Scene): Generator<Step> {
  const { call, around, world } = scene
  for (const [at, request] of call.requests.entries()) {
    switch (request.at) {
      case 'away': {
        // They are alike: it is the first of those that are away.
        if (call.requests.findIndex((one) => one.at === 'away') !== at) break
        const isRepeat = at > 0 && call.requests.some((one) => one.at !== 'away')
        const asked = isRepeat ? spend(around, world, 'repeat') : around
        if (asked !== null) yield* arrives(scene, at, asked)
        break
      }
      case 'looked':
        yield* asks(scene, at, request)
        break
      case 'held': {
        yield* isTold(scene, at, request.slot)
        const left = spend(around, world, 'leave')
        if (left !== null) yield possible('a requester leaves', withRequest(call, at, { at: 'gone' }), left)
        break
      }
      case 'told':
      case 'gone':
        break
    }
  }
}

function* arrives(scene: Scene, at: number, asked: Around): Generator<Step> {
  for (const [node, { isUp }] of asked.nodes.entries()) {
    if (!isUp || (node > 0 && !asked.hasArrived)) continue
    const around = { ...asked, hasArrived: true }
    const next = lookedUp(scene, node)
    yield possible(`a request comes to ${node}`, withRequest(scene.call, at, next), around)
  }
}

/** What a look at the ledger answers: somebody waits already, it has ended, or it may be asked. */
function lookedUp(scene: Scene, node: number): Request {
  const open = openSlot(scene)
  if (open >= 0) return { at: 'held', node, slot: open }
  const { slots } = scene.call
  const last = slots.length - 1
  const slot = slots[last]
  if (slot === undefined) return { at: 'looked', node, seen: null }
  const again = againOf(slot)
  const said = saidOf(approvalIn(slot))
  if (again === 'outcome' && said !== null) return { at: 'told', slot: last, said }
  if (slots.some((one, n) => isRefusing(scene, one, n))) return { at: 'gone' }
  return again === 'fresh' ? { at: 'looked', node, seen: slot.row } : { at: 'gone' }
}

/** The unsettled approval with the attach key of this call. */
function openSlot({ call, position }: Scene): number {
  const key = attachKey(calls[position])
  return call.slots.findIndex(({ row }) => {
    const { approval } = row.as[position]
    return approval.status !== 'settled' && approval.asked.attachKey === key
  })
}

const timeOf = ({ settledAtMs }: Settled, { isTimeUp }: Slot) =>
  settledAtMs + (isTimeUp ? timings.keepOutcomeMs : 0)

function againOf(slot: Slot): 'outcome' | 'refused' | 'fresh' {
  const approval = approvalIn(slot)
  if (approval.status !== 'settled') return 'refused'
  return sameCallAgain(approval, null, timeOf(approval, slot), timings).kind
}

/** A no, or an end that nobody knows; to ask again is to have looked, once that has ended too. */
function isRefusing({ call }: Scene, slot: Slot, at: number): boolean {
  const approval = approvalIn(slot)
  if (approval.status !== 'settled') return false
  if (refusedAfter(approval, timeOf(approval, slot), timings.coolDownMs) === null) return false
  const isAskedAgain = approval.outcome.kind === 'indeterminate' && approval.outcome.successor !== null
  const after = call.slots[at + 1]
  return !isAskedAgain || after === undefined || approvalIn(after).status !== 'settled'
}

/** The record is made in one statement, only while nothing has changed since the look. */
function* asks(scene: Scene, at: number, request: Extract<Request, { at: 'looked' }>): Generator<Step> {
  const { call, around, world, records } = scene
  const { node, seen } = request
  const isUnique = !isBuiltSo(scene, 'a repeat makes a record of its own')
  if (isUnique && openSlot(scene) >= 0) {
    yield certain('attaches', withRequest(call, at, lookedUp(scene, node)), around)
    return
  }
  const last = call.slots.at(-1)
  const hasChanged = (last?.row ?? null) !== seen
  if (isUnique && hasChanged && !isBuiltSo(scene, 'a record is made after an old look')) {
    yield certain('looks again', withRequest(call, at, lookedUp(scene, node)), around)
    return
  }
  const place = call.slots.length
  const row = records.first(place, around.inForce)
  if (row === null) {
    yield certain('is refused: forbidden', withRequest(call, at, { at: 'gone' }), around)
    return
  }
  const isTwice = last !== undefined && againOf(last) !== 'fresh'
  const broken = isTwice ? 'I1: the same call was asked for once more, although its outcome was there' : null
  const asked = withNewSlot(call, row)
  yield certain('asks', withRequest(asked, at, { at: 'held', node, slot: place }), around, broken)
  const failed = spend(around, world, 'failover')
  if (failed === null) return
  yield possible('asks, and does not hear that it was taken', withRequest(asked, at, { at: 'gone' }), failed)
  yield possible('asks, which is lost', withRequest(call, at, { at: 'gone' }), failed)
}

/** It follows where the rule changed, and is told how it ended. */
function* isTold(scene: Scene, at: number, waited: number): Generator<Step> {
  const { call, around, position, other } = scene
  const slot = call.slots[waited]
  if (slot === undefined) return
  const request = call.requests[at]
  if (isBuiltSo(scene, 'who waits at a gateway is told what ended there') && request?.at === 'held') {
    for (const [n, one] of other?.call.slots.entries() ?? []) {
      const said = saidOf(approvalIn(one))
      if (said === null || other === null) continue
      const broken = brokenRecipient(one, other.position, position)
      yield certain('is told', withRequest(call, at, { at: 'told', slot: n, said }), around, broken)
    }
  }
  const approval = approvalIn(slot)
  const said = saidOf(approval)
  if (approval.status !== 'settled' || said === null) return
  const successor = successorOf(approval)
  const doesFollow = !isBuiltSo(scene, 'a successor loses its waiters')
  if (successor !== null && doesFollow) {
    const next = call.slots.findIndex((_one, n) => ticketOf(0, n) === successor)
    if (next >= 0 && request?.at === 'held')
      yield certain('follows', withRequest(call, at, { ...request, slot: next }), around)
    return
  }
  const broken =
    successor !== null
      ? 'I4: told that it ended, although it is asked anew'
      : brokenRecipient(slot, position, position)
  yield certain('is told', withRequest(call, at, { at: 'told', slot: waited, said }), around, broken)
}

/** @returns what is wrong where whoever asked for one call is told about this approval of another */
function brokenRecipient({ row }: Slot, of: 0 | 1, to: 0 | 1): string | null {
  const { requester } = row.as[of].approval.asked
  const { name, owner } = calls[to].principal
  return requester.name === name && requester.owner === owner
    ? null
    : `I8: ${name} was told about a call of ${requester.name}`
}
