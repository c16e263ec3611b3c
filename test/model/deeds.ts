/** What people do to a call: say yes or no, edit, give more time, withdraw, note what they found out, ask again. */
import type { Approval } from '../../src/domain/approval.ts'
import { authorise, authoriseEdit } from '../../src/domain/authority.ts'
import type { Person } from '../../src/domain/principal.ts'
import type { ApprovalEvent } from '../../src/domain/transition.ts'
import { approveEvent, mina } from '../support/builders.ts'
import { deedsOn } from './people.ts'
import { calls, judged, LATER_MS, NOW_MS, ticketOf } from './records.ts'
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
import { approvalIn, type Slot } from './state.ts'
import type { Chance } from './world.ts'

const said = { by: mina.id, via: 'cli', reason: null } as const

export function* deedSteps(scene: Scene): Generator<Step> {
  for (const [at, slot] of scene.call.slots.entries()) {
    switch (approvalIn(slot).status) {
      case 'pending':
        if (scene.world.isQuorum) yield* ofSeveral(scene, at, slot)
        else yield* yeses(scene, at, slot)
        yield* changes(scene, at, slot)
        yield* withdrawals(scene, at)
        break
      case 'approved':
        yield* withdrawals(scene, at)
        break
      case 'executing':
        if (isBuiltSo(scene, 'what is being sent can be withdrawn')) yield* withdrawals(scene, at)
        break
      case 'settled':
        yield* afterwards(scene, at, slot)
        break
    }
  }
}

/** A yes is judged in time, and written later: what stands there may have changed by then, and its time may be up. */
function* yeses(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { call, around } = scene
  if (slot.click === 'none' && !slot.isTimeUp)
    yield possible('somebody says yes', withSlot(call, at, { click: 'shown' }), around)
  if (slot.click !== 'none') {
    const none = withSlot(call, at, { click: 'none' })
    const written = save(scene, at, clicked(scene, slot))
    const isLate = slot.isTimeUp ? 'I6: decided after the deadline' : null
    const isOther = slot.click === 'outdated' ? 'I11: decided about something else than was shown' : null
    const broken = written === null ? null : (isLate ?? isOther)
    yield certain('the yes is written', written ?? none, around, broken)
    yield possible('the yes is lost with the primary', none, around)
  }
  const owner: Person = { id: calls[0].principal.owner, name: 'Owner', groups: [] }
  const own = save(scene, at, {
    name: 'the owner says yes',
    event: (approval, position) => approveEvent(approval, calls[position].principal.owner),
  })
  const mayOwn = authorise(owner, 'approve', approvalIn(slot), NOW_MS).ok
  if (own !== null && (mayOwn || isBuiltSo(scene, 'nobody asks who says yes')))
    yield possible('the owner says yes', own, around)
}

/** The digest is the one that was shown. */
function clicked(scene: Scene, { click }: Slot): Save {
  const isRead = isBuiltSo(scene, 'a yes counts for what stands there now')
  return {
    name: isRead ? 'yes' : `yes ${click}`,
    event(approval) {
      const { decision } = approveEvent(approval)
      const shown = click === 'outdated' ? approval.edits.at(-1)?.replaced.digest : undefined
      return {
        kind: 'decide',
        decision: { ...decision, digest: isRead ? decision.digest : (shown ?? decision.digest) },
      }
    },
    isJudgedInTime: true,
  }
}

function* ofSeveral(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { call, around } = scene
  const isBlind = isBuiltSo(scene, 'nobody looks who has left the group')
  for (const { name, event, meant } of deedsOn(approvalIn(slot), slot.meant, isBlind)) {
    const written = event === null ? call : save(scene, at, { name, event })
    if (written !== null) yield possible(name, withSlot(written, at, { meant }), around)
  }
}

function* changes(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { around } = scene
  const no = save(scene, at, {
    name: 'no',
    event: (approval) => ({
      kind: 'decide',
      decision: { ...approveEvent(approval).decision, kind: 'reject' },
    }),
  })
  if (no !== null) yield possible('somebody says no', no, around)
  if (authoriseEdit(mina, approvalIn(slot), NOW_MS).ok)
    yield* rarely(scene, 'edit', at, { name: 'edit', event: edit })
  yield* rarely(scene, 'extend', at, {
    name: 'extend',
    event: () => ({ kind: 'extend', expiresAtMs: LATER_MS, ...said }),
  })
}

const edit = ({ proposed, edits, nonce }: Approval): ApprovalEvent => ({
  kind: 'edit',
  canonicalParams: proposed.canonicalParams.replace('"n":', `"n${edits.length}":`),
  digest: proposed.digest,
  nonce: `${nonce} edited`,
  ...said,
})

function* rarely(scene: Scene, chance: Chance, at: number, what: Save): Generator<Step> {
  const around = spend(scene.around, scene.world, chance)
  const written = around === null ? null : save(scene, at, what)
  if (around !== null && written !== null) yield possible(what.name, written, around)
}

/** By the agent or an operator; refused once it is being sent. */
function* withdrawals(scene: Scene, at: number): Generator<Step> {
  const isForced = isBuiltSo(scene, 'what is being sent can be withdrawn')
  const written = save(scene, at, {
    name: 'cancel',
    event: () => ({ kind: 'cancel', by: 'an operator', reason: null }),
    ...(isForced ? { forced: cancelled } : {}),
  })
  if (written !== null) yield possible('it is withdrawn', written, scene.around)
}

function cancelled(approval: Approval): Approval | null {
  if (approval.status === 'settled') return null
  const version = approval.version + 1
  const outcome = { kind: 'cancelled', by: 'an operator', reason: null } as const
  return { ...approval, version, status: 'settled', outcome, settledAtMs: NOW_MS }
}

/** Nobody knows how it ended: a person says what they found out, or asks again under another ticket. */
function* afterwards(scene: Scene, at: number, slot: Slot): Generator<Step> {
  const { call, around, world, records } = scene
  for (const finding of ['happened', 'did_not_happen'] as const) {
    const annotation = { finding, by: mina.id, note: null }
    yield* rarely(scene, 'note', at, { name: finding, event: () => ({ kind: 'annotate', annotation }) })
  }
  const again = spend(around, world, 'again')
  const place = call.slots.length
  const isWaiting = call.slots.some((one) => approvalIn(one).status !== 'settled')
  // One successor has the place behind it.
  if (again === null || isWaiting || at !== place - 1) return
  const written = save(scene, at, {
    name: 'ask_again',
    event: (_approval, position) => ({ kind: 'ask_again', ...said, successor: ticketOf(position, place) }),
  })
  const row = records.first(0, around.inForce)
  const judgement = row === null ? null : judged(slot.row, around.inForce)
  if (written === null || row === null || judgement?.kind === 'forbids') return
  const asking = judgement?.kind === 'asks_anew' ? judgement.asking : approvalIn(slot).asking
  const successor = records.successor(slot.row, place, asking, 'unknown_end')
  yield possible('somebody asks again', withNewSlot(written, successor), again)
}
