/** Asks people about a call and holds its request. Whatever fails on the way leaves the gate shut and says so at once. */
import type { Limits } from '../../domain/limits.ts'
import type { ApproverChain, Verdict } from '../../domain/policy.ts'
import type { Timings } from '../../domain/timings.ts'
import { canonicalParams, type ToolCall } from '../../domain/tool-call.ts'
import type { Log } from '../../ports/log.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import type { Ask } from '../../services/ask.ts'
import type { createUpstreamSession } from '../upstream/session.ts'
import type { GateRequest } from './gate.ts'
import { heldKey } from './held-requests.ts'
import type { Hold, OpenHold } from './hold.ts'
import { askRefusedAnswer } from './replies.ts'
import { type Answer, httpCode, INTERNAL_ERROR, refusal, refusalResponse } from './rpc.ts'
import type { DecidableCall } from './tool-call-params.ts'

export interface Pausing extends DecidableCall {
  readonly tool: string
  readonly verdict: Extract<Verdict, { kind: 'require_approval' }>
  readonly approvers: ApproverChain
  /** The number of the policy revision that asks. */
  readonly revision: number
}

/** @returns the open response, or what to answer at once */
export type Pause = (request: GateRequest, pausing: Pausing) => Promise<Response | Answer>

export function createPause(deps: {
  ask: Ask
  openHold: OpenHold
  createSession: typeof createUpstreamSession
  limits: Pick<Limits, 'replyBytesMax' | 'heldPerPrincipalMax' | 'heldPerApprovalMax'>
  timings: Pick<Timings, 'replyIdleMs' | 'coolDownMs'>
  log: Log
}): Pause {
  const { ask, openHold, createSession, limits, timings, log } = deps

  return async function pause(request, pausing) {
    const { upstream, principal, message, spoken, session, signal, accepts } = request
    const { server } = upstream
    const { era } = spoken
    const { progressToken } = pausing
    const key = heldKey(principal, server, session?.id ?? null, message.id)
    const held = openHold({ principal, key, id: message.id, era, progressToken, accepts, signal })
    if (!held.ok) {
      log.warn({ principal: principal.name, limit: held.error }, 'no more requests can be held')
      if (held.error === 'gateway') return closed(request, 'Too many calls wait at this gateway.')
      const most = `${limits.heldPerPrincipalMax} of your calls wait here already, the most that one agent may have`
      return tooMany(
        request,
        `${most}. This one was not taken, and nothing was executed. Wait for an answer first.`,
      )
    }
    const hold = held.value
    try {
      const upstreamSession = sessionFor(request, pausing, hold)
      const call = callOf(request, pausing)
      const { verdict, approvers, revision } = pausing
      const { client } = request
      const asked = await ask({ call, verdict, approvers, revision, client, session: upstreamSession })
      if (asked.ok) {
        const isRepeat = asked.value.kind === 'waiting' && !asked.value.isNew
        const { approval } = asked.value
        const response = hold.wait(approval, upstreamSession, isRepeat)
        if (response !== null) return response
        hold.release()
        const most = `${limits.heldPerApprovalMax} of your requests wait for ticket ${approval.id} already`
        return tooMany(request, `${most}. This one was not added to them. Wait for their answer.`)
      }
      hold.release()
      const { tool } = pausing
      log.info({ server, tool, principal: principal.name, reason: asked.error.reason }, 'nobody was asked')
      return askRefusedAnswer(asked.error, { server, tool, era, coolDownMs: timings.coolDownMs })
    } catch (error) {
      // Without the ledger nothing is asked, and what was not asked is not sent.
      hold.release()
      log.error({ err: error, server, tool: pausing.tool }, 'an approval could not be asked for')
      return closed(request, 'Approvals are unavailable right now.')
    }
  }

  function sessionFor(
    request: GateRequest,
    { progressToken, envelope }: Pausing,
    hold: Hold,
  ): UpstreamSession {
    const { upstream, principal, spoken } = request
    return createSession({
      upstream,
      principal,
      headers: sessionHeaders(request),
      era: spoken.era,
      envelope,
      progressToken: progressToken === null ? null : JSON.stringify(progressToken),
      onMessage: hold.onMessage,
      limits,
      timings,
    })
  }
}

function callOf({ upstream, principal, spoken, session }: GateRequest, pausing: Pausing): ToolCall {
  const { tool, arguments: args, meta, idempotencyKey } = pausing
  return {
    server: upstream.server,
    tool,
    principal,
    era: spoken.era,
    canonicalParams: canonicalParams(tool, args, meta),
    idempotencyKey,
    session: session?.id,
  }
}

function closed({ message }: GateRequest, why: string): Response {
  const text = `${why} Nothing was executed. Retry later.`
  return refusalResponse(refusal(503, INTERNAL_ERROR, text, message.id))
}

function tooMany({ message }: GateRequest, text: string): Response {
  return refusalResponse(refusal(429, httpCode(429), text, message.id))
}

/** The terms on which the client speaks to the upstream. What headers repeat of a call is written anew when it is sent. */
function sessionHeaders({ headers, session }: GateRequest): Record<string, string> {
  const revision = headers.get('mcp-protocol-version')
  return {
    ...(revision === null ? {} : { 'mcp-protocol-version': revision }),
    ...(session === null ? {} : { 'mcp-session-id': session.id }),
  }
}
