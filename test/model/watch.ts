/** What any process does by itself: deadlines, gateways that are gone, claims nobody knows of, another policy. And time. */
import { type Approval, headerOf } from '../../src/domain/approval.ts'
import { lostTrack } from './gateway.ts'
import { judged, ticketOf } from './records.ts'
import {
  certain,
  isBuiltSo,
  possible,
  type Save,
  type Scene,
  type Step,
  save,
  spend,
  withNewSlot,
  withSlot,
} from './scene.ts'
import { approvalIn, nodeName, type Slot } from './state.ts'

export function* watchSteps(scene: Scene): Generator<Step> {
  for (const [at, slot] of scene.call.slots.entries()) {
    yield* timePasses(scene, at, slot)
    yield* attended(scene, at, slot)
    yield* rejudged(scene, at, slot)
  }
}

function* timePasses({ call, around }: Scene, at: number, slot: Slot): Generator<Step> {
  if (slot.isTimeUp) return
  const { status } = approvalIn(slot)
  // After its end it matters only to those who may still ask the same.
  const isNoticed =
    status === 'settled' ? call.requests.some((one) => one.at === 'away') : status !== 'executing'
  if (isNoticed) yield certain('time passes', withSlot(call, at, { isTimeUp: true }), around)
}

function* attended(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { call, around } = scene
  const approval = approvalIn(slot)
  switch (approval.status) {
    case 'pending': {
      if (!slot.isTimeUp || isBuiltSo(scene, 'nobody looks after deadlines')) return
      const isYes = isBuiltSo(scene, 'a deadline that passes is a yes')
      const expired = save(scene, at, { ...expire, ...(isYes ? { forced: approvedByTime } : {}) })
      if (expired !== null) yield certain('it expires', expired, around)
      return
    }
    case 'approved': {
      if (!slot.isTimeUp) return
      const lapsed = save(scene, at, { name: 'lapse', event: () => ({ kind: 'lapse' }) })
      if (lapsed !== null) yield certain('it lapses', lapsed, around)
      return
    }
    case 'executing': {
      const { node: name } = approval.claim
      const owner = around.nodes.findIndex((node, n) => node.isUp && nodeName(n, node) === name)
      const isLive = around.nodes[owner]?.isLapsed === false
      const isUnknown = owner >= 0 && call.work[owner]?.step === 'idle'
      if (!isLive && !isBuiltSo(scene, 'nobody looks after gateways that are gone'))
        yield* givenUp(scene, at, 'its gateway is gone')
      if (isUnknown && !isBuiltSo(scene, 'nobody looks after claims that nobody heard of'))
        yield* givenUp(scene, at, 'its gateway does not know of it')
      return
    }
    case 'settled':
  }
}

const expire: Save = { name: 'expire', event: () => ({ kind: 'expire' }) }

function* givenUp(scene: Scene, at: number, why: string): Generator<Step> {
  const isThoughtUnsent = isBuiltSo(scene, 'a gateway that is gone has not sent it')
  const isGivenBack = isBuiltSo(scene, 'what a gateway leaves is given to another')
  const unsent: Save = { name: `fail_unsent ${why}`, event: () => ({ kind: 'fail_unsent', reason: why }) }
  const back: Save = { ...lostTrack(why), forced: givenBack }
  const lost = save(scene, at, isThoughtUnsent ? unsent : isGivenBack ? back : lostTrack(why))
  if (lost !== null) yield certain(`given up: ${why}`, lost, scene.around)
}

function givenBack(approval: Approval): Approval | null {
  if (approval.status !== 'executing') return null
  const { decision, version } = approval
  return { ...headerOf(approval), version: version + 1, status: 'approved', decision, startByMs: 1_000 }
}

function approvedByTime(approval: Approval): Approval {
  const version = approval.version + 1
  const { digest } = approval.proposed
  const nobody = { kind: 'approve', by: 'nobody', reason: null, digest, via: 'api', atMs: 0 } as const
  const decision = { ...nobody, with: [], gives: null, under: null }
  return { ...headerOf(approval), version, status: 'approved', decision, startByMs: 1_000 }
}

/** What waits under another rule than the one in force ends, and is asked anew where that rule asks. */
function* rejudged(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { around, records } = scene
  const { status } = approvalIn(slot)
  if (around.inForce === 'asks' || (status !== 'pending' && status !== 'approved')) return
  const judgement = judged(slot.row, around.inForce)
  if (judgement.kind === 'keeps') return
  const place = scene.call.slots.length
  const isAnew = judgement.kind === 'asks_anew'
  const ended = save(scene, at, {
    name: isAnew ? `invalidate for ${place}` : 'invalidate',
    event: (_approval, position) => ({
      kind: 'invalidate',
      change: 'the rule changed',
      successor: isAnew ? ticketOf(position, place) : null,
      forbidden: !isAnew,
    }),
  })
  if (ended === null) return
  const isHalf = isBuiltSo(scene, 'a successor is made in a transaction of its own')
  const replaced = isAnew
    ? withNewSlot(ended, records.successor(slot.row, place, judgement.asking, 'rule_changed'))
    : ended
  yield certain('judged again', replaced, around)
  if (isAnew && isHalf) yield possible('judged again, half', ended, around)
}

/** A standby that follows late: what was acknowledged is not there any more. Nothing but a broken design allows it. */
export function* forgottenSteps(scene: Scene): Generator<Step> {
  const { call, around, world } = scene
  const lost = spend(around, world, 'failover')
  if (lost === null || !isBuiltSo(scene, 'the standby follows late')) return
  for (const [at, { row }] of call.slots.entries()) {
    if (row.previous !== null)
      yield possible('a commit is forgotten', withSlot(call, at, { row: row.previous }), lost)
  }
}
