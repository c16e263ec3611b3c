/** One request held for an approval: its place here, its way to the upstream, and what is said when there is no room. */
import type { Approval } from '../../domain/approval.ts'
import type { Limits } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Log } from '../../ports/log.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import { heldKey } from './held-requests.ts'
import type { EventIds, HoldAnswers, OpenHold } from './hold.ts'
import type { Requester, UpstreamSessionOf } from './requester.ts'
import { httpCode, type Id, refusal, refusalResponse } from './rpc.ts'
import { type About, closed, unknownHere } from './unavailable.ts'

export interface HoldTerms {
  /** The request that is answered in the end. */
  readonly id: Id
  readonly about: About
  readonly holdMs: number
  readonly answers: HoldAnswers
  readonly envelope: string
  readonly progressToken: Id | null
  readonly eventIds: EventIds | null
}

export interface HeldCall {
  /** On which the call would run. */
  readonly session: UpstreamSession
  /** The response, open until there is an answer. */
  wait(approval: Approval, isRepeat: boolean): Response
  /** Gives the place back, when there is nothing to wait for. */
  release(): void
}

/** The error is the response: there is no room for it. */
export type HoldCall = (requester: Requester, terms: HoldTerms) => Result<HeldCall, Response>

export function createHoldCall(deps: {
  openHold: OpenHold
  upstreamSessionOf: UpstreamSessionOf
  limits: Pick<Limits, 'heldPerPrincipalMax' | 'heldPerApprovalMax'>
  log: Log
}): HoldCall {
  const { openHold, upstreamSessionOf, limits, log } = deps

  return function holdCall(requester, { id, about, holdMs, answers, envelope, progressToken, eventIds }) {
    const { upstream, principal, session, accepts, delivery, signal } = requester
    const key = heldKey(principal, upstream.server, session?.id ?? null, id)
    const held = openHold({
      ...{
        principal,
        key,
        isKeyShared: session === null,
        id,
        holdMs,
        answers,
        progressToken,
        eventIds,
        accepts,
        delivery,
        signal,
      },
    })
    if (!held.ok) {
      log.warn({ principal: principal.name, limit: held.error }, 'no more requests can be held')
      if (held.error === 'gateway') return err(closed('Too many calls wait at this gateway.', about, id))
      const most =
        `${limits.heldPerPrincipalMax} of your calls wait here already, the most that one agent may have, so this one was not ` +
        'taken. Wait for an answer first.'
      return err(tooMany(unknownHere(most, about), id))
    }
    const hold = held.value
    const upstreamSession = upstreamSessionOf(requester, {
      envelope,
      progressToken,
      onMessage: hold.onMessage,
    })
    return ok({
      session: upstreamSession,
      wait(approval, isRepeat) {
        const response = hold.wait(approval, upstreamSession, isRepeat)
        if (response !== null) return response
        hold.release()
        const most = `${limits.heldPerApprovalMax} of your requests wait for ticket ${approval.id} already`
        return tooMany(`${most}. This one was not added to them. Wait for their answer.`, id)
      },
      release: hold.release,
    })
  }
}

function tooMany(text: string, id: Id): Response {
  return refusalResponse(refusal(429, httpCode(429), text, id))
}
