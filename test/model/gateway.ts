/** A gateway at work on an approved call: read, judge, claim, look at the lease, send, settle, as `execute` does it. */
import { type Approval, headerOf } from '../../src/domain/approval.ts'
import { judged, replyTo } from './records.ts'
import {
  certain,
  isBuiltSo,
  possible,
  type Save,
  type Scene,
  type Step,
  save,
  spend,
  withSlot,
  withWork,
} from './scene.ts'
import { approvalIn, type Node, nodeName, type Shape, saidOf, type Work } from './state.ts'

export function* gatewaySteps(scene: Scene): Generator<Step> {
  for (const [at, node] of scene.around.nodes.entries()) {
    const work = scene.call.work[at]
    if (node.isUp && work !== undefined) yield* workSteps(scene, at, node, work)
  }
}

function* workSteps(scene: Scene, at: number, node: Node, work: Work): Generator<Step> {
  const { call, around } = scene
  const after = (shape: Shape | null, next: Work = { step: 'idle' }) => withWork(shape ?? call, at, next)
  const does = (what: string) => `${nodeName(at, node)} ${what}`
  switch (work.step) {
    case 'idle':
      yield* begins(scene, at, node)
      return
    case 'read':
      yield* claims(scene, at, node, work)
      return
    case 'claimed': {
      const { slot, hasLapsed } = work
      if (hasLapsed || node.isLapsed) {
        const unsent = save(scene, slot, failed('it stood still'))
        yield certain(does('has stood still and sends nothing'), after(unsent), around)
        return
      }
      yield certain(does('is about to send'), after(null, { step: 'sending', slot }), around)
      const refused = save(scene, slot, failed('refused'))
      yield possible(does('is refused a connection'), after(refused), around)
      return
    }
    case 'sending':
      yield sends(scene, at, node, work.slot)
      return
    case 'sent': {
      yield possible(does('hears the answer'), after(null, { step: 'answered', slot: work.slot }), around)
      const isTakenForUnsent = isBuiltSo(scene, 'a broken connection counts as not sent')
      const lost = save(scene, work.slot, isTakenForUnsent ? failed('reset') : lostTrack('reset'))
      yield certain(does('hears nothing more'), after(lost), around)
      return
    }
    case 'answered':
      yield* settles(scene, at, node, work.slot)
      return
  }
}

const failed = (reason: string): Save => ({
  name: `fail_unsent ${reason}`,
  event: () => ({ kind: 'fail_unsent', reason }),
})
export const lostTrack = (reason: string): Save => ({
  name: `lose_track ${reason}`,
  event: () => ({ kind: 'lose_track', reason }),
})

/** It reads what is approved where somebody waits here for it, and the rule that asked is in force. */
function* begins(scene: Scene, at: number, node: Node): Generator<Step> {
  const { call, around } = scene
  for (const [n, slot] of call.slots.entries()) {
    const isWaited = isWaitedFor(call, at, n) || isBuiltSo(scene, 'a gateway runs what nobody waits for')
    const { status } = approvalIn(slot)
    const isReady =
      status === 'approved' || (status === 'pending' && isBuiltSo(scene, 'the claim needs no yes'))
    // Others do not count the waiters of a gateway without a lease.
    if (!isReady || !isWaited || node.isLapsed) continue
    if (judged(slot.row, around.inForce).kind !== 'keeps') continue
    const work: Work = { step: 'read', slot: n, row: slot.row, inForce: around.inForce }
    yield certain(`${nodeName(at, node)} reads it`, withWork(call, at, work), around)
  }
}

const isWaitedFor = ({ requests }: Shape, node: number, slot: number) =>
  requests.some((one) => one.at === 'held' && one.node === node && one.slot === slot)

function* claims(
  scene: Scene,
  at: number,
  node: Node,
  { slot: n, row, inForce }: Extract<Work, { step: 'read' }>,
): Generator<Step> {
  const { call, around, world } = scene
  const slot = call.slots[n]
  if (slot === undefined) return
  const name = nodeName(at, node)
  const idle = (shape: Shape) => withWork(shape, at, { step: 'idle' })
  const runsAlone = isBuiltSo(scene, 'a gateway runs what nobody waits for')
  if (!isWaitedFor(call, at, n) && !runsAlone) {
    yield certain(`${name} finds nobody waiting`, idle(call), around)
    return
  }
  if (node.isLapsed) yield certain(`${name} finds its lease gone`, idle(call), around)
  const changed = spend(around, world, 'tool')
  if (changed !== null) {
    const ended = save(scene, n, invalid(row))
    if (ended !== null) yield possible(`${name} finds another tool`, idle(ended), changed)
  }

  // The statement compares the revision that it was judged by with the one in force.
  const isJudged = inForce === around.inForce || isBuiltSo(scene, 'the claim is not guarded by the policy')
  const claimed = isJudged ? save(scene, n, { ...claim(name, scene), read: row }) : null
  if (claimed === null) {
    yield certain(`${name} may not claim it`, idle(call), around)
    return
  }
  const isLate = slot.isTimeUp ? 'I2: claimed after the time in which it had to begin' : null
  const isOutdated =
    judged(row, around.inForce).kind === 'keeps' ? null : 'I2: claimed under a rule of before'
  const isAlone = isWaitedFor(call, at, n) ? null : 'I4: begun although nobody could receive the outcome'
  const broken = isLate ?? isOutdated ?? isAlone
  const work: Work = { step: 'claimed', slot: n, hasLapsed: node.isLapsed }
  yield certain(`${name} claims it`, withWork(claimed, at, work), around, broken)
  yield possible(`${name} loses its claim with the primary`, idle(call), around)
  const failed = spend(around, world, 'failover')
  if (failed !== null) yield possible(`${name} claims it and does not hear so`, idle(claimed), failed, broken)
}

const invalid = (row: Scene['call']['slots'][number]['row']): Save => ({
  name: 'invalidate tool',
  event: () => ({ kind: 'invalidate', change: 'tool', successor: null, forbidden: false }),
  read: row,
})

const claim = (node: string, scene: Scene): Save => ({
  name: `claim ${node}`,
  event: () => ({ kind: 'claim', node }),
  isJudgedInTime: true,
  ...(isBuiltSo(scene, 'the claim needs no yes') ? { forced: claimedUndecided(node) } : {}),
})

const claimedUndecided =
  (node: string) =>
  (approval: Approval): Approval | null => {
    if (approval.status === 'settled' || approval.status === 'executing') return null
    const { digest } = approval.proposed
    const nobody = { kind: 'approve', by: 'nobody', reason: null, digest, via: 'api', atMs: 0 } as const
    const decision =
      'decision' in approval ? approval.decision : { ...nobody, with: [], gives: null, under: null }
    const claim = { node, atMs: 0, checked: null }
    return { ...headerOf(approval), version: approval.version + 1, status: 'executing', decision, claim }
  }

/** The first byte leaves, whatever others have written meanwhile: what it meets there is judged. */
function sends(scene: Scene, at: number, node: Node, n: number): Step {
  const { call, around } = scene
  const slot = call.slots[n]
  const hits = (slot?.hits ?? 0) + 1
  const sent = withWork(withSlot(call, n, { hits }), at, { step: 'sent', slot: n })
  return certain(`${nodeName(at, node)} sends it`, sent, around, brokenSend(call, n, hits))
}

function brokenSend({ slots, requests }: Shape, n: number, hits: number): string | null {
  if (hits > 1) return 'I1: sent twice'
  const slot = slots[n]
  if (slot === undefined) return 'I2: sent without a record'
  const approval = approvalIn(slot)
  if (approval.status === 'pending' || approval.status === 'approved') return 'I2: sent without a claim'
  if (saidOf(approval) === 'unexecuted') return 'I3: sent after it had ended'
  const wasTold = requests.some((one) => one.at === 'told' && one.slot === n && one.said === 'unexecuted')
  return wasTold ? 'I3: sent after somebody had been told that it was not' : null
}

/** The outcome is pressed on the ledger; where another one is there already, the answer becomes evidence. */
function* settles(scene: Scene, at: number, node: Node, n: number): Generator<Step> {
  const { call, around, world } = scene
  const name = nodeName(at, node)
  const isMixedUp = isBuiltSo(scene, 'answers are matched by their order')
  const answered = save(scene, n, {
    name: 'answer',
    event: ({ id }) => ({
      kind: 'answer',
      reply: isMixedUp ? { ...replyTo(id), digest: 'of another' } : replyTo(id),
    }),
  })
  const late = answered === null ? save(scene, n, lateReply(scene)) : null
  const written = answered ?? late
  const idle = withWork(written ?? call, at, { step: 'idle' })
  yield certain(`${name} notes the answer${late === null ? '' : ' as evidence'}`, idle, around)
  const lost = written === null ? null : spend(around, world, 'failover')
  if (written === null || lost === null) return
  yield possible(`${name} notes the answer and does not hear so`, written, lost)
}

function lateReply(scene: Scene): Save {
  const late: Save = { name: 'late_reply', event: ({ id }) => ({ kind: 'late_reply', reply: replyTo(id) }) }
  if (isBuiltSo(scene, 'a late reply becomes the outcome')) return { ...late, forced: answeredLate }
  if (isBuiltSo(scene, 'a late reply starts it again')) return { ...late, forced: approvedAgain }
  return late
}

const answeredLate = (approval: Approval): Approval | null => {
  if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return null
  const { decision } = approval.outcome
  const outcome = { kind: 'answered', decision, reply: replyTo(approval.id) } as const
  return { ...approval, version: approval.version + 1, outcome }
}

const approvedAgain = (approval: Approval): Approval | null => {
  if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return null
  const { decision } = approval.outcome
  const version = approval.version + 1
  return { ...headerOf(approval), version, status: 'approved', decision, startByMs: 1_000 }
}
