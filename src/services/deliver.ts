/** Makes the cards of an approval true in every channel. Level-triggered: it draws the present state, however often it is asked. */
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Timings } from '../domain/timings.ts'
import type { Cards } from '../ports/cards.ts'
import { type Channel, ChannelFault } from '../ports/channels.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'

/** @throws when a channel did not take the card for a passing reason: the queue tries again, and the reconciler after it */
export type Deliver = (id: ApprovalId) => Promise<void>

/** Longer than any one request to a channel may take; after it another worker may draw the card. */
const BUSY_MS = 20_000
/** Settled approvals are not drawn for ever: a card that old has scrolled away. */
const RECONCILE_SETTLED_MS = 24 * 60 * 60 * 1_000
const RECONCILE_MS = 3_000
const RECONCILE_MAX = 100

interface DeliverDeps {
  readonly ledger: Pick<Ledger, 'get' | 'waitingNodes'>
  readonly cards: Cards
  readonly channels: readonly Channel[]
  readonly log: Log
}

export function createDeliver(deps: DeliverDeps): Deliver {
  const { channels } = deps
  return async function deliver(id) {
    const faults: unknown[] = []
    for (const channel of channels) {
      try {
        await draw(deps, channel, id)
      } catch (error) {
        // One channel that is away must not keep the others from being told.
        faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }
}

async function draw({ ledger, cards, log }: DeliverDeps, channel: Channel, id: ApprovalId): Promise<void> {
  const card = await cards.take(id, channel.name, BUSY_MS)
  if (card === null) return
  try {
    const reading = await ledger.get(id)
    if (reading === null) return
    const { approval, nowMs } = reading
    const isRequesterWaiting = (await ledger.waitingNodes(id)).length > 0
    if (card.shownVersion >= approval.version && card.shownWaiting === isRequesterWaiting) {
      await cards.giveBack(id, channel.name, null)
      return
    }
    const shown = await channel.show({ approval, nowMs, isRequesterWaiting }, card.place)
    await cards.shown(id, channel.name, { ...shown, isRequesterWaiting, version: approval.version })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    log.warn({ approval: id, channel: channel.name, reason }, 'a card could not be drawn')
    await cards.giveBack(id, channel.name, reason)
    if (!(error instanceof ChannelFault) || error.isTemporary) throw error
  }
}

/** Behind the queue: draws every card that does not show the truth, until `stopping` aborts. Never rejects. */
export async function keepReconciling(
  deps: DeliverDeps & { deliver: Deliver; clock: Clock; timings: Timings; stopping: AbortSignal },
): Promise<void> {
  const { cards, channels, deliver, clock, stopping, log } = deps
  while (!stopping.aborted) {
    for (const channel of channels) {
      try {
        for (const id of await cards.outdated(channel.name, RECONCILE_SETTLED_MS, RECONCILE_MAX)) {
          if (stopping.aborted) return
          await deliver(id)
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        log.debug({ channel: channel.name, reason }, 'cards wait for their channel')
        // The channel said how long to leave it alone.
        if (error instanceof ChannelFault && error.retryAfterMs !== null) {
          await clock.sleep(error.retryAfterMs, stopping)
        }
      }
    }
    await clock.sleep(RECONCILE_MS, stopping)
  }
}
