/** `GET` with an event id of ours: the wait goes on where a stream broke, at this gateway or at another one than before. */
import type { Timings } from '../../domain/timings.ts'
import type { Log } from '../../ports/log.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import { eventIdsFor, type HeldStream, type StreamSeal } from './event-ids.ts'
import type { HoldCall } from './held-call.ts'
import type { HoldAnswers } from './hold.ts'
import { settledAnswer, waitingAnswer } from './replies.ts'
import type { Requester } from './requester.ts'
import { httpCode, refusal, refusalResponse } from './rpc.ts'
import { taskResultAnswers } from './task-result.ts'
import { unavailable } from './unavailable.ts'
import type { WaitTool } from './wait-tool.ts'

/** Not none: an answer that is there already must get out, also where the client's time is nearly over. */
const HOLD_MS_MIN = 1_000

export type ResumeStream = (requester: Requester, lastEventId: string) => Promise<Response>

export function createResumeStream(deps: {
  ownCalls: OwnCalls
  holdCall: HoldCall
  streams: StreamSeal
  waitTool: Pick<WaitTool, 'nameFor'>
  clock: { wallMs(): number }
  timings: Timings
  log: Log
}): ResumeStream {
  const { ownCalls, holdCall, streams, waitTool, clock, timings, log } = deps

  return async function resumeStream(requester, lastEventId) {
    const { principal, upstream, session, spoken, accepts, delivery } = requester
    const owner = { principal, server: upstream.server }
    const stream = streams.open(owner, session?.id ?? null, lastEventId)
    if (stream === null || !accepts.events) return unknownEvent()
    try {
      const found = await ownCalls.find(stream.approval, owner)
      if (found === null) return unknownEvent()
      const eventIds = eventIdsFor(streams, {
        owner,
        session: session?.id ?? null,
        spoken,
        accepts,
        delivery,
        stream,
      })
      const isResumable = eventIds?.isPrimed ?? false
      const held = holdCall(requester, {
        id: stream.id,
        about: 'known',
        holdMs: Math.max(HOLD_MS_MIN, stream.untilMs - clock.wallMs()),
        answers: answersTo(requester, stream, isResumable),
        envelope: '{}',
        progressToken: stream.progressToken,
        eventIds,
      })
      return held.ok ? held.value.wait(found.approval, false) : held.error
    } catch (error) {
      log.error({ err: error, approval: stream.approval }, 'a stream could not be resumed')
      return unavailable(error, stream.id, 'known')
    }
  }

  function answersTo(requester: Requester, { taskId }: HeldStream, isResumable: boolean): HoldAnswers {
    if (taskId !== null) return taskResultAnswers(taskId, isResumable, { clock, timings })
    return {
      settled: (approval, replyText) => settledAnswer(approval, replyText, 'legacy', timings.coolDownMs),
      waiting: (approval, { isStopping }) =>
        isStopping && isResumable
          ? null
          : waitingAnswer(approval, false, 'legacy', waitTool.nameFor(requester)),
    }
  }
}

/** The same words for what was forged, what is somebody else's and what is over. */
const unknownEvent = () =>
  refusalResponse(
    refusal(
      400,
      httpCode(400),
      'There is no stream to resume after this event. Call the tool again; if its call still waits, that attaches to it.',
    ),
  )
