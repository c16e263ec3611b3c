/** Asks people about a call, and lets its client wait in the way it declares. Whatever fails on the way leaves the gate shut and says so at once. */
import type { Approval } from '../../domain/approval.ts'
import type { ApproverChain, Verdict } from '../../domain/policy.ts'
import type { Result } from '../../domain/result.ts'
import type { Timings } from '../../domain/timings.ts'
import { attachKey, canonicalParams, type ToolCall } from '../../domain/tool-call.ts'
import type { Log } from '../../ports/log.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import type { Answered, Ask, AskRefusal } from '../../services/ask.ts'
import type { FindEarlier } from '../../services/earlier-call.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import { eventIdsFor, type StreamSeal } from './event-ids.ts'
import type { GateRequest } from './gate.ts'
import type { HeldCall, HoldCall } from './held-call.ts'
import type { HoldAnswers } from './hold.ts'
import { askRefusedAnswer } from './refusals.ts'
import { settledAnswer, waitingAnswer } from './replies.ts'
import { type RequestState, type RequestStates, ROUNDS_MAX } from './request-state.ts'
import { type Answer, INVALID_PARAMS, refusal, refusalResponse } from './rpc.ts'
import type { CreateTask } from './tasks.ts'
import type { DecidableCall } from './tool-call-params.ts'
import { type About, unavailable } from './unavailable.ts'
import type { WaitTool } from './wait-tool.ts'
import type { WaitingTerms } from './waiting-terms.ts'

interface NamedDecidable extends DecidableCall {
  readonly tool: string
}

export interface Pausing extends NamedDecidable {
  readonly verdict: Extract<Verdict, { kind: 'require_approval' }>
  readonly approvers: ApproverChain
  /** The number of the policy revision that asks. */
  readonly revision: number
}

export interface Pause {
  /** @returns the open response, or what to answer at once */
  (request: GateRequest, pausing: Pausing): Promise<Response | Answer>
  /** A call that comes back with a state of ours waits on, whatever the policy says by now: it is asked again before it runs. */
  resume(request: GateRequest, call: NamedDecidable): Promise<Response | Answer>
  /**
   * Follows the same call from before, where there is one that a refusal would contradict. `null`: there is none.
   * @throws where the ledger does not answer
   */
  earlier(request: GateRequest, call: NamedDecidable): Promise<Response | Answer | null>
}

/** What becomes of a call whose place is taken already. */
type Asking = (session: UpstreamSession) => Promise<Result<Answered, AskRefusal>>

export function createPause(deps: {
  ask: Ask
  findEarlier: FindEarlier
  ownCalls: OwnCalls
  holdCall: HoldCall
  createTask: CreateTask
  requestStates: RequestStates
  streams: StreamSeal
  terms: WaitingTerms
  waitTool: Pick<WaitTool, 'nameFor'>
  clock: { wallMs(): number }
  timings: Pick<Timings, 'coolDownMs' | 'startByMs' | 'keepOutcomeMs'>
  log: Log
}): Pause {
  const {
    ask,
    findEarlier,
    ownCalls,
    holdCall,
    createTask,
    requestStates,
    streams,
    terms,
    waitTool,
    clock,
    timings,
    log,
  } = deps

  const pause = (request: GateRequest, pausing: Pausing): Promise<Response | Answer> =>
    waitFor(request, pausing, (session) => askFor(request, pausing, session))

  async function earlier(request: GateRequest, call: NamedDecidable): Promise<Response | Answer | null> {
    const found = await findEarlier(callOf(request, call))
    return found === null ? null : waitFor(request, call, async () => found)
  }

  async function waitFor(
    request: GateRequest,
    call: NamedDecidable,
    asking: Asking,
  ): Promise<Response | Answer> {
    if (call.asTask) return guarded(request, call, 'call', () => asTask(request, call, asking))
    const held = hold(request, call, callOf(request, call), null)
    if (!held.ok) return held.error
    return guarded(request, call, 'call', async () => {
      try {
        const asked = await asking(held.value.session)
        if (asked.ok) {
          const isRepeat = asked.value.kind === 'waiting' && !asked.value.isNew
          return held.value.wait(asked.value.approval, isRepeat)
        }
        held.value.release()
        return refusedAnswer(request, call, asked.error)
      } catch (error) {
        held.value.release()
        throw error
      }
    })
  }

  async function asTask(
    request: GateRequest,
    call: NamedDecidable,
    asking: Asking,
  ): Promise<Response | Answer> {
    return createTask(request, call, async (session) => {
      const asked = await asking(session)
      if (asked.ok) return { ok: true, value: asked.value.approval }
      const { error } = asked
      // Of a call that people have refused there is a task, too: it has ended.
      if (error.reason === 'cool_down' || error.reason === 'unresolved')
        return { ok: true, value: error.approval }
      return { ok: false, error: refusedAnswer(request, call, error) }
    })
  }

  async function resume(request: GateRequest, call: NamedDecidable): Promise<Response | Answer> {
    const owner = { principal: request.principal, server: request.upstream.server }
    const wanted = callOf(request, call)
    const state = requestStates.open(owner, attachKey(wanted), call.requestState ?? '')
    if (state === null) return refused(request, 'it was not given to you for this very call')
    return guarded(request, call, 'known', async () => {
      const found = await ownCalls.find(state.approval, owner)
      if (found === null || found.nowMs >= state.expiresAtMs) return refused(request, 'its time is over')
      if (await ownCalls.isCollected(found)) return refused(request, 'its outcome was collected')
      const held = hold(request, call, wanted, state)
      return held.ok ? held.value.wait(found.approval, true) : held.error
    })
  }

  /** @param state what the client has come back with, `null`: it has not */
  function hold(
    request: GateRequest,
    call: DecidableCall,
    wanted: ToolCall,
    state: RequestState | null,
  ): Result<HeldCall, Response> {
    const { principal, upstream, session, spoken, accepts, delivery, message } = request
    const { progressToken, envelope } = call
    const round = state?.round ?? 0
    const about: About = state === null ? 'call' : 'known'
    const owner = { principal, server: upstream.server }
    const holdMs = terms.holdMs(request, progressToken !== null)
    const stream = {
      ...{ id: message.id, progressToken, reported: 0, taskId: null },
      untilMs: clock.wallMs() + holdMs,
    }
    const eventIds = eventIdsFor(streams, {
      owner,
      session: session?.id ?? null,
      spoken,
      accepts,
      delivery,
      stream,
    })
    const answers: HoldAnswers = {
      settled: (approval, replyText) => settledAnswer(approval, replyText, spoken.era, timings.coolDownMs),
      waiting(approval, { isRepeat, isStopping }) {
        // Its stream is resumed at another gateway, or at this one when it is back.
        if (isStopping && eventIds?.isPrimed) return null
        if (spoken.era === 'modern' && round < ROUNDS_MAX) return comeBack(approval, round + 1)
        return waitingAnswer(approval, isRepeat && round === 0, spoken.era, waitTool.nameFor(request))
      },
    }
    const comeBack = (approval: Approval, next: number): Answer => {
      const key = attachKey(wanted)
      const state = { approval: approval.id, round: next, expiresAtMs: collectableUntilMs(approval) }
      return sentBack(requestStates.seal(owner, key, state))
    }
    return holdCall(request, { id: message.id, about, holdMs, answers, envelope, progressToken, eventIds })
  }

  function collectableUntilMs({ expiresAtMs }: Approval): RequestState['expiresAtMs'] {
    return expiresAtMs + timings.startByMs + timings.keepOutcomeMs
  }

  function askFor(
    request: GateRequest,
    pausing: Pausing,
    session: UpstreamSession,
  ): Promise<Result<Answered, AskRefusal>> {
    const { verdict, approvers, revision } = pausing
    const { client } = request
    return ask({ call: callOf(request, pausing), verdict, approvers, revision, client, session })
  }

  function refusedAnswer(
    { upstream, principal, spoken }: GateRequest,
    { tool }: NamedDecidable,
    error: AskRefusal,
  ) {
    const { server } = upstream
    log.info({ server, tool, principal: principal.name, reason: error.reason }, 'nobody was asked')
    return askRefusedAnswer(error, { server, tool, era: spoken.era, coolDownMs: timings.coolDownMs })
  }

  /** Without the ledger nothing is asked, and what was not asked is not sent. */
  async function guarded(
    { message, upstream }: GateRequest,
    { tool }: { readonly tool: string },
    about: About,
    act: () => Promise<Response | Answer>,
  ): Promise<Response | Answer> {
    try {
      return await act()
    } catch (error) {
      log.error({ err: error, server: upstream.server, tool }, 'an approval could not be asked for')
      return unavailable(error, message.id, about)
    }
  }

  return Object.assign(pause, { resume, earlier })
}

function callOf({ upstream, principal, spoken, session }: GateRequest, call: NamedDecidable): ToolCall {
  const { tool, arguments: args, meta, answers, idempotencyKey } = call
  return {
    server: upstream.server,
    tool,
    principal,
    era: spoken.era,
    canonicalParams: canonicalParams(tool, args, meta, answers),
    idempotencyKey,
    session: session?.id,
    asTask: call.asTask && spoken.era === 'legacy' ? true : undefined,
  }
}

/** A result that asks nothing: the client repeats its call with this state (MCP 2026-07-28, Multi Round-Trip Requests). */
const sentBack = (requestState: string): Answer => ({
  kind: 'result',
  text: JSON.stringify({ resultType: 'input_required', requestState }),
})

function refused({ message }: GateRequest, why: string): Response {
  const text =
    `Invalid params: this requestState is not accepted: ${why}. ` +
    'Nothing is said about what became of the call. Call the tool without requestState: if the call still waits, that attaches ' +
    'to it, and an outcome that nobody has collected is handed over.'
  return refusalResponse(refusal(200, INVALID_PARAMS, text, message.id))
}
