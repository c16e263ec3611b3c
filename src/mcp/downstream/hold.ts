/**
 * A paused call: its response is open while people decide, and ends with exactly one answer, unless the requester has
 * gone or cancelled. Written first, marked as delivered afterwards. Leaving ends the hold, never the approval.
 */
import { type Approval, isAcceptedAsTask, type Settled } from '../../domain/approval.ts'
import type { Principal } from '../../domain/principal.ts'
import { ok, type Result } from '../../domain/result.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { NewerForm } from '../../ports/ledger-faults.ts'
import type { Log } from '../../ports/log.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import type { Awaited, AwaitOutcome } from '../../services/await-outcome.ts'
import { peek } from '../upstream/peek.ts'
import type { Accepts } from './accepts.ts'
import { createAnswerStream } from './answer-stream.ts'
import type { Delivery } from './delivery.ts'
import type { Full, HeldRequests } from './held-requests.ts'
import { type Answer, answerMessage, errorAnswer, type Id, INTERNAL_ERROR } from './rpc.ts'
import { newerFormText } from './unavailable.ts'
import { waitingProgress } from './waiting-progress.ts'

/** A gateway that stops answers a waiting call at once; one that is being sent is looked at this often until it ends. */
const LOOK_AGAIN_MS = 250

/** Progress and the like that a client has not read; beyond it the newest is left out, because the next one says more. */
const UNREAD_BYTES_MAX = 1024 * 1024

/** A client that takes nothing of its answer for this long is gone, or waits for our memory to fill. It can ask again. */
const STALLED_MS = 60_000

export interface HoldRequest {
  readonly principal: Principal
  readonly key: string
  /** Other clients of the same principal may use the same id: there is no session that keeps them apart. */
  readonly isKeyShared: boolean
  readonly id: Id
  /** How long before the requester is told to come back. */
  readonly holdMs: number
  readonly answers: HoldAnswers
  readonly progressToken: Id | null
  /** `null`: this stream cannot be resumed. */
  readonly eventIds: EventIds | null
  readonly accepts: Accepts
  readonly delivery: Delivery
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
}

/** What the requester is told at the end. */
export interface HoldAnswers {
  settled(approval: Settled, replyText: string | null): Answer
  /** `null`: nothing; the stream ends, and the client resumes it or comes back by itself. */
  waiting(approval: Exclude<Approval, Settled>, state: WaitState): Answer | null
  /** A message that says how things stand, for whoever wants to hear of each change. */
  changed?(approval: Approval): string
}

export interface WaitState {
  /** Somebody waits for it, or has waited, already. */
  readonly isRepeat: boolean
  /** The time is not over, but this gateway stops. */
  readonly isStopping: boolean
}

/** Ids under which the client can resume the stream at any gateway. */
export interface EventIds {
  /** Progress reported before, where this stream resumes another one: progress never goes back. */
  readonly reported: number
  /** Whether the client understands an event that only says how to resume. */
  readonly isPrimed: boolean
  /** A new id for an event of the stream that waits for this approval. */
  next(approval: Approval, reported: number): string
}

/** A place among the held requests, taken before anyone is asked, so that a limit is never found out too late. */
export interface Hold {
  /** The upstream's own messages while the call runs; they belong to the requester. */
  onMessage(rawMessage: string): void
  /** Keeps the response open until there is an answer. `null`: as many requests as may wait for this approval already. */
  wait(approval: Approval, session: UpstreamSession, isRepeat: boolean): Response | null
  /** Gives the place back, when there is nothing to wait for. */
  release(): void
}

/** The error says whose limit is reached. */
export type OpenHold = (request: HoldRequest) => Result<Hold, Full>

export function createOpenHold(deps: {
  held: HeldRequests
  awaitOutcome: AwaitOutcome
  markDelivered: Ledger['markDelivered']
  timings: Pick<Timings, 'commentMs' | 'progressMs' | 'replyIdleMs'>
  clock: Clock
  /** Aborted when this gateway stops. */
  stopping: AbortSignal
  log: Log
}): OpenHold {
  const { held, awaitOutcome, markDelivered, timings, clock, stopping, log } = deps

  return function openHold(request) {
    const { principal, key, isKeyShared, id, holdMs, answers, progressToken, eventIds } = request
    const { accepts, delivery, signal } = request
    const left = new AbortController()
    const over = new AbortController()
    const leave = () => left.abort()
    let isCancelled = false
    const taken = held.add(principal, key, () => {
      isCancelled = true
      leave()
    })
    if (!taken.ok) return taken
    const place = taken.value
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    const stream = createAnswerStream({
      format: accepts.events ? 'events' : 'json',
      unreadBytesMax: UNREAD_BYTES_MAX,
      stalledMs: STALLED_MS,
      onLeave: leave,
    })
    let isToolReporting = false
    let lastSeen: Approval | null = null
    let reportNow = () => {}
    let reported = eventIds?.reported ?? 0

    function offer(rawMessage: string) {
      const eventId = lastSeen === null ? null : (eventIds?.next(lastSeen, reported) ?? null)
      stream.offer(rawMessage, eventId)
    }

    function end() {
      over.abort()
      signal.removeEventListener('abort', leave)
    }

    async function run(approval: Approval, session: UpstreamSession, isRepeat: boolean) {
      lastSeen = approval
      stream.comment(`held for ${approval.id}`)
      if (eventIds?.isPrimed) stream.prime(eventIds.next(approval, reported))
      void every(timings.commentMs, () => stream.comment('still waiting'))
      if (progressToken !== null) void reportProgress(progressToken)
      const ending = await endingOf(approval, session, isRepeat)
      end()
      const isTaken = (await stream.finish(ending.message)) && (await delivery.reached())
      // Not before: an answer that is not taken lies in memory.
      place.release()
      if (!isTaken && ending.message !== null) log.info({ approval: approval.id }, 'an answer was not taken')
      if (isTaken && ending.settled !== null) await mark(ending.settled)
    }

    async function endingOf(approval: Approval, session: UpstreamSession, isRepeat: boolean) {
      try {
        const awaited = await outcomeOf(approval, session)
        if (left.signal.aborted || awaited.kind === 'left') {
          // Who has cancelled ignores an answer; another client with the same id must not be left without one.
          const message = isCancelled && isKeyShared ? answerMessage(id, cancelledBySomebody(approval)) : null
          return { message, settled: null }
        }
        const answer = answerTo(awaited, isRepeat)
        return {
          message: answer === null ? null : answerMessage(id, answer),
          // Perhaps the one that took its place.
          settled: awaited.kind === 'settled' ? awaited.approval : null,
        }
      } catch (error) {
        log.error({ err: error, approval: approval.id }, 'a held request could not be followed to its end')
        const message =
          error instanceof NewerForm
            ? newerFormText(error.unread)
            : `The state of ticket ${approval.id} cannot be read right now, so nothing is said about it. ` +
              'Call the same tool again with identical arguments to wait on; it does not run twice.'
        return { message: answerMessage(id, errorAnswer(INTERNAL_ERROR, message)), settled: null }
      }
    }

    /** Once it is being sent, "not executed" would be false: then the answer is worth a longer wait. */
    async function outcomeOf(approval: Approval, session: UpstreamSession): Promise<Awaited> {
      const onLook = (seen: Approval) => {
        const isAnother = lastSeen !== null && lastSeen.id !== seen.id
        const isChanged = isAnother || (lastSeen !== null && lastSeen.version !== seen.version)
        lastSeen = seen
        if (isAnother) reportNow()
        if (isChanged && answers.changed !== undefined) offer(answers.changed(seen))
      }
      const wait = (holdMs: number) =>
        awaitOutcome({ id: approval.id, session, holdMs, signal: left.signal, onLook })
      let awaited = await wait(holdMs)
      const untilMs = clock.monotonicMs() + timings.replyIdleMs
      while (awaited.kind === 'still_waiting' && awaited.approval.status === 'executing') {
        const restMs = untilMs - clock.monotonicMs()
        if (restMs <= 0) return awaited
        await clock.sleep(Math.min(LOOK_AGAIN_MS, restMs), left.signal)
        awaited = await wait(restMs)
      }
      return awaited
    }

    function answerTo(awaited: Exclude<Awaited, { kind: 'left' }>, isRepeat: boolean) {
      const { approval } = awaited
      const replyText = awaited.kind === 'settled' ? awaited.replyText : null
      if (approval.status === 'settled') return answers.settled(approval, replyText)
      return answers.waiting(approval, { isRepeat, isStopping: stopping.aborted })
    }

    async function reportProgress(token: Id) {
      const report = () => {
        // From its first own report on, the tool's numbers are the higher ones.
        if (isToolReporting || lastSeen === null) return
        const waitedMs = Math.max(0, clock.wallMs() - lastSeen.createdAtMs)
        offer(waitingProgress(token, ++reported, lastSeen, waitedMs))
      }
      reportNow = report
      report()
      await every(timings.progressMs, report)
    }

    async function every(ms: number, act: () => void) {
      for (;;) {
        await clock.sleep(ms, over.signal)
        if (over.signal.aborted) return
        act()
      }
    }

    return ok({
      onMessage(rawMessage) {
        const message = peek(rawMessage)
        if (message.kind === 'notification' && message.method === 'notifications/progress') {
          isToolReporting = true
        }
        offer(rawMessage)
      },
      wait(approval, session, isRepeat) {
        if (!place.waitFor(approval.id)) return null
        void run(approval, session, isRepeat)
        return stream.response
      },
      release() {
        end()
        place.release()
      },
    })
  }

  async function mark(approval: Approval): Promise<void> {
    // What came of it is with the upstream: only who follows the task there collects it.
    if (isAcceptedAsTask(approval)) return
    try {
      await markDelivered(approval.id)
    } catch (error) {
      // Then the same call receives the outcome once more, which is harmless.
      log.warn({ err: error, approval: approval.id }, 'a delivered outcome could not be marked')
    }
  }
}

const cancelledBySomebody = ({ id }: Approval): Answer =>
  errorAnswer(
    INTERNAL_ERROR,
    `A cancellation named the id of this request; without a session nobody can say whose it was. Ticket ${id} goes on. ` +
      'Call the same tool again with identical arguments to wait on; it does not run twice.',
  )
