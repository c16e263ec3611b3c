/** What becomes of a `tools/call`: passed on, refused, or paused until people have decided. It reaches an upstream only where the policy says so. */
import type { JsonValue } from '../../domain/canonical.ts'
import type { Verdict } from '../../domain/policy.ts'
import type { RecordedKind } from '../../domain/recorded-verdict.ts'
import type { Clock } from '../../ports/clock.ts'
import { NewerForm } from '../../ports/ledger-faults.ts'
import type { Log } from '../../ports/log.ts'
import type { Rules } from '../../ports/rules.ts'
import { type Judge, type Judged, ruleOf, type ToJudge } from '../../services/judge.ts'
import type { Limiter } from '../../services/limits.ts'
import type { RecordVerdict } from '../../services/record-verdicts.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import { messageEvent } from '../sse.ts'
import { objectMember } from './json.ts'
import type { RequestMessage } from './message.ts'
import { type InputSchemaOf, paramMismatch } from './mirrored-params.ts'
import type { Pause } from './pause.ts'
import { deniedAnswer, limitedAnswer, notSetUpAnswer, stoppedAnswer, unknownTool } from './refusals.ts'
import { isOwnRequestState } from './request-state.ts'
import type { Requester } from './requester.ts'
import { type Answer, answerMessage, INTERNAL_ERROR, jsonResponse, refusal, refusalResponse } from './rpc.ts'
import { type NamedCall, readDecidableCall, readNamedCall } from './tool-call-params.ts'
import { NOT_EXECUTED, NOTHING_HERE, unavailable } from './unavailable.ts'
import { isWaitToolName, type WaitTool } from './wait-tool.ts'

export interface GateRequest extends Requester {
  readonly message: RequestMessage
  /** Passes the very bytes that came. @param onUnsent told when certainly nothing left */
  readonly passOn: (onUnsent: (() => Promise<void>) | null) => Promise<Response>
}

/** A call, and what the policy says of it. */
interface Decision {
  readonly request: GateRequest
  readonly named: NamedCall
  readonly call: Omit<ToJudge, 'nowMs' | 'counted'>
  readonly judged: Judged
  readonly nowMs: number
  readonly judgedInMs: number
}

type Allowing = Extract<Verdict, { kind: 'allow' }>

export type Gate = (request: GateRequest) => Promise<Response>

export function createGate(deps: {
  judge: Judge
  rules: Pick<Rules, 'of' | 'needsSetUp'>
  /** Where a person sets this server up; `null`: no address is known that they could follow. */
  setUpLink(server: string): string | null
  stops: Pick<StopsInForce, 'over'>
  limiter: Limiter
  pause: Pause
  waitTool: Pick<WaitTool, 'resolve' | 'call'>
  recordVerdict: RecordVerdict
  inputSchemaOf: InputSchemaOf
  clock: Pick<Clock, 'wallMs' | 'monotonicMs'>
  log: Log
}): Gate {
  const { judge, rules, setUpLink, stops, limiter, pause, waitTool, recordVerdict } = deps
  const { inputSchemaOf, clock, log } = deps

  return async function gate(request) {
    const { upstream, principal, message, spoken } = request
    const { server } = upstream
    const named = readNamedCall(message)
    if (!named.ok) return refusalResponse(named.error)
    const { name: tool, params } = named.value
    if (isOwnRequestState(params.requestState)) return comesBack(request, named.value)
    if (isWaitToolName(tool) && (await waitTool.resolve(request, objectMember(params, '_meta'))) === tool) {
      return answeredOr(request, await waitTool.call(request, params))
    }
    // After the ways to collect an outcome, before the policy: what has happened stays readable, nothing more is asked or sent.
    const stop = stops.over({ server, tool, principal })
    const sessionId = request.session?.id ?? null
    const unjudged = { server, tool, principal, params, session: sessionId, asIf: null, judgedInMs: 0 }
    if (stop !== null) {
      const revision = rules.of(server)?.revision ?? 0
      const said = {
        verdict: 'stopped',
        rule: `stop ${stop.number}`,
        revision,
        atMs: clock.wallMs(),
      } as const
      recordVerdict({ ...unjudged, ...said })
      log.info({ server, tool, stop: stop.number, principal: principal.name }, 'a stopped call was refused')
      return unlessEarlier(request, named.value, (opening) =>
        answered(request, stoppedAnswer(stop, spoken.era, opening)),
      )
    }
    const args = params.arguments ?? {}
    const call = { server, tool, principal, arguments: args, session: sessionId }
    const nowMs = clock.wallMs()
    const begunMs = clock.monotonicMs()
    const judged = await judge({ ...call, nowMs })
    const judgedInMs = clock.monotonicMs() - begunMs
    if (judged === null) {
      if (rules.needsSetUp?.(server) !== true) return withoutRules(request, named.value)
      recordVerdict({ ...unjudged, verdict: 'not_set_up', rule: null, revision: 0, atMs: nowMs })
      log.info({ server, tool, principal: principal.name }, 'a call to a server without a policy was refused')
      return unlessEarlier(request, named.value, (opening) =>
        answered(request, notSetUpAnswer(server, setUpLink(server), spoken.era, opening)),
      )
    }
    return act({ request, named: named.value, call, judged, nowMs, judgedInMs })
  }

  async function act(decision: Decision): Promise<Response> {
    const { request, named, call, judged, nowMs, judgedInMs } = decision
    const { principal, spoken } = request
    const { server, tool, session } = call
    const { params } = named
    const { verdict, approvers, revision, asIf: tried } = judged
    const asIf = tried === null ? null : { verdict: tried.kind, rule: ruleOf(tried) }
    const record = (kind: RecordedKind, rule: string | null) =>
      recordVerdict({
        ...{ server, tool, principal, params, session },
        ...{ verdict: kind, rule, revision, asIf, atMs: nowMs, judgedInMs },
      })
    if (verdict.kind !== 'allow') record(verdict.kind, ruleOf(verdict))
    switch (verdict.kind) {
      case 'allow':
        return (await mismatched(request, tool, call.arguments)) ?? passLimited(decision, verdict, record)
      case 'hide':
        return unlessEarlier(request, named, () => answered(request, unknownTool(tool)))
      case 'deny': {
        const { rule, reason } = verdict
        log.info({ server, tool, rule, principal: principal.name }, 'the policy denied a call')
        return unlessEarlier(request, named, (opening) =>
          answered(request, deniedAnswer({ server, tool, rule, reason }, spoken.era, opening)),
        )
      }
      case 'require_approval': {
        const decidable = readDecidableCall(named, spoken)
        if (!decidable.ok) return refusalResponse(decidable.error)
        const pausing = { ...decidable.value, tool, verdict, approvers, revision }
        return answeredOr(request, await pause(request, pausing))
      }
    }
  }

  /** What people decide about is sent with headers of our own; a client with a handshake has none that would be passed on. */
  async function mismatched(request: GateRequest, tool: string, args: JsonValue): Promise<Response | null> {
    const { upstream, headers, message, spoken } = request
    if (spoken.era === 'legacy') return null
    const stated = { headers, id: message.id, args }
    const refused = await paramMismatch(stated, () => inputSchemaOf(upstream.server, tool))
    return refused === null ? null : refusalResponse(refused)
  }

  /** An allowed call under no limit asks nobody. */
  async function passLimited(
    decision: Decision,
    { rule: allowing, reservations }: Allowing,
    record: (kind: RecordedKind, rule: string) => void,
  ): Promise<Response> {
    const { request, named, call, judged } = decision
    if (reservations.length === 0) {
      record('allow', allowing)
      return request.passOn(null)
    }
    const { principal, message, spoken } = request
    const { server, tool } = call
    const allowance = await limiter.reserve(reservations)
    if (allowance.kind === 'reserved') {
      // Calls of one moment were all judged by the same past. Once counted, each is judged again with the others in it, so that
      // haste goes around no rule; rather are all of them looked at.
      const again = judged.hasPast
        ? await judge({ ...call, nowMs: decision.nowMs, counted: reservations })
        : judged
      if (again?.verdict.kind !== 'allow') {
        await allowance.release()
        return again === null ? withoutRules(request, named) : act({ ...decision, judged: again })
      }
      record('allow', allowing)
    } else record('limited', allowance.kind === 'exceeded' ? allowance.rule : allowing)
    switch (allowance.kind) {
      case 'reserved':
        return request.passOn(allowance.release)
      case 'exceeded': {
        const { rule, reason } = allowance
        log.info({ server, tool, rule, principal: principal.name }, 'a call was over a limit')
        return unlessEarlier(request, named, (opening) =>
          answered(request, limitedAnswer({ server, tool, rule, reason }, spoken.era, opening)),
        )
      }
      case 'unavailable': {
        return unlessEarlier(request, named, (opening) => {
          const text = `Its limits cannot be counted right now. ${opening} Retry later.`
          return refusalResponse(refusal(503, INTERNAL_ERROR, text, message.id))
        })
      }
    }
  }

  /** It has been judged, and what became of it is in the ledger. */
  async function comesBack(request: GateRequest, named: NamedCall): Promise<Response> {
    const call = readDecidableCall(named, request.spoken)
    if (!call.ok) return refusalResponse(call.error)
    return answeredOr(request, await pause.resume(request, { ...call.value, tool: named.name }))
  }

  function withoutRules(request: GateRequest, named: NamedCall): Promise<Response> {
    const { server } = request.upstream
    log.error({ server }, 'a server was called whose policy in force cannot be read here')
    return unlessEarlier(request, named, (opening) => {
      const text = `The policy in force for "${server}" cannot be read by this gateway. ${opening} An operator must look.`
      return refusalResponse(refusal(503, INTERNAL_ERROR, text, request.message.id))
    })
  }

  /**
   * Only what is refused is looked up: an allowed call asks nobody, and one that people decide about is looked up when it asks.
   * The same call may have been let through before, and be running now; then its caller follows it.
   */
  async function unlessEarlier(
    request: GateRequest,
    named: NamedCall,
    refuse: (opening: string) => Response,
  ): Promise<Response> {
    const call = readDecidableCall(named, request.spoken)
    // Of what people cannot decide about, nothing was ever let through.
    if (!call.ok) return refuse(NOT_EXECUTED)
    try {
      const earlier = await pause.earlier(request, { ...call.value, tool: named.name })
      return earlier === null ? refuse(NOT_EXECUTED) : answeredOr(request, earlier)
    } catch (error) {
      if (error instanceof NewerForm) return unavailable(error, request.message.id, 'call')
      log.warn({ err: error }, 'whether a refused call runs from before could not be looked up')
      return refuse(NOTHING_HERE)
    }
  }
}

const answeredOr = (request: GateRequest, outcome: Response | Answer): Response =>
  outcome instanceof Response ? outcome : answered(request, outcome)

/** In the kind of body that the client can read. */
function answered({ message, accepts }: GateRequest, answer: Answer): Response {
  const rawMessage = answerMessage(message.id, answer)
  if (accepts.json) return jsonResponse(rawMessage)
  return new Response(messageEvent(rawMessage), { headers: { 'content-type': 'text/event-stream' } })
}
