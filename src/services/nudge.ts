/**
 * Calls people again, in a new message beside the card: that nobody is called twice for one moment, and nobody after the
 * decision. Level-triggered: what is due stands in the record, what was posted beside it.
 */
import type { Pending } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { calledBy, type Nudge } from '../domain/nudges.ts'
import { yesOf } from '../domain/present.ts'
import type { Person } from '../domain/principal.ts'
import { isIn, stageNow } from '../domain/quorum.ts'
import { type Channel, ChannelFault } from '../ports/channels.ts'
import type { Clock } from '../ports/clock.ts'
import type { Directory } from '../ports/directory.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Nudges } from '../ports/nudges.ts'
import { actOnEach, isRefusal } from './channel-round.ts'

/** @throws when a channel did not take a message for a passing reason: the queue tries again, and the loop after it */
export type PostNudges = (id: ApprovalId) => Promise<void>

const LOOK_MS = 3_000
const PER_ROUND_MAX = 50
/** What was refused is tried again after this time: whoever repairs the set-up hears of what waits within a minute. */
const REFUSED_MS = 60_000

export interface NudgeDeps {
  readonly ledger: Pick<Ledger, 'get'>
  readonly nudges: Nudges
  readonly directory: Pick<Directory, 'people'>
  readonly channels: readonly Channel[]
  readonly log: Log
}

export function createPostNudges(deps: NudgeDeps): PostNudges {
  return async function postNudges(id) {
    const faults: unknown[] = []
    for (const channel of deps.channels) {
      try {
        await postIn(deps, channel, id)
      } catch (error) {
        // What a channel refused is the loop's to try again.
        if (!isRefusal(error)) faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }
}

/** Behind the queue: posts whatever nobody has posted, until `stopping` aborts. Never rejects. */
export async function keepNudging(deps: NudgeDeps & { clock: Clock; stopping: AbortSignal }): Promise<void> {
  await Promise.all(deps.channels.map((channel) => keepNudgingIn(deps, channel)))
}

async function keepNudgingIn(
  deps: NudgeDeps & { clock: Clock; stopping: AbortSignal },
  channel: Channel,
): Promise<void> {
  const { nudges, clock, stopping, log } = deps
  const leftUntilMs = new Map<ApprovalId, number>()
  let said = ''
  while (!stopping.aborted) {
    const fault = await round().catch((error: unknown) => error)
    const reason = fault === null ? '' : reasonOf(fault)
    if (fault !== null && reason !== said)
      log.warn({ channel: channel.name, reason }, 'reminders wait for their channel')
    said = reason
    const pauseMs = fault instanceof ChannelFault ? fault.retryAfterMs : null
    await clock.sleep(Math.max(pauseMs ?? LOOK_MS, LOOK_MS), stopping)
  }

  async function round(): Promise<unknown> {
    for (const [id, untilMs] of leftUntilMs) if (untilMs <= clock.monotonicMs()) leftUntilMs.delete(id)
    const untaken = await nudges.untaken(channel.name, PER_ROUND_MAX)
    const act = (id: ApprovalId) => postIn(deps, channel, id)
    const refused = (id: ApprovalId) => leftUntilMs.set(id, clock.monotonicMs() + REFUSED_MS)
    return actOnEach(
      untaken.filter((id) => !leftUntilMs.has(id)),
      { act, refused, stopping },
    )
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

async function postIn(deps: NudgeDeps, channel: Channel, id: ApprovalId): Promise<void> {
  const { ledger } = deps
  const approval = (await ledger.get(id))?.approval
  if (approval?.status !== 'pending') return
  for (const [index, nudge] of approval.nudges.entries()) {
    // Of what a channel missed while it was away, people need the newest.
    const isNewest = !approval.nudges.slice(index + 1).some(({ kind }) => kind === nudge.kind)
    await postOne(deps, channel, {
      id,
      nudge,
      number: index + 1,
      isUseful: nudge.kind === 'escalation' || isNewest,
    })
  }
}

async function postOne(
  { ledger, nudges, directory, log }: NudgeDeps,
  channel: Channel,
  { id, nudge, number, isUseful }: { id: ApprovalId; nudge: Nudge; number: number; isUseful: boolean },
): Promise<void> {
  const cardPlace = await nudges.take(id, channel.name, number)
  if (cardPlace === null || !isUseful) return
  try {
    const reading = await ledger.get(id)
    if (reading?.approval.status !== 'pending') return
    const { approval, nowMs } = reading
    const people = calledOf(nudge, approval, directory.people(), nowMs)
    const reached = await channel.nudge({ approval, nudge, nowMs, people, cardPlace })
    await nudges.posted(id, channel.name, number, reached)
    log.info(
      { approval: id, channel: channel.name, nudge: nudge.kind, people: reached },
      'people were called again',
    )
  } catch (error) {
    if (!(error instanceof ChannelFault) || !error.isCertainlyUnposted) {
      // Perhaps it stands there: once at most is the promise, and the card and the console say that it waits.
      log.warn(
        { err: error, approval: id, channel: channel.name },
        'a reminder was perhaps posted; it is left',
      )
      return
    }
    await nudges.giveBack(id, channel.name, number)
    throw error
  }
}

/** Whose yes would count now; of an escalation only those whose right came with it. */
function calledOf(
  nudge: Nudge,
  approval: Pending,
  people: readonly Person[],
  nowMs: number,
): readonly Person[] {
  const may = people.filter((person) => yesOf(approval, person, nowMs).kind === 'offered')
  if (nudge.kind !== 'escalation') return may
  const steps = calledBy(nudge, approval)
  const { stages, approvers } = approval.asking
  const asked = stages[stageNow(stages, approval.votes)] ?? approvers
  return may.filter((person) => !isIn(asked, person) && steps.some((step) => isIn(step, person)))
}
