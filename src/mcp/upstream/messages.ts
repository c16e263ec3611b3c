/** The messages of an upstream's answer, raw and in order, whether it came as JSON or as an event stream. */
import { readEvents } from '../sse.ts'
import { peek } from './peek.ts'
import { isAnswerTo } from './read-answer.ts'
import type { WireResponse } from './wire.ts'

/** @throws whatever broke the answer off */
export async function* messagesOf(response: WireResponse, bytesMax: number): AsyncGenerator<string> {
  const { body, headers } = response
  if (body === null) return
  if (isEventStream({ headers })) {
    for await (const { data } of readEvents(body, { charactersMax: bytesMax })) yield data
    return
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`an answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  if (bytes > 0) yield Buffer.concat(chunks).toString('utf8')
}

export const isEventStream = ({ headers }: Pick<WireResponse, 'headers'>): boolean =>
  (headers['content-type'] ?? '').toLowerCase().startsWith('text/event-stream')

/**
 * The same, up to the answer to this request of ours. Answers to other requests are nobody's, and what is not an answer by
 * the rules of `readAnswer` is none here either.
 * @throws whatever broke the answer off
 */
export async function* messagesUntil(
  response: WireResponse,
  id: string,
  bytesMax: number,
): AsyncGenerator<{ readonly message: string; readonly isAnswer: boolean }> {
  for await (const message of messagesOf(response, bytesMax)) {
    const said = peek(message)
    if (said.kind === 'request' || said.kind === 'notification') yield { message, isAnswer: false }
    if (said.kind !== 'response' || !isAnswerTo(said, id, response.status)) continue
    if (said.id === null && isEventStream(response)) continue
    yield { message, isAnswer: true }
    return
  }
}

/** Half a sentence about a response in which there was no answer. */
export const endedEarly = ({ status }: WireResponse): string =>
  status >= 300 ? `HTTP ${status} without an answer` : 'its answer ended too early'
