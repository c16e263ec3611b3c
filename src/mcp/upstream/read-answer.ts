/**
 * Reads an HTTP response until the JSON-RPC answer to one request is complete, as JSON or as an event stream. What is
 * not a whole answer to exactly this request is none, with a reason that a person understands.
 */
import { EventTooLarge, readEvents } from '../sse.ts'
import { idKey, type Peek, peek } from './peek.ts'
import type { WireResponse } from './wire.ts'

/** Progress and logs before an answer may together be this many times as large as an answer; then the stream is endless. */
const STREAM_TO_ANSWER_MAX = 8

export type Answer =
  /** `text` is the whole JSON-RPC message. */
  | { readonly kind: 'answer'; readonly text: string; readonly isError: boolean }
  | { readonly kind: 'none'; readonly reason: string }

interface ReadOptions {
  readonly server: string
  readonly id: string
  readonly answerBytesMax: number
  /** Every other message of the stream, raw and in order; also a sign of life. */
  readonly onMessage: (rawText: string) => void
}

/** Never throws. Whatever is left of the body is cancelled. */
export async function readAnswer(response: WireResponse, options: ReadOptions): Promise<Answer> {
  const { server, answerBytesMax } = options
  try {
    const isStream = (response.headers['content-type'] ?? '').toLowerCase().startsWith('text/event-stream')
    const answer = isStream ? await fromEvents(response, options) : await fromJson(response, options)
    return answer ?? none(response, server)
  } catch (error) {
    const isTooLarge = error instanceof TooLarge || error instanceof EventTooLarge
    return {
      kind: 'none',
      reason: isTooLarge
        ? `the answer of ${server} is larger than ${answerBytesMax} bytes`
        : `the answer of ${server} broke off: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

async function fromEvents({ body }: WireResponse, options: ReadOptions): Promise<Answer | null> {
  const { id, answerBytesMax, onMessage } = options
  if (body === null) return null
  const bounded = limited(body, STREAM_TO_ANSWER_MAX * answerBytesMax)
  for await (const { data } of readEvents(bounded, { charactersMax: answerBytesMax })) {
    const message = peek(data)
    if (message.kind === 'request' || message.kind === 'notification') onMessage(data)
    // Somebody else's answer is nobody's: passed on, it could meet a request of the client that has the same id.
    else if (message.kind === 'response' && message.id !== null && idKey(message.id) === idKey(id))
      return answered(data, message.isError, answerBytesMax)
  }
  return null
}

async function fromJson(
  { status, body }: WireResponse,
  { id, answerBytesMax }: ReadOptions,
): Promise<Answer | null> {
  const chunks: Uint8Array[] = []
  if (body !== null) for await (const chunk of limited(body, answerBytesMax)) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const message = peek(text)
  if (message.kind !== 'response' || !isAnswerTo(message, id, status)) return null
  return answered(text, message.isError, answerBytesMax)
}

/** Whether the whole body of a response with this status answers this request. */
export function isAnswerTo(
  { id, isError }: Extract<Peek, { kind: 'response' }>,
  asked: string,
  status: number,
): boolean {
  return id === null ? isError && mayLackId(status) : idKey(id) === idKey(asked)
}

/**
 * An error without an id says that the request was not even understood: with success as JSON-RPC has it, or with 400 ("if
 * the server cannot accept the input … a JSON-RPC error response that has no id", MCP, Transports). With any other status it
 * comes from what stands in front of the tool (credentials, a session that another replica had, a handler that failed after
 * its work), which does not know what became of the call.
 */
const mayLackId = (status: number): boolean => status < 300 || status === 400

function answered(text: string, isError: boolean, bytesMax: number): Answer {
  if (Buffer.byteLength(text) > bytesMax) throw new TooLarge()
  return { kind: 'answer', text, isError }
}

function none({ status, headers }: WireResponse, server: string): Answer {
  const type = headers['content-type'] ?? 'no content type'
  return {
    kind: 'none',
    reason:
      status >= 400
        ? `${server} answered HTTP ${status} without a JSON-RPC answer`
        : `${server} ended its response (HTTP ${status}, ${type}) without a valid answer to this request`,
  }
}

class TooLarge extends Error {}

async function* limited(body: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new TooLarge()
    yield chunk
  }
}
