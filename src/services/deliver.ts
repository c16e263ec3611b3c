/** Makes the cards of an approval true in every channel. Level-triggered: it draws the present state, however often it is asked. */
import type { ApprovalId } from '../domain/approval-id.ts'
import { grantStanding } from '../domain/grant.ts'
import { GRANT_DURATION_MS_MAX } from '../domain/policy/grant-terms.ts'
import type { Cards } from '../ports/cards.ts'
import { type Channel, ChannelFault } from '../ports/channels.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import { isRefusal } from './channel-round.ts'

/** @throws when a channel did not take the card for a passing reason: the queue tries again, and the reconciler after it */
export type Deliver = (id: ApprovalId) => Promise<void>

/**
 * Longer than a request to a channel takes; after it another worker may draw the card, so that one that stands still does not
 * keep it stale. Whoever is late by then is found out by its turn.
 */
const BUSY_MS = 7_000
/** An approval that changes while its card is drawn is drawn again; more rounds than this are left to the reconciler. */
const ROUNDS_MAX = 5
/** Settled approvals are not drawn for ever: a card that old has scrolled away. Longer than a grant given with it lasts. */
const RECONCILE_SETTLED_MS = GRANT_DURATION_MS_MAX + 60 * 60 * 1_000
const RECONCILE_MS = 3_000
const RECONCILE_MAX = 100
/** A channel that does not take this many cards in a row would not take the others either. */
const NOT_TAKEN_MAX = 3
/** A refused card is tried again after this time: whoever repairs the set-up sees its cards within ten seconds. */
const REFUSED_PAUSE_MS = 5_000

export interface DeliverDeps {
  readonly ledger: Pick<Ledger, 'get' | 'waitingNodes' | 'grant'>
  readonly cards: Cards
  readonly channels: readonly Channel[]
  readonly log: Log
}

export function createDeliver(deps: DeliverDeps): Deliver {
  const { channels, log } = deps
  return async function deliver(id) {
    const faults: unknown[] = []
    for (const channel of channels) {
      try {
        await draw(deps, channel, id)
      } catch (error) {
        log.warn(
          { approval: id, channel: channel.name, reason: reasonOf(error) },
          'a card could not be drawn',
        )
        // One channel that is away must not keep the others from being told.
        if (!isRefusal(error)) faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }
}

/** Behind the queue: draws every card that does not show the truth, until `stopping` aborts. Never rejects. */
export async function keepReconciling(
  deps: DeliverDeps & { clock: Clock; stopping: AbortSignal },
): Promise<void> {
  const { channels } = deps
  // Each channel at its own pace: one that is away or asks for a pause keeps no other waiting.
  await Promise.all(channels.map((channel) => keepReconcilingOne(deps, channel)))
}

async function keepReconcilingOne(
  deps: DeliverDeps & { clock: Clock; stopping: AbortSignal },
  channel: Channel,
): Promise<void> {
  const { clock, stopping, log } = deps
  const leftUntilMs = new Map<ApprovalId, number>()
  let said = ''
  while (!stopping.aborted) {
    const fault = await reconcile(deps, channel, leftUntilMs)
    const reason = fault === null ? '' : reasonOf(fault)
    if (fault !== null && reason !== said)
      log.warn({ channel: channel.name, reason }, 'cards wait for their channel')
    said = reason
    await clock.sleep(Math.min(pauseMs(fault) ?? RECONCILE_MS, RECONCILE_MS), stopping)
  }
}

/** One round. @returns why some cards are still not true, `null` when all are */
async function reconcile(
  deps: DeliverDeps & { clock: Clock; stopping: AbortSignal },
  channel: Channel,
  leftUntilMs: Map<ApprovalId, number>,
): Promise<unknown> {
  const { cards, clock, stopping } = deps
  let fault: unknown = null
  let notTaken = 0
  for (const [id, untilMs] of leftUntilMs) if (untilMs <= clock.monotonicMs()) leftUntilMs.delete(id)
  try {
    for (const id of await cards.outdated(channel.name, RECONCILE_SETTLED_MS, RECONCILE_MAX)) {
      if (stopping.aborted || notTaken >= NOT_TAKEN_MAX) return fault
      if (leftUntilMs.has(id)) continue
      try {
        await draw(deps, channel, id)
        notTaken = 0
      } catch (error) {
        // What is no fault of the channel may be this one record, which another version wrote: the others are drawn.
        const isItsOwn = isRefusal(error) || !(error instanceof ChannelFault)
        const leaveMs = pauseMs(error) ?? (isItsOwn ? REFUSED_PAUSE_MS : null)
        if (leaveMs === null) return error
        // Perhaps only this card, or only new ones; perhaps all, until somebody repairs the set-up.
        leftUntilMs.set(id, clock.monotonicMs() + leaveMs)
        fault = error
        notTaken++
      }
    }
    return fault
  } catch (error) {
    return error
  }
}

/** Draws until the card shows the present state, so that what changes meanwhile need not wait for the reconciler. */
async function draw(deps: DeliverDeps, channel: Channel, id: ApprovalId): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const isDrawn = await drawOnce(deps, channel, id)
    if (!isDrawn) return
  }
}

/** @returns whether something was drawn, so that it is worth looking again */
async function drawOnce({ ledger, cards }: DeliverDeps, channel: Channel, id: ApprovalId): Promise<boolean> {
  const card = await cards.take(id, channel.name, BUSY_MS)
  // Whoever draws it now looks again afterwards.
  if (card === null) return false
  try {
    const reading = await ledger.get(id)
    const isRequesterWaiting = (await ledger.waitingNodes(id)).length > 0
    const isDecided = reading !== null && reading.approval.status !== 'pending'
    const grant = isDecided ? await ledger.grant(id) : null
    const standing = grant === null || reading === null ? null : grantStanding(grant, reading.nowMs)
    const isShown =
      reading !== null && card.shownVersion >= reading.approval.version && card.shownGrant === standing
    const isTrue =
      reading === null ||
      // What was over before anybody could be asked needs no card any more.
      (reading.approval.status === 'settled' && card.place === null) ||
      (isShown && (card.shownWaiting === isRequesterWaiting || reading.approval.status === 'settled'))
    if (isTrue) {
      await cards.giveBack(id, channel.name, card.turn, null)
      return false
    }
    const { approval, nowMs } = reading
    const shown = await channel.show({ approval, nowMs, isRequesterWaiting, grant }, card.place)
    await cards.shown(id, channel.name, card.turn, {
      ...shown,
      isRequesterWaiting,
      grantStanding: standing,
      version: approval.version,
    })
    return true
  } catch (error) {
    await cards.giveBack(id, channel.name, card.turn, reasonOf(error))
    throw error
  }
}

/** How long the channel asked to be left alone. */
const pauseMs = (error: unknown) => (error instanceof ChannelFault ? error.retryAfterMs : null)

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
