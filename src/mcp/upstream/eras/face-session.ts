/** One session of a legacy client in front of a modern upstream: its requests, what it is asked, and what it listens to. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Principal } from '../../../domain/principal.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember, withMember } from '../../raw-json.ts'
import { MODERN_REVISION } from '../../revisions.ts'
import { workSignal } from '../../work-signal.ts'
import { ofAnyMessage } from '../ask.ts'
import { headerText } from '../call-message.ts'
import { createEventStream, type EventStream } from '../event-stream.ts'
import { endedEarly, messagesOf, messagesUntil } from '../messages.ts'
import { type Id, idKey, parseJson, peek } from '../peek.ts'
import { anyTime, type Upstream, type WireRequest, type WireResponse } from '../wire.ts'
import { askModern } from './ask-modern.ts'
import { createMirroredArguments } from './mirrored-arguments.ts'
import { createWatchedResources } from './watched-resources.ts'
import {
  envelopeOf,
  fulfillable,
  paramsOf,
  questionAsItIs,
  type Sender,
  toLegacyAnswer,
  toModernRequest,
  withoutSubscription,
} from './words.ts'

/** As many rounds of questions as clients of the other era allow by themselves. */
const ROUNDS_MAX = 10
const ANSWER_MS_MAX = 10 * 60_000

export interface FaceSession {
  readonly principal: Principal
  /** The raw members of an answer to what needs no upstream, or `null`. */
  answerHere(method: string, rawParams: string): string | null
  isTaken(id: Id): boolean
  /** Sends a request in modern words, and its answers on the stream. */
  run(key: string, message: string, request: WireRequest, stream: EventStream): Promise<void>
  cancel(id: Id): void
  /** What the client answered to a question. */
  answered(message: string): void
  /** The one stream for what the server says by itself; `null` when it is open already. */
  listen(signal: AbortSignal): WireResponse | null
  touch(): void
  idleMs(): number | null
  end(): void
}

const inputRequired = z.object({
  resultType: z.literal('input_required'),
  inputRequests: z.record(z.string(), z.unknown()).optional(),
  requestState: z.string().optional(),
})
const levelSchema = z.object({ level: z.string() })
const uriSchema = z.object({ uri: z.string() })

export function createFaceSession({
  upstream,
  principal,
  sender,
  capabilities,
  bytesMax,
  clock,
  log,
}: {
  upstream: Upstream
  principal: Principal
  sender: Sender
  /** Of the server, raw JSON. */
  capabilities: string
  bytesMax: number
  clock: Clock
  log: Log
}): FaceSession {
  const running = new Map<string, AbortController>()
  const questions = new Map<string, (rawAnswer: string | null) => void>()
  const watched = createWatchedResources()
  const ending = new AbortController()
  let logLevel: string | null = null
  let standalone: EventStream | null = null
  let listening: AbortController | null = null
  let lastTrafficMs = clock.monotonicMs()

  const envelope = () => envelopeOf({ ...sender, logLevel })
  const mirrored = createMirroredArguments((params) =>
    askModern(upstream, { principal, signal: ending.signal }, 'tools/list', envelope(), bytesMax, params),
  )

  async function run(key: string, message: string, request: WireRequest, stream: EventStream): Promise<void> {
    const leaving = new AbortController()
    const work = workSignal([leaving.signal, ending.signal], null)
    running.set(key, leaving)
    try {
      await rounds(message, request, stream, work.signal)
    } finally {
      work.release()
      running.delete(key)
    }
  }

  async function rounds(message: string, request: WireRequest, stream: EventStream, signal: AbortSignal) {
    const rawId = rawMember(message, 'id') ?? 'null'
    let next = message
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const answer = await exchange(next, request, stream, signal)
      if (answer === null) return stream.end()
      const result = inputRequired.safeParse(parseJson(rawMember(answer, 'result') ?? 'null'))
      if (!result.success) {
        stream.send(toLegacyAnswer(answer, rawId))
        return stream.end()
      }
      // A decision is for one message. To answer and say it again would be another one, which nobody has approved.
      if (request.freshConnection) {
        stream.send(questionAsItIs(answer, rawId))
        return stream.end()
      }
      next = await withAnswers(message, rawMember(answer, 'result') ?? '{}', result.data, stream, signal)
    }
    throw new Error(`it asked something more than ${ROUNDS_MAX} times`)
  }

  /** @returns the answer; `null` when the request was cancelled */
  async function exchange(message: string, request: WireRequest, stream: EventStream, signal: AbortSignal) {
    const { freshConnection, mayStart } = request
    const method = String(parseJson(rawMember(message, 'method') ?? '""'))
    const id = newOwnId()
    const own = withMember(toModernRequest(message, envelope()), 'id', JSON.stringify(id))
    const response = await upstream.exchange({
      method: 'POST',
      headers: {
        ...ofAnyMessage,
        'mcp-protocol-version': MODERN_REVISION,
        'mcp-method': method,
        ...named(message),
        ...(method === 'tools/call' ? await mirrored.of(message, !freshConnection) : {}),
      },
      body: own,
      principal,
      signal,
      freshConnection,
      mayStart,
    })
    try {
      for await (const said of messagesUntil(response, id, bytesMax)) {
        if (said.isAnswer) {
          if (method === 'tools/list') mirrored.learn(said.message)
          return said.message
        }
        stream.send(said.message)
      }
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
    if (signal.aborted) return null
    throw new Error(endedEarly(response))
  }

  /** Asks the client what the server wants to know, and says it again with the answers. */
  async function withAnswers(
    message: string,
    rawResult: string,
    { inputRequests = {}, requestState }: z.infer<typeof inputRequired>,
    stream: EventStream,
    signal: AbortSignal,
  ): Promise<string> {
    const raw = rawMember(rawResult, 'inputRequests') ?? '{}'
    const answers = await Promise.all(
      Object.keys(inputRequests).map(async (key) => {
        const answer = await ask(rawMember(raw, key) ?? '{}', stream, signal)
        return answer === null ? [] : [`${JSON.stringify(key)}:${answer}`]
      }),
    )
    let params = withMember(paramsOf(message), 'inputResponses', `{${answers.flat().join(',')}}`)
    if (requestState !== undefined) params = withMember(params, 'requestState', JSON.stringify(requestState))
    return withMember(message, 'params', params)
  }

  /** @returns the client's raw result, or `null` when it refused */
  function ask(rawRequest: string, stream: EventStream, signal: AbortSignal): Promise<string | null> {
    const id = `ask-${randomUUID()}`
    const waiting = workSignal([signal], ANSWER_MS_MAX)
    return new Promise((done) => {
      const finish = (answer: string | null) => {
        waiting.release()
        questions.delete(idKey(id))
        done(answer)
      }
      questions.set(idKey(id), finish)
      if (waiting.signal.aborted) return finish(null)
      waiting.signal.addEventListener('abort', () => finish(null), { once: true })
      const params = rawMember(rawRequest, 'params') ?? '{}'
      stream.send(
        `{"jsonrpc":"2.0","id":"${id}","method":${rawMember(rawRequest, 'method')},"params":${params}}`,
      )
    })
  }

  /** Begins anew with what is wished for now. */
  function hear() {
    listening?.abort()
    if (standalone === null) return
    const current = new AbortController()
    listening = current
    const work = workSignal([current.signal, ending.signal], null)
    hearWith(work.signal)
      .catch((error: unknown) => {
        if (!current.signal.aborted)
          log.debug({ server: upstream.server, err: error }, 'an upstream is not heard')
      })
      .finally(work.release)
  }

  async function hearWith(signal: AbortSignal): Promise<void> {
    const wish = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: watched.all(),
    }
    const notifications = fulfillable(wish, capabilities)
    const params = `{"notifications":${JSON.stringify(notifications)},"_meta":${envelope()}}`
    const response = await upstream.exchange({
      method: 'POST',
      headers: {
        ...ofAnyMessage,
        'mcp-protocol-version': MODERN_REVISION,
        'mcp-method': 'subscriptions/listen',
      },
      body: `{"jsonrpc":"2.0","id":"${newOwnId()}","method":"subscriptions/listen","params":${params}}`,
      principal,
      signal,
      freshConnection: false,
      mayStart: anyTime,
    })
    for await (const said of messagesOf(response, bytesMax)) {
      const peeked = peek(said)
      if (peeked.kind !== 'notification' || peeked.method === 'notifications/subscriptions/acknowledged')
        continue
      if (peeked.method === 'notifications/tools/list_changed') mirrored.forget()
      standalone?.send(withoutSubscription(said))
    }
  }

  return {
    principal,
    run,
    answerHere(method, rawParams) {
      const params = parseJson(rawParams)
      switch (method) {
        case 'ping':
          return '"result":{}'
        case 'initialize':
          return '"error":{"code":-32600,"message":"Invalid Request: Server already initialized"}'
        case 'logging/setLevel': {
          const wanted = levelSchema.safeParse(params)
          if (wanted.success) logLevel = wanted.data.level
          return '"result":{}'
        }
        case 'resources/subscribe':
        case 'resources/unsubscribe': {
          const named = uriSchema.safeParse(params)
          if (!named.success) return '"error":{"code":-32602,"message":"Invalid params: \'uri\' is missing"}'
          if (method === 'resources/unsubscribe') watched.delete(named.data.uri)
          else {
            const full = watched.add(named.data.uri)
            if (full !== null) return `"error":${JSON.stringify({ code: -32_000, message: full })}`
          }
          hear()
          return '"result":{}'
        }
        default:
          return null
      }
    },
    isTaken: (id) => running.has(idKey(id)),
    cancel: (id) => running.get(idKey(id))?.abort(),
    answered(message) {
      const peeked = peek(message)
      if (peeked.kind !== 'response' || peeked.id === null) return
      questions.get(idKey(peeked.id))?.(rawMember(message, 'result'))
    },
    listen(signal) {
      if (standalone !== null) return null
      const stream = createEventStream({
        signal,
        unreadBytesMax: 2 * bytesMax,
        onLeave() {
          standalone = null
          listening?.abort()
        },
      })
      standalone = stream
      hear()
      return stream.response
    },
    touch() {
      lastTrafficMs = clock.monotonicMs()
    },
    idleMs: () => (running.size > 0 || standalone !== null ? null : clock.monotonicMs() - lastTrafficMs),
    end() {
      ending.abort()
      standalone?.end()
      standalone = null
    },
  }
}

/** The name that a modern request repeats in a header. */
function named(message: string): Record<string, string> {
  const params = paramsOf(message)
  const name = parseJson(rawMember(params, 'name') ?? rawMember(params, 'uri') ?? 'null')
  return typeof name === 'string' ? { 'mcp-name': headerText(name) } : {}
}
