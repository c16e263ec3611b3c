/**
 * A requester's way to an upstream, for one approved call: asks what the tool is now, then sends once. A session that
 * the upstream has forgotten meanwhile is replaced while asking, never after something was sent.
 */

import { z } from 'zod'
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import type { SendTrace } from '../../domain/evidence.ts'
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Era } from '../../domain/tool-call.ts'
import { beginning } from '../../domain/well-formed.ts'
import type {
  AloneSession,
  Described,
  ReadRequest,
  Reply,
  SendRequest,
  Sent,
  UpstreamSession,
} from '../../ports/upstream-session.ts'
import { newOwnId } from '../own-id.ts'
import { mergeObjects, rawMember } from '../raw-json.ts'
import { type Asked, ask } from './ask.ts'
import { callMessage, headerText } from './call-message.ts'
import { closeSession, openFreshSession } from './fresh-session.ts'
import { type AskFor, type Listed, listTool } from './list-tool.ts'
import { paramHeaders } from './param-headers.ts'
import { parseJson } from './peek.ts'
import { anyTime, type Upstream } from './wire.ts'

/** Asking is quick for a server that is alive; a person or an agent waits for it. */
const DESCRIBE_MS = 20_000
/** A replacement session that no send follows is closed after this time. */
const UNUSED_MS = 60_000

interface UpstreamSessionOptions {
  readonly upstream: Upstream
  readonly principal: Principal
  /** Of the requester, lower case: `mcp-session-id` as the upstream knows it, and `mcp-protocol-version`. */
  readonly headers: Readonly<Record<string, string>>
  readonly era: Era
  /** Raw JSON object: the `io.modelcontextprotocol/*` members of the request's `_meta`; `{}` for legacy requests. */
  readonly envelope: string
  /** Raw JSON of the request's progress token. */
  readonly progressToken: string | null
  /** Every other message that comes back with an answer: progress, logs, the server's own requests. Raw, in order. */
  readonly onMessage: (rawText: string) => void
  /** Told of tools that the upstream listed while it was asked about one. */
  readonly onListed: (tools: readonly JsonObject[], isLast: boolean) => void
  readonly limits: Pick<Limits, 'replyBytesMax'>
  readonly timings: Pick<Timings, 'replyIdleMs'>
}

/** On which a requester's call is sent. */
export const createUpstreamSession = (options: UpstreamSessionOptions): UpstreamSession =>
  createReadingSession(options)

/** Also for what is read for people. */
export function createReadingSession(
  options: UpstreamSessionOptions,
): UpstreamSession & Pick<AloneSession, 'read'> {
  const { upstream, principal, era, envelope, progressToken, onMessage, limits, timings } = options
  const { server } = upstream
  let headers = options.headers
  let closeReplacement = () => {}
  /** Of the tool as it was described last: says which arguments are repeated in headers. */
  let inputSchema: JsonValue | undefined

  async function describe(tool: string, leaving?: AbortSignal): Promise<Described> {
    const untilMs = performance.now() + DESCRIBE_MS
    const listed = await list(tool, untilMs, leaving)
    if (listed.kind !== 'gone') return described(listed)
    if (era === 'modern' || headers['mcp-session-id'] === undefined) return notFound(listed.status)
    closeReplacement()
    const fresh = await openFreshSession(headers, {
      upstream,
      principal,
      answerBytesMax: limits.replyBytesMax,
      silenceMs: Math.max(1, untilMs - performance.now()),
      leaving,
    })
    if (!fresh.ok) return { kind: 'unavailable', reason: fresh.error }
    replaceBy(fresh.value)
    const again = await list(tool, untilMs, leaving)
    return again.kind === 'gone' ? notFound(again.status) : described(again)
  }

  function described(listed: Exclude<Listed, { kind: 'gone' }>): Described {
    if (listed.kind !== 'listed') return listed
    inputSchema = listed.inputSchema
    return { kind: 'listed', definition: listed.definition }
  }

  function notFound(status: number): Described {
    const reason = `${server} answered tools/list with HTTP ${status}. Check the url of this server in holdpoint.yaml.`
    return { kind: 'unavailable', reason }
  }

  function replaceBy(fresh: Readonly<Record<string, string>>) {
    headers = fresh
    const unused = setTimeout(() => closeReplacement(), UNUSED_MS).unref()
    closeReplacement = () => {
      clearTimeout(unused)
      closeReplacement = () => {}
      void closeSession(upstream, principal, fresh)
    }
  }

  function list(tool: string, untilMs: number, leaving?: AbortSignal) {
    const askFor: AskFor = (method, id, rawParams) => {
      const params = era === 'modern' ? mergeObjects(rawParams, `{"_meta":${envelope}}`) : rawParams
      return ask({
        upstream,
        principal,
        headers: era === 'modern' ? { ...headers, 'mcp-method': method } : headers,
        id,
        body: `{"jsonrpc":"2.0","id":"${id}","method":"${method}","params":${params}}`,
        freshConnection: false,
        mayStart: anyTime,
        answerBytesMax: limits.replyBytesMax,
        silenceMs: Math.max(1, untilMs - performance.now()),
        leaving,
        onMessage: pass,
      })
    }
    return listTool(server, tool, askFor, options.onListed)
  }

  async function send(request: SendRequest): Promise<Sent> {
    // Not the ticket, which the requester knows: its own requests go to the same session.
    const id = newOwnId()
    const message = messageOf(request, id)
    const sent: Sent = message.ok
      ? sentOf(
          era,
          await ask({
            upstream,
            principal,
            headers: { ...headers, ...message.value.headers },
            id,
            body: message.value.body,
            freshConnection: true,
            mayStart: request.mayStillStart,
            answerBytesMax: limits.replyBytesMax,
            silenceMs: timings.replyIdleMs,
            onMessage: (rawText) => pass(rawText.replaceAll(id, request.approvalId)),
          }),
        )
      : { kind: 'not_sent', reason: message.error }
    closeReplacement()
    return sent
  }

  function messageOf({ approvalId, canonicalParams }: SendRequest, id: string) {
    try {
      const body = callMessage(canonicalParams, { id, approvalId, progressToken, envelope })
      const mirrored = {
        ...paramHeaders(inputSchema, argumentsOf(canonicalParams)),
        'mcp-method': 'tools/call',
        'mcp-name': headerText(nameOf(canonicalParams)),
      }
      return ok({ body, headers: { 'idempotency-key': approvalId, ...(era === 'modern' ? mirrored : {}) } })
    } catch (error) {
      return err(`the call could not be written: ${String(error)}`)
    }
  }

  /** What listens must not be able to break the reading of an answer. */
  function pass(rawText: string) {
    try {
      onMessage(rawText)
    } catch {
      // The requester is gone; the answer still counts.
    }
  }

  async function read({
    canonicalParams,
    answerBytesMax,
    silenceMs,
    leaving,
  }: ReadRequest): Promise<Result<Reply, string>> {
    const id = newOwnId()
    const isModern = era === 'modern'
    const params = isModern ? mergeObjects(canonicalParams, `{"_meta":${envelope}}`) : canonicalParams
    const mirrored = {
      ...paramHeaders(inputSchema, argumentsOf(canonicalParams)),
      'mcp-method': 'tools/call',
      'mcp-name': headerText(nameOf(canonicalParams)),
    }
    const asked = await ask({
      upstream,
      principal,
      headers: { ...headers, ...(isModern ? mirrored : {}) },
      id,
      body: `{"jsonrpc":"2.0","id":"${id}","method":"tools/call","params":${params}}`,
      freshConnection: false,
      mayStart: anyTime,
      answerBytesMax,
      silenceMs,
      leaving,
      // Nobody is there to answer what the server asks meanwhile.
      onMessage: () => {},
    })
    const sent = sentOf(era, asked)
    return sent.kind === 'answered' ? ok(sent.reply) : err(sent.reason)
  }

  return { describe, send, read }
}

function sentOf(era: Era, asked: Asked): Sent {
  switch (asked.kind) {
    case 'fault':
      return asked.isSent
        ? { kind: 'indeterminate', reason: asked.reason, trace: traceOf('begun', null, asked.reason) }
        : { kind: 'not_sent', reason: asked.reason }
    case 'none':
      return {
        kind: 'indeterminate',
        reason: asked.reason,
        trace: traceOf('response', asked.status, asked.reason),
      }
    case 'answer': {
      const kind = asked.isError ? 'error' : 'result'
      const text = rawMember(asked.text, kind) ?? 'null'
      // A result ought to be an object; one that is not was still the answer.
      const isError = asked.isError || (text.startsWith('{') && rawMember(text, 'isError') === 'true')
      const isTask = era === 'modern' && !isError && isOwnTask(text)
      const reply = { kind, text, isError } as const
      return { kind: 'answered', reply: isTask ? { ...reply, isTask } : reply }
    }
  }
}

/** A task of the upstream's own instead of a result (MCP 2026-07-28, extension io.modelcontextprotocol/tasks). */
function isOwnTask(resultText: string): boolean {
  const task = z.object({ resultType: z.literal('task'), taskId: z.string().min(1) })
  return resultText.startsWith('{') && task.safeParse(parseJson(resultText)).success
}

/** A text of the upstream's or the network's, kept in the record. */
const ERROR_LENGTH_MAX = 500

function traceOf(progress: SendTrace['progress'], httpStatus: number | null, error: string): SendTrace {
  return { progress, httpStatus, error: beginning(error, ERROR_LENGTH_MAX) }
}

function nameOf(canonicalParams: string): string {
  const name = parseJson(rawMember(canonicalParams, 'name') ?? '')
  if (typeof name !== 'string') throw new TypeError('a tool call without a name')
  return name
}

function argumentsOf(canonicalParams: string): JsonValue | undefined {
  // Our own canonical text: JSON all the way down.
  return jsonValue.parse(parseJson(rawMember(canonicalParams, 'arguments') ?? '{}'))
}

const jsonValue = z.custom<JsonValue>((value) => value !== undefined)
