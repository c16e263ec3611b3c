/**
 * A legacy upstream (MCP up to 2025-11-25) that modern clients (2026-07-28) can use too. Legacy requests pass as they are.
 * What does not cross: tasks of the upstream, batches, and a question after this process has ended.
 */
import { newOwnId } from '../../own-id.ts'
import { rawMember, withMember, withoutMembers } from '../../raw-json.ts'
import { eraOf, isRequestOf, MODERN_REVISION } from '../../revisions.ts'
import { createEventStream, type EventStream } from '../event-stream.ts'
import { endedEarly, messagesUntil } from '../messages.ts'
import { parseJson, peek } from '../peek.ts'
import { invalidRequest, jsonResponse, refusalResponse } from '../refusal.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { createInbox, type Inbox } from './inbox.ts'
import type { FaceOptions } from './legacy-face.ts'
import { createLegacySessions, type LegacySession } from './legacy-sessions.ts'
import { speaksAt } from './log-levels.ts'
import { createQuestions } from './questions.ts'
import { listenOn } from './subscriptions.ts'
import { hand, handUnasked, refuse } from './unsolicited.ts'
import {
  type Marks,
  META_SERVER_INFO,
  markedAs,
  marksOf,
  paramsOf,
  progressFor,
  senderOf,
  toLegacyRequest,
  toModernAnswer,
  unanswered,
} from './words.ts'

const METHOD_NOT_FOUND = -32_601
const INVALID_PARAMS = -32_602
const INTERNAL_ERROR = -32_603

/** One request that runs at the upstream; it outlives the modern requests that ask about it. */
interface Running {
  readonly session: LegacySession
  readonly method: string
  readonly isAskable: boolean
  readonly inbox: Inbox
  readonly cancel: () => void
}

/** The modern request that is answered now. */
interface Asking {
  readonly request: WireRequest
  readonly message: string
  readonly marks: Marks
  readonly stream: EventStream
}

/** @param hearsAlways whether the upstream has a stream of its own for what it says and asks by itself */
export function withModernFace(
  upstream: Upstream,
  { limits, sessionIdleMs, clock, log }: FaceOptions,
  hearsAlways: boolean,
): Upstream {
  const { server } = upstream
  const bytesMax = limits.lineBytesMax
  const closing = new AbortController()
  const sessions = createLegacySessions(upstream, {
    bytesMax,
    sessionIdleMs,
    hearsAlways,
    closing: closing.signal,
    clock,
    log,
  })
  const questions = createQuestions<Running & { readonly rawQuestionId: string }>()

  async function exchange(request: WireRequest): Promise<WireResponse> {
    if (eraOf(request.headers['mcp-protocol-version']) !== 'modern') return upstream.exchange(request)
    const message = request.body ?? ''
    const peeked = peek(message)
    if (peeked.kind === 'notification') return { status: 202, headers: {}, body: null }
    if (request.method !== 'POST' || peeked.kind !== 'request') {
      return refusalResponse(invalidRequest('one request is expected', null))
    }
    const { method } = peeked
    const marks = marksOf(message)
    if (!isRequestOf(MODERN_REVISION, method) || method.startsWith('tasks/')) {
      return failure(404, marks.rawId, METHOD_NOT_FOUND, `Method not found: ${server} has no ${method}`)
    }
    const sender = senderOf(message)
    if (method === 'server/discover') {
      const { initialized } = await sessions.of(request.principal, sender)
      return jsonResponse(200, discovered(initialized, marks.rawId))
    }
    if (method === 'subscriptions/listen') {
      return listenOn(await sessions.of(request.principal, sender), message, request.signal, bytesMax)
    }
    return answer(request, message, method, marks)
  }

  async function answer(request: WireRequest, message: string, method: string, marks: Marks) {
    const state = parseJson(rawMember(paramsOf(message), 'requestState') ?? 'null')
    if (typeof state === 'string') {
      // The call in which the server asked it was not this one, and has its own decision.
      if (request.freshConnection) {
        throw new UpstreamFault('it answers a question that was asked in another call', false)
      }
      const asked = questions.take(state, request.principal, repeatedOf(message, method))
      if (asked === null) {
        return failure(
          200,
          marks.rawId,
          INVALID_PARAMS,
          'Invalid or expired requestState. Send the request without it.',
        )
      }
      void asked.session.tell(answerTo(asked.rawQuestionId, message))
      return follow(asked, { request, message, marks })
    }
    return follow(await start(request, message, method, marks), { request, message, marks })
  }

  /** Sends the request to the upstream in its own words. @throws UpstreamFault */
  async function start(
    request: WireRequest,
    message: string,
    method: string,
    marks: Marks,
  ): Promise<Running> {
    const { freshConnection, headers, principal } = request
    const id = newOwnId()
    const own: Marks = {
      rawId: JSON.stringify(id),
      rawToken: marks.rawToken === null ? null : JSON.stringify(id),
    }
    const legacy = markedAs(toLegacyRequest(message), own)
    const leaving = new AbortController()
    const key = headers['idempotency-key']
    const options = {
      signal: leaving.signal,
      freshConnection,
      mayStart: request.mayStart,
      headers: key === undefined ? {} : { 'idempotency-key': key },
    }
    // Nobody is at the other end of a call that was approved: it was decided as it stood.
    const isAskable = !freshConnection && carriesQuestions.has(method)

    function runningOn(session: LegacySession): Running {
      const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${own.rawId}}}`
      return {
        ...{ session, method, isAskable, inbox: createInbox() },
        cancel() {
          void session.tell(cancelled)
          leaving.abort()
        },
      }
    }

    async function sendOn(session: LegacySession): Promise<Running | 'gone'> {
      const running = runningOn(session)
      const { inbox } = running
      const leave = () => running.cancel()
      // Before the server answers at all, leaving cancels as well; an approved call is not called back.
      if (!freshConnection) request.signal.addEventListener('abort', leave, { once: true })
      session.running.add(running)
      if (isAskable) handUnasked(session, running, clock.monotonicMs())
      const over = () => session.running.delete(running)
      const posted = session
        .post(legacy, options)
        .finally(() => request.signal.removeEventListener('abort', leave))
      // A server that asks something first may answer only when it has heard.
      const response = await Promise.race([posted, inbox.arrival()]).catch((error: unknown) => {
        over()
        throw error
      })
      if (response?.status === 404) {
        over()
        await response.body?.cancel()
        return 'gone'
      }
      void posted
        .then((answer) => read(answer, id, inbox))
        .catch((error: unknown) => inbox.fail(error instanceof Error ? error : new Error(String(error))))
        .finally(over)
      return running
    }

    const session = await sessions.of(principal, senderOf(message))
    const running = await sendOn(session)
    if (running !== 'gone') return running
    // The session is not known any more, so that the request was not taken either. About an approved call that is no proof:
    // the answer can come from what stands in front of the server.
    sessions.forget(session)
    if (freshConnection) throw new UpstreamFault(`${server} answered HTTP 404`, true)
    const again = await sendOn(await sessions.of(principal, senderOf(message)))
    if (again === 'gone') throw new UpstreamFault(`${server} knows no session that it has just opened`, true)
    return again
  }

  async function read(response: WireResponse, id: string, inbox: Inbox): Promise<void> {
    let isAnswered = false
    for await (const { message, isAnswer } of messagesUntil(response, id, bytesMax)) {
      inbox.put(message)
      isAnswered ||= isAnswer
    }
    if (isAnswered) inbox.end()
    else inbox.fail(new Error(endedEarly(response)))
  }

  /** Passes on what a running request says, until it is answered, asks something, or its requester leaves. */
  function follow(running: Running, asking: Omit<Asking, 'stream'>): WireResponse {
    const { request } = asking
    const stream = createEventStream({
      signal: request.signal,
      unreadBytesMax: 2 * bytesMax,
      // "closing the SSE stream MUST be treated as cancellation" (MCP 2026-07-28). An approved call is not called back.
      onLeave: () => (request.freshConnection ? undefined : running.cancel()),
    })
    void pass(running, { ...asking, stream }).catch((error: unknown) => {
      if (request.freshConnection) stream.fail(new UpstreamFault(String(error), true))
      else stream.send(errorText(asking.marks.rawId, INTERNAL_ERROR, unanswered(server, error)))
      stream.end()
    })
    return stream.response
  }

  async function pass(running: Running, asking: Asking): Promise<void> {
    const { marks, stream, message } = asking
    const { logLevel } = senderOf(message)
    for (;;) {
      const said = await running.inbox.take()
      if (said === null) throw new Error('its answer ended too early')
      const peeked = peek(said)
      if (peeked.kind === 'response') {
        stream.send(toModernAnswer(said, running.method, marks.rawId))
        return stream.end()
      }
      if (peeked.kind === 'request') {
        if (ask(running, asking, said)) return
      } else if (peeked.kind === 'notification') {
        if (peeked.method === 'notifications/progress') {
          if (marks.rawToken !== null) stream.send(progressFor(said, marks.rawToken))
        } else if (peeked.method === 'notifications/message') {
          if (speaksAt(said, logLevel)) stream.send(said)
        } else hand(running.session, said, clock.monotonicMs())
      }
    }
  }

  /** @returns whether the request is answered for now, by a question */
  function ask(running: Running, { request, message, stream, marks }: Asking, said: string): boolean {
    const rawQuestionId = rawMember(said, 'id') ?? 'null'
    const giveUp = () => {
      void running.session.tell(errorText(rawQuestionId, INTERNAL_ERROR, 'The client did not answer.'))
      running.cancel()
    }
    const state = running.isAskable
      ? questions.ask({
          call: { ...running, rawQuestionId },
          principal: request.principal,
          repeated: repeatedOf(message, running.method),
          giveUp,
        })
      : null
    if (state === null) {
      refuse(running.session, said)
      return false
    }
    const question = `{"method":${rawMember(said, 'method')},"params":${rawMember(said, 'params') ?? '{}'}}`
    stream.send(
      `{"jsonrpc":"2.0","id":${marks.rawId},"result":{"resultType":"input_required",` +
        `"inputRequests":{"${QUESTION}":${question}},"requestState":${JSON.stringify(state)}}}`,
    )
    stream.end()
    return true
  }

  return {
    server,
    exchange,
    async close() {
      questions.close()
      closing.abort()
      await upstream.close()
    },
  }
}

/** Requests that can be answered by a question (MCP 2026-07-28, Multi Round-Trip Requests). */
const carriesQuestions: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** A legacy server asks one thing after the other. */
const QUESTION = 'question'

/** The client's answer as the server's request is answered. Without one the question was declined. */
function answerTo(rawQuestionId: string, message: string): string {
  const answers = rawMember(paramsOf(message), 'inputResponses') ?? '{}'
  const answer = answers.startsWith('{') ? rawMember(answers, QUESTION) : null
  return answer === null
    ? errorText(rawQuestionId, INVALID_PARAMS, 'The client came back without an answer.')
    : `{"jsonrpc":"2.0","id":${rawQuestionId},"result":${answer}}`
}

/** What makes two requests the same one but for an answer: everything except what carries it. */
function repeatedOf(message: string, method: string): string {
  const carried = new Set(['_meta', 'inputResponses', 'requestState'])
  return `${method} ${withoutMembers(paramsOf(message), (name) => carried.has(name))}`
}

function discovered(initialized: string, rawId: string): string {
  const capabilities = withoutMembers(
    rawMember(initialized, 'capabilities') ?? '{}',
    (name) => name === 'tasks',
  )
  const info = rawMember(initialized, 'serverInfo')
  const instructions = rawMember(initialized, 'instructions')
  let result = `{"resultType":"complete","supportedVersions":["${MODERN_REVISION}"],"capabilities":${capabilities}}`
  if (instructions !== null) result = withMember(result, 'instructions', instructions)
  result = withMember(withMember(result, 'ttlMs', '0'), 'cacheScope', '"private"')
  if (info !== null) result = withMember(result, '_meta', `{"${META_SERVER_INFO}":${info}}`)
  return `{"jsonrpc":"2.0","id":${rawId},"result":${result}}`
}

const errorText = (rawId: string, code: number, message: string): string =>
  `{"jsonrpc":"2.0","id":${rawId},"error":${JSON.stringify({ code, message })}}`

const failure = (status: number, rawId: string, code: number, message: string): WireResponse =>
  jsonResponse(status, errorText(rawId, code, message))
