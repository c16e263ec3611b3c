/**
 * `holdpoint_wait`: a tool of ours for clients that are told to come back. It waits on with the ticket alone, so that an
 * agent need not repeat a call word for word. Its name gives way to a tool of the upstream.
 */
import { parseApprovalId } from '../../domain/approval-id.ts'
import type { JsonObject } from '../../domain/canonical.ts'
import type { Log } from '../../ports/log.ts'
import type { OwnCalls } from '../../services/own-calls.ts'
import { readEnvelope } from './envelope.ts'
import type { GateRequest } from './gate.ts'
import type { HoldCall } from './held-call.ts'
import { isObject, objectMember, stringMember } from './json.ts'
import { unknownTicket } from './refusals.ts'
import { settledAnswer, waitingAnswer } from './replies.ts'
import type { Requester, UpstreamSessionOf } from './requester.ts'
import { type Answer, errorAnswer, INVALID_PARAMS } from './rpc.ts'
import { unavailable } from './unavailable.ts'
import type { WaitingTerms } from './waiting-terms.ts'

/** In the order of preference; an upstream that has them all gets no help from us. */
export const waitToolNames = ['holdpoint_wait', 'holdpoint_wait_2', 'holdpoint_wait_3'] as const
type WaitToolName = (typeof waitToolNames)[number]

/** What is remembered of a server's tools: long enough for a conversation, short enough for a new version of it. */
const REMEMBERED_MS = 60_000
/** Servers times agents; when it is full, it is asked again. */
const REMEMBERED_MAX = 10_000

export interface WaitTool {
  /** The name that this client was last shown, `null` when it was not. */
  nameFor(requester: Requester): WaitToolName | null
  /** The name that no tool of the upstream has. Asks the upstream, unless it is remembered. @param meta of the request */
  resolve(requester: Requester, meta: JsonObject): Promise<WaitToolName | null>
  /** The same from a whole list of its tools. */
  learn(requester: Requester, tools: readonly string[]): WaitToolName | null
  call(request: GateRequest, params: JsonObject): Promise<Response | Answer>
}

export const isWaitToolName = (name: string): boolean => waitToolNames.some((own) => own === name)

export function createWaitTool(deps: {
  ownCalls: OwnCalls
  holdCall: HoldCall
  upstreamSessionOf: UpstreamSessionOf
  terms: WaitingTerms
  clock: { monotonicMs(): number }
  timings: { readonly coolDownMs: number }
  log: Log
}): WaitTool {
  const { ownCalls, holdCall, upstreamSessionOf, terms, clock, timings, log } = deps
  const names = new Map<string, { name: WaitToolName | null; untilMs: number }>()

  const keyOf = ({ principal, upstream }: Requester) =>
    JSON.stringify([principal.name, principal.owner, upstream.server])

  function remember(requester: Requester, name: WaitToolName | null): WaitToolName | null {
    if (names.size >= REMEMBERED_MAX) names.clear()
    names.set(keyOf(requester), { name, untilMs: clock.monotonicMs() + REMEMBERED_MS })
    return name
  }

  const tool: WaitTool = {
    nameFor: (requester) => (terms.comesBack(requester) ? (names.get(keyOf(requester))?.name ?? null) : null),

    learn: (requester, tools) =>
      remember(requester, waitToolNames.find((name) => !tools.includes(name)) ?? null),

    async resolve(requester, meta) {
      const known = names.get(keyOf(requester))
      if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.name
      const envelope = readEnvelope(meta, requester.spoken)
      const session = upstreamSessionOf(requester, {
        envelope: envelope.ok ? envelope.value : '{}',
        progressToken: null,
        onMessage: () => {},
      })
      for (const name of waitToolNames) {
        const described = await session.describe(name)
        if (described.kind === 'unlisted') return remember(requester, name)
        // Nothing is known of its tools, and nothing of them can be called either.
        if (described.kind === 'unavailable') return waitToolNames[0]
      }
      return remember(requester, null)
    },

    async call(request, params) {
      const { principal, upstream, spoken, message, client } = request
      const { era } = spoken
      const args = params.arguments ?? {}
      const written = isObject(args) ? stringMember(args, 'ticket') : null
      if (written === null)
        return errorAnswer(INVALID_PARAMS, 'Invalid params: \'ticket\' must be a string like "HP-…".')
      const envelope = readEnvelope(objectMember(params, '_meta'), spoken)
      if (!envelope.ok) return errorAnswer(INVALID_PARAMS, `Invalid params: ${envelope.error}.`)
      const id = parseApprovalId(written)
      const owner = { principal, server: upstream.server }
      try {
        const found = id.ok ? await ownCalls.find(id.value, owner) : null
        if (found === null) return unknownTicket(era)
        const token = objectMember(params, '_meta').progressToken ?? null
        const progressToken = typeof token === 'string' || typeof token === 'number' ? token : null
        const held = holdCall(request, {
          id: message.id,
          about: 'known',
          holdMs: terms.holdMs({ client, principal, spoken }, progressToken !== null),
          answers: {
            settled: (approval, replyText) => settledAnswer(approval, replyText, era, timings.coolDownMs),
            waiting: (approval) => waitingAnswer(approval, true, era, tool.nameFor(request)),
          },
          envelope: envelope.value,
          progressToken,
          eventIds: null,
        })
        return held.ok ? held.value.wait(found.approval, true) : held.error
      } catch (error) {
        log.error({ err: error }, 'a ticket could not be looked up')
        return unavailable(error, message.id, 'known')
      }
    },
  }
  return tool
}

/** As `tools/list` shows it. */
export const waitToolDefinition = (name: WaitToolName) => ({
  name,
  title: 'Wait for an approval',
  description:
    'Waits for a call that a person has to approve first, and returns the result of that call. ' +
    'Give the ticket from an answer that said "NOT EXECUTED. Waiting for human approval". ' +
    'It runs nothing that was not approved, and nothing twice.',
  inputSchema: {
    type: 'object',
    properties: {
      ticket: {
        type: 'string',
        description: 'The ticket, such as HP-7K3M2Q9XWA',
        pattern: '^HP-[0-9A-Z]{10}$',
      },
    },
    required: ['ticket'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, idempotentHint: true, destructiveHint: false, openWorldHint: false },
})
