/** What becomes of a `tools/call`: passed on, refused, or paused until people have decided. It reaches an upstream only where the policy says so. */
import type { Reservation } from '../../domain/policy/tally.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { Judge } from '../../services/judge.ts'
import type { Limiter } from '../../services/limits.ts'
import { messageEvent } from '../sse.ts'
import type { Upstream } from '../upstream/wire.ts'
import type { Accepts } from './accepts.ts'
import type { RequestMessage } from './message.ts'
import type { Pause } from './pause.ts'
import { deniedAnswer, limitedAnswer, unknownTool } from './replies.ts'
import {
  type Answer,
  answerMessage,
  type Id,
  INTERNAL_ERROR,
  jsonResponse,
  refusal,
  refusalResponse,
} from './rpc.ts'
import type { Session } from './sealed-session.ts'
import type { Spoken } from './spoken.ts'
import { readDecidableCall, readNamedCall } from './tool-call-params.ts'

export interface GateRequest {
  readonly upstream: Upstream
  readonly principal: Principal
  readonly message: RequestMessage
  readonly headers: Headers
  readonly spoken: Spoken
  readonly session: Session | null
  /** Name and version of the client as it states them, for display. */
  readonly client: string | null
  readonly accepts: Accepts
  readonly signal: AbortSignal
  /** Passes the very bytes that came. @param onUnsent told when certainly nothing left */
  readonly passOn: (onUnsent: (() => Promise<void>) | null) => Promise<Response>
}

export type Gate = (request: GateRequest) => Promise<Response>

export function createGate(deps: {
  judge: Judge
  limiter: Limiter
  pause: Pause
  clock: Pick<Clock, 'wallMs'>
  log: Log
}): Gate {
  const { judge, limiter, pause, clock, log } = deps

  return async function gate(request) {
    const { upstream, principal, message, spoken } = request
    const { server } = upstream
    const named = readNamedCall(message)
    if (!named.ok) return refusalResponse(named.error)
    const { name: tool, params } = named.value
    const args = params.arguments ?? {}
    const sessionId = request.session?.id ?? null
    const call = { server, tool, principal, arguments: args, session: sessionId }
    const judged = await judge({ ...call, nowMs: clock.wallMs() })
    if (judged === null) return withoutRules(server, message.id)
    const { verdict, approvers, revision } = judged
    switch (verdict.kind) {
      case 'allow':
        return passLimited(request, tool, verdict.reservations)
      case 'hide':
        return answered(request, unknownTool(tool))
      case 'deny': {
        const { rule, reason } = verdict
        log.info({ server, tool, rule, principal: principal.name }, 'the policy denied a call')
        return answered(request, deniedAnswer({ server, tool, rule, reason }, spoken.era))
      }
      case 'require_approval': {
        const decidable = readDecidableCall(named.value, spoken)
        if (!decidable.ok) return refusalResponse(decidable.error)
        const pausing = { ...decidable.value, tool, verdict, approvers, revision }
        const paused = await pause(request, pausing)
        return paused instanceof Response ? paused : answered(request, paused)
      }
    }
  }

  /** An allowed call under no limit asks nobody. */
  async function passLimited(
    request: GateRequest,
    tool: string,
    reservations: readonly Reservation[],
  ): Promise<Response> {
    if (reservations.length === 0) return request.passOn(null)
    const { upstream, principal, message, spoken } = request
    const { server } = upstream
    const allowance = await limiter.reserve(reservations)
    switch (allowance.kind) {
      case 'reserved':
        return request.passOn(allowance.release)
      case 'exceeded': {
        const { rule, reason } = allowance
        log.info({ server, tool, rule, principal: principal.name }, 'a call was over a limit')
        return answered(request, limitedAnswer({ server, tool, rule, reason }, spoken.era))
      }
      case 'unavailable': {
        const text = 'Its limits cannot be counted right now. Nothing was executed. Retry later.'
        return refusalResponse(refusal(503, INTERNAL_ERROR, text, message.id))
      }
    }
  }

  function withoutRules(server: string, id: Id): Response {
    log.error({ server }, 'a server was called whose policy in force cannot be read here')
    const message = `The policy in force for "${server}" cannot be read by this gateway, so nothing was executed. An operator must look.`
    return refusalResponse(refusal(503, INTERNAL_ERROR, message, id))
  }
}

/** In the kind of body that the client can read. */
function answered({ message, accepts }: GateRequest, answer: Answer): Response {
  const rawMessage = answerMessage(message.id, answer)
  if (accepts.json) return jsonResponse(rawMessage)
  return new Response(messageEvent(rawMessage), { headers: { 'content-type': 'text/event-stream' } })
}
