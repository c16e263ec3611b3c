/**
 * Tells people how calls ended, each once, through the channels in which they have an account. Level-triggered like the cards:
 * it reads what is true and whom nobody has told yet, however often it is asked. Whoever has no account finds it in the console.
 */
import type { Settled } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { newsOf } from '../domain/news.ts'
import { type Channel, ChannelFault } from '../ports/channels.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Notices } from '../ports/notices.ts'
import { actOnEach, isRefusal } from './channel-round.ts'

/** @throws when a channel did not take a message for a passing reason: the queue tries again, and the loop after it */
export type Tell = (id: ApprovalId) => Promise<void>

/** Longer than a request to a channel takes, twice: there are two people at most to be told. */
const BUSY_MS = 15_000
/** What is older has been read in the console, or is news no more. */
const NEWS_MS = 24 * 60 * 60 * 1_000
const LOOK_MS = 3_000
const PER_ROUND_MAX = 50
/** What was refused is tried again after this time, for a day: whoever repairs the set-up sees it told within a minute. */
const REFUSED_MS = 60_000
/** An end that nobody knows is told with what was found right afterwards, where that comes soon. */
const EVIDENCE_MS = 5_000

export interface TellDeps {
  readonly ledger: Pick<Ledger, 'get'>
  readonly notices: Notices
  readonly channels: readonly Channel[]
  readonly log: Log
}

export function createTell(deps: TellDeps): Tell {
  return async function tell(id) {
    const faults: unknown[] = []
    for (const channel of deps.channels) {
      try {
        await tellIn(deps, channel, id)
      } catch (error) {
        // One channel that is away must not keep the others from telling; what it refused is the loop's to try again.
        if (!isRefusal(error)) faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }
}

/** Behind the queue: tells whatever nobody has been told of, until `stopping` aborts. Never rejects. */
export async function keepTelling(deps: TellDeps & { clock: Clock; stopping: AbortSignal }): Promise<void> {
  await Promise.all(deps.channels.map((channel) => keepTellingIn(deps, channel)))
}

async function keepTellingIn(
  deps: TellDeps & { clock: Clock; stopping: AbortSignal },
  channel: Channel,
): Promise<void> {
  const { notices, clock, stopping, log } = deps
  let said = ''
  while (!stopping.aborted) {
    const fault = await round().catch((error: unknown) => error)
    const reason = fault === null ? '' : reasonOf(fault)
    if (fault !== null && reason !== said)
      log.warn({ channel: channel.name, reason }, 'outcomes wait to be told')
    said = reason
    await clock.sleep(Math.max(pauseMs(fault) ?? LOOK_MS, LOOK_MS), stopping)
  }

  async function round(): Promise<unknown> {
    const untold = await notices.untold(channel.name, NEWS_MS, PER_ROUND_MAX)
    return actOnEach(untold, { act: (id) => tellIn(deps, channel, id), stopping })
  }
}

/** @throws what kept somebody from being told, after the others were */
async function tellIn({ ledger, notices, log }: TellDeps, channel: Channel, id: ApprovalId): Promise<void> {
  const reading = await ledger.get(id)
  if (reading === null || reading.approval.status !== 'settled') return
  const { approval, nowMs } = reading
  if (isEvidenceOnItsWay(approval, nowMs)) return
  const turn = await notices.take(id, channel.name, BUSY_MS)
  if (turn === null) return
  const faults: unknown[] = []
  for (const { person, why } of newsOf(approval)) {
    if (turn.told.includes(person)) continue
    try {
      const isTold = await channel.tell({ approval, nowMs, person, why, cardPlace: turn.cardPlace })
      if (isTold) await notices.told(id, channel.name, turn.turn, person)
    } catch (error) {
      log.warn(
        { approval: id, channel: channel.name, person, reason: reasonOf(error) },
        'an outcome was not told',
      )
      faults.push(error)
      // Perhaps it is this person's account alone; the others are told.
      if (!isRefusal(error)) break
    }
  }
  if (faults.length === 0) return notices.done(id, channel.name, turn.turn)
  const fault = faults.at(-1)
  const isPassing = fault instanceof ChannelFault && fault.isTemporary
  await notices.giveBack(id, channel.name, turn.turn, {
    problem: reasonOf(fault),
    pauseMs: isPassing ? 0 : REFUSED_MS,
  })
  throw fault
}

/** How long the channel asked to be left alone. */
const pauseMs = (error: unknown) => (error instanceof ChannelFault ? error.retryAfterMs : null)

const isEvidenceOnItsWay = ({ outcome, settledAtMs }: Settled, nowMs: number): boolean =>
  outcome.kind === 'indeterminate' && outcome.evidence.after === null && nowMs < settledAtMs + EVIDENCE_MS

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
