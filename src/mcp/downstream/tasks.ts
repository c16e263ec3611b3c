/**
 * Paused calls as tasks, for clients that declare them: created once the ledger has them, polled at any gateway, cancelled
 * by their agent, known to nobody else. Tasks of the upstream itself are not ours and pass.
 */
import type { Approval, Settled } from '../../domain/approval.ts'
import type { ApprovalId } from '../../domain/approval-id.ts'
import { sha256 } from '../../domain/canonical.ts'
import type { Result } from '../../domain/result.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { NewerForm } from '../../ports/ledger-faults.ts'
import type { Log } from '../../ports/log.ts'
import type { UpstreamSession } from '../../ports/upstream-session.ts'
import type { OwnCall, OwnCalls } from '../../services/own-calls.ts'
import type { Pollers } from '../../services/pollers.ts'
import { rawMember } from '../raw-json.ts'
import { createAnswerStream } from './answer-stream.ts'
import { declaresTasks, readEnvelope, TASKS_EXTENSION, withTasks } from './envelope.ts'
import { type Fronted, type FrontedTasks, frontedBy } from './fronted-task.ts'
import { objectMember, stringMember } from './json.ts'
import type { RequestMessage } from './message.ts'
import { isQuestion, questionAnswer, settledAnswer } from './replies.ts'
import type { Requester, UpstreamSessionOf } from './requester.ts'
import {
  type Answer,
  answerMessage,
  errorAnswer,
  HEADER_MISMATCH,
  type Id,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  jsonResponse,
  MISSING_CLIENT_CAPABILITY,
  type Refusal,
  refusal,
  refusalResponse,
} from './rpc.ts'
import { decodedHeader } from './spoken.ts'
import { isOwnTaskId, type TaskIds } from './task-id.ts'
import type { TaskResult } from './task-result.ts'
import { acknowledged, detailedTask, META_IMMEDIATE_RESPONSE, taskFields } from './task-view.ts'
import { unavailable } from './unavailable.ts'

/** A client that takes nothing of an answer for this long is gone. */
const STALLED_MS = 60_000

export type CreateTask = (
  requester: Requester & { readonly message: RequestMessage },
  call: { readonly envelope: string },
  /** Asks people. The error is what the call is answered instead, where nobody is asked. */
  ask: (session: UpstreamSession) => Promise<Result<Approval, Answer>>,
) => Promise<Answer>

export interface News {
  /** The same as long as there is nothing new to tell. */
  readonly state: string
  /** A raw notification. */
  readonly raw: string
  /** How it goes on is seen only by asking again after this time; `null`: a wake-up tells. */
  readonly lookAgainMs: number | null
}

export interface Tasks {
  readonly create: CreateTask
  /** Answers a request about a task of ours. @param text the whole message, raw */
  answer(requester: Requester, message: RequestMessage, text: string): Promise<Response>
  /** How a task is now, as `tasks/get` would say it. @param envelope raw `_meta` of the request that listens */
  news(requester: Requester, envelope: string, id: ApprovalId, call: OwnCall): Promise<News>
}

/** Whether a request is about a task of ours; if nobody has it, we say so. */
export function isAboutOwnTask({ method, params }: RequestMessage): boolean {
  const taskId = stringMember(params, 'taskId')
  return ownMethods.has(method) && taskId !== null && isOwnTaskId(taskId)
}

const ownMethods: ReadonlySet<string> = new Set(['tasks/get', 'tasks/result', 'tasks/update', 'tasks/cancel'])

export function createTasks(deps: {
  ownCalls: OwnCalls
  pollers: Pollers
  taskIds: TaskIds
  taskResult: TaskResult
  fronted: FrontedTasks
  upstreamSessionOf: UpstreamSessionOf
  markDelivered: Ledger['markDelivered']
  clock: { wallMs(): number }
  timings: Pick<Timings, 'keepOutcomeMs' | 'startByMs' | 'pollMs' | 'coolDownMs'>
  log: Log
}): Tasks {
  const { ownCalls, pollers, taskIds, taskResult, fronted, upstreamSessionOf } = deps
  const { markDelivered, clock, timings, log } = deps

  /** What an upstream says while a task runs has no stream to go to. */
  const sessionOf = (requester: Requester, envelope: string) =>
    upstreamSessionOf(requester, {
      envelope: carried(requester, envelope),
      progressToken: null,
      onMessage: () => {},
    })

  /** Who waits by a task of ours can also follow one of the upstream's, which ours then stands for. */
  const carried = ({ spoken }: Requester, envelope: string) =>
    spoken.era === 'modern' ? withTasks(envelope) : envelope

  const ownerOf = ({ principal, upstream }: Requester) => ({ principal, server: upstream.server })

  return {
    async create(requester, { envelope }, ask) {
      const { era } = requester.spoken
      const session = sessionOf(requester, envelope)
      const asked = await ask(session)
      if (!asked.ok) return era === 'modern' ? asked.error : asError(asked.error)
      const approval = asked.value
      if (approval.status !== 'settled') pollers.polled(approval.id, session)
      const taskId = taskIds.idOf(approval.id, ownerOf(requester))
      const fields = taskFields(taskId, approval, clock.wallMs(), era, timings)
      if (era === 'modern') return { kind: 'result', text: JSON.stringify({ resultType: 'task', ...fields }) }
      const { statusMessage = null } = fields
      const meta = { [META_IMMEDIATE_RESPONSE]: statusMessage }
      return { kind: 'result', text: JSON.stringify({ task: fields, _meta: meta }) }
    },

    async answer(requester, message, text) {
      const refused = refusalOf(requester, message)
      if (refused !== null) return refusalResponse(refused)
      try {
        return await answerKnown(requester, message, text)
      } catch (error) {
        log.error({ err: error }, 'a task could not be looked up')
        if (error instanceof NewerForm) return unavailable(error, message.id, 'known')
        const text = 'The state of this task cannot be read right now. Nothing is lost; ask again.'
        return refusalResponse(refusal(200, INTERNAL_ERROR, text, message.id))
      }
    },

    async news(requester, envelope, id, call) {
      const { approval, nowMs, replyText } = call
      const { era } = requester.spoken
      const fields = taskFields(taskIds.idOf(id, ownerOf(requester)), approval, nowMs, era, timings)
      const state = `${approval.id} ${approval.version}`
      if (era === 'legacy') {
        const raw = notification('notifications/tasks/status', JSON.stringify(fields))
        return { state, raw, lookAgainMs: null }
      }
      const behind = frontedBy(call, era)
      if (behind === null) {
        const answer = approval.status === 'settled' ? answerInside(approval, replyText) : null
        const raw = notification('notifications/tasks', detailedTask(fields, answer))
        return { state, raw, lookAgainMs: null }
      }
      const now = await fronted.get({ requester, envelope: carried(requester, envelope) }, behind, fields)
      return {
        state: `${state} ${sha256(now.text)}`,
        raw: notification('notifications/tasks', now.text),
        lookAgainMs: now.isOver ? null : (now.pollMs ?? timings.pollMs),
      }
    },
  }

  function answerInside(approval: Settled, replyText: string | null): Answer {
    if (isQuestion(approval, replyText)) return questionAnswer(approval, 'modern')
    return settledAnswer(approval, replyText, 'modern', timings.coolDownMs)
  }

  /** Of requests that are not right, whatever the task. */
  function refusalOf({ spoken, headers }: Requester, { id, params }: RequestMessage): Refusal | null {
    if (spoken.era === 'legacy') return null
    if (decodedHeader(headers.get('mcp-name')) !== stringMember(params, 'taskId')) {
      return refusal(400, HEADER_MISMATCH, "Header mismatch: 'Mcp-Name' must be the taskId.", id)
    }
    return declaresTasks(objectMember(params, '_meta'), spoken) ? null : missingTasks(id)
  }

  async function answerKnown(requester: Requester, message: RequestMessage, text: string): Promise<Response> {
    const { id, method, params } = message
    const taskId = stringMember(params, 'taskId') ?? ''
    const approvalId = taskIds.open(taskId, ownerOf(requester))
    const call = approvalId === null ? null : await ownCalls.find(approvalId, ownerOf(requester))
    if (call === null) return respond(requester, message, errorAnswer(INVALID_PARAMS, TASK_NOT_FOUND))
    const behind = frontedBy(call, requester.spoken.era)
    if (behind !== null) return answerFronted(requester, message, text, behind, taskId, call)
    switch (method) {
      case 'tasks/get':
        return get(requester, message, call, taskId)
      case 'tasks/result':
        return taskResult(requester, id, call.approval, taskId)
      case 'tasks/cancel':
        return respond(requester, message, await cancel(requester, call, taskId))
      default:
        // We ask nothing, so every answer is one that nobody waits for: to be ignored, says the extension.
        return respond(requester, message, acknowledged)
    }
  }

  async function get(
    requester: Requester,
    message: RequestMessage,
    call: OwnCall,
    taskId: string,
  ): Promise<Response> {
    const { approval, nowMs, replyText } = call
    const { spoken } = requester
    if (approval.status !== 'settled') {
      const envelope = readEnvelope(objectMember(message.params, '_meta'), spoken)
      if (!envelope.ok) return respond(requester, message, errorAnswer(INVALID_PARAMS, envelope.error))
      pollers.polled(approval.id, sessionOf(requester, envelope.value))
    }
    const fields = taskFields(taskId, approval, nowMs, spoken.era, timings)
    if (spoken.era === 'legacy' || approval.status !== 'settled')
      return respond(requester, message, {
        kind: 'result',
        text: spoken.era === 'legacy' ? JSON.stringify(fields) : detailedTask(fields, null),
      })
    const answer = answerInside(approval, replyText)
    return respond(requester, message, { kind: 'result', text: detailedTask(fields, answer) }, approval)
  }

  async function cancel(requester: Requester, { approval }: OwnCall, taskId: string): Promise<Answer> {
    const { era } = requester.spoken
    const cancelled =
      approval.status === 'settled' ? null : await ownCalls.cancel(approval.id, ownerOf(requester))
    // "Cooperative": what is being sent, or has ended, goes its way, and the next poll says which.
    if (era === 'modern') return acknowledged
    if (cancelled?.ok) {
      const fields = taskFields(taskId, cancelled.value, clock.wallMs(), era, timings)
      return { kind: 'result', text: JSON.stringify(fields) }
    }
    const why =
      cancelled === null
        ? 'it has ended already'
        : 'it is being sent to the server and cannot be called back; wait for its result'
    return errorAnswer(INVALID_PARAMS, `Cannot cancel task: ${why}.`)
  }

  /** The upstream made a task of the call, for which ours stands. */
  async function answerFronted(
    requester: Requester,
    message: RequestMessage,
    text: string,
    behind: Fronted,
    taskId: string,
    { nowMs }: OwnCall,
  ): Promise<Response> {
    const { spoken } = requester
    const envelope = readEnvelope(objectMember(message.params, '_meta'), spoken)
    if (!envelope.ok) return respond(requester, message, errorAnswer(INVALID_PARAMS, envelope.error))
    const by = { requester, envelope: carried(requester, envelope.value) }
    switch (message.method) {
      case 'tasks/get': {
        const fields = taskFields(taskId, behind.approval, nowMs, spoken.era, timings)
        const now = await fronted.get(by, behind, fields)
        const answer: Answer = { kind: 'result', text: now.text }
        return respond(requester, message, answer, now.isOver ? behind.approval : null)
      }
      case 'tasks/cancel':
        return respond(requester, message, await fronted.cancel(by, behind))
      default: {
        const inputResponses = rawMember(rawMember(text, 'params') ?? '{}', 'inputResponses')
        if (inputResponses?.startsWith('{') !== true)
          return respond(requester, message, errorAnswer(INVALID_PARAMS, NO_ANSWERS))
        return respond(requester, message, await fronted.update(by, behind, inputResponses))
      }
    }
  }

  /** @param delivered the approval whose outcome is in the answer */
  function respond(
    { accepts }: Requester,
    { id }: RequestMessage,
    answer: Answer,
    delivered: Approval | null = null,
  ): Response {
    const rawMessage = answerMessage(id, answer)
    if (delivered === null && accepts.json) return jsonResponse(rawMessage)
    const stream = createAnswerStream({
      format: accepts.json ? 'json' : 'events',
      unreadBytesMax: 0,
      stalledMs: STALLED_MS,
      onLeave: () => {},
    })
    void stream
      .finish(rawMessage)
      .then(async (isTaken) => {
        if (isTaken && delivered !== null) await markDelivered(delivered.id)
      })
      .catch((error: unknown) => log.warn({ err: error }, 'a delivered outcome could not be marked'))
    return stream.response
  }
}

/** The client has not declared the extension (MCP 2026-07-28, Missing Required Capabilities). */
export function missingTasks(id: Id): Refusal {
  const requiredCapabilities = { extensions: { [TASKS_EXTENSION]: {} } }
  return refusal(400, MISSING_CLIENT_CAPABILITY, 'Missing required client capability', id, {
    requiredCapabilities,
  })
}

/** Whoever asked for a task cannot read the result of a call. */
function asError({ kind, text }: Answer): Answer {
  if (kind === 'error') return { kind, text }
  const result: unknown = JSON.parse(text)
  const said = typeof result === 'object' && result !== null && 'content' in result ? result.content : null
  const first: unknown = Array.isArray(said) ? said[0] : null
  const message =
    typeof first === 'object' && first !== null && 'text' in first ? String(first.text) : 'NOT EXECUTED.'
  return errorAnswer(INVALID_PARAMS, message)
}

const notification = (method: string, rawParams: string) =>
  `{"jsonrpc":"2.0","method":"${method}","params":${rawParams}}`

const NO_ANSWERS = "Invalid params: 'inputResponses' must be an object."
export const TASK_NOT_FOUND = 'Failed to retrieve task: Task not found'
