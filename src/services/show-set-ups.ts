/**
 * Tells people in a channel of each server without a policy, in one message that follows what is true: what is proposed now, and
 * that it has been set up. Level-triggered; several gateways take turns, and one that sees what another has drawn draws nothing.
 */
import { putByText, type Revision } from '../domain/revision.ts'
import { ChannelFault, type SetUpChannel, type SetUpShowing } from '../ports/channels.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { SetUpCards } from '../ports/set-up-cards.ts'
import type { SetUps } from './set-up.ts'

/** Longer than a request to a channel takes. */
const BUSY_MS = 15_000
const LOOK_MS = 3_000

/** Until `stopping` aborts; never rejects. */
export async function keepShowingSetUps(deps: {
  setUps: Pick<SetUps, 'show'>
  servers: readonly string[]
  /** What is in force here. */
  held(server: string): Revision | null
  cards: SetUpCards
  channel: SetUpChannel
  clock: Clock
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { setUps, servers, held, cards, channel, clock, stopping, log } = deps
  /** What was true when this gateway last saw that it is shown: only what changes here is drawn, so that two do not undo each other. */
  const seen = new Map<string, string>()
  let said = ''
  while (!stopping.aborted) {
    let pauseMs = LOOK_MS
    let problem = ''
    try {
      const changed = servers.flatMap((server) => {
        const showing = showingOf(server)
        return showing === null || seen.get(server) === keyOf(showing) ? [] : [showing]
      })
      const shown = changed.length === 0 ? new Map<string, string>() : await cards.shown(channel.name)
      for (const showing of changed) {
        if (stopping.aborted) return
        const { server } = showing
        const now = shown.get(server)
        // A server that was set up from the start is no news.
        const isTrue = now === keyOf(showing) || (showing.kind === 'set_up' && now === undefined)
        if (isTrue || (await draw(showing))) seen.set(server, keyOf(showing))
      }
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
      pauseMs = (error instanceof ChannelFault ? error.retryAfterMs : null) ?? LOOK_MS
    }
    if (problem !== '' && problem !== said)
      log.warn(
        { channel: channel.name, reason: problem },
        'servers that wait to be set up could not be told of',
      )
    said = problem
    await clock.sleep(Math.max(pauseMs, LOOK_MS), stopping)
  }

  function showingOf(server: string): SetUpShowing | null {
    const setUp = setUps.show(server)
    if (setUp !== null) return { kind: 'waiting', ...setUp }
    const revision = held(server)
    if (revision === null) return null
    const { number, putBy, putAtMs: atMs } = revision
    return { kind: 'set_up', server, number, by: putByText(putBy), atMs }
  }

  /** @returns whether it is drawn; another gateway may be at it, and is looked at again */
  async function draw(showing: SetUpShowing): Promise<boolean> {
    const { server } = showing
    const card = await cards.take(server, channel.name, BUSY_MS)
    if (card === null) return false
    try {
      if (card.shown === keyOf(showing)) {
        await cards.giveBack(server, channel.name, card.turn)
        return true
      }
      const place = await channel.showSetUp(showing, card.place)
      return await cards.drawn(server, channel.name, card.turn, { place, shown: keyOf(showing) })
    } catch (error) {
      await cards.giveBack(server, channel.name, card.turn)
      throw error
    }
  }
}

/** One word for what is shown. That a server was set up is told once: later revisions are no matter of this message. */
function keyOf(showing: SetUpShowing): string {
  if (showing.kind === 'set_up') return 'set up'
  return showing.proposal === null
    ? `unknown ${showing.problem ?? ''}`.slice(0, 300)
    : showing.proposal.digest
}
