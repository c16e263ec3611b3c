/**
 * The response to a held request: begun at once, written while it waits, closed after its one answer. Closing resolves
 * when the client's side has taken everything, as far as HTTP can tell, or has taken nothing for too long and was cut.
 */
import { comment, messageEvent, primingEvent } from '../sse.ts'

export interface AnswerStream {
  readonly response: Response
  /** Keeps the connection alive. */
  comment(text: string): void
  /** Tells the client under which id it can come back, before there is anything to say. */
  prime(id: string): void
  /** A message before the answer; one that a slow reader has no room for is left out. @param id to resume after it */
  offer(rawMessage: string, id?: string | null): void
  /** Writes the answer (`null`: there is none) and closes. Never throws. @returns whether it was taken */
  finish(rawMessage: string | null): Promise<boolean>
}

interface AnswerStreamOptions {
  /** A client that reads only JSON gets its answer, and nothing before it. */
  readonly format: 'events' | 'json'
  readonly unreadBytesMax: number
  /** A client that takes no piece of its answer for this long is cut. */
  readonly stalledMs: number
  /** The client left before the answer was taken. */
  readonly onLeave: () => void
}

/** A large answer goes out in pieces, so that only one of them lies in the socket's own memory, where nobody counts it. */
const PIECE_CHARACTERS = 64 * 1024

/**
 * A client whose stream broke waits so long before it resumes. The SDKs try twice, so this is half of what a gateway may be
 * away; longer would only delay results.
 */
const RETRY_MS = 5_000

export const eventHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold events back until a buffer is full.
  'x-accel-buffering': 'no',
}
const jsonHeaders = { 'content-type': 'application/json' }

export function createAnswerStream(options: AnswerStreamOptions): AnswerStream {
  const { format, unreadBytesMax, stalledMs, onLeave } = options
  let breakOff: (error: Error) => void = () => {}
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => {
      breakOff = (error) => controller.error(error)
    },
  })
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  let unreadBytes = 0
  let isFinished = false
  let isRetrySaid = false
  writer.closed.catch(onLeave)

  function write(text: string): void {
    const bytes = encoder.encode(text)
    unreadBytes += bytes.byteLength
    writer.write(bytes).then(
      () => {
        unreadBytes -= bytes.byteLength
      },
      // The client left, which `closed` has told.
      () => {},
    )
  }

  function beforeAnswer(text: string): void {
    if (format === 'events' && !isFinished && unreadBytes < unreadBytesMax) write(text)
  }

  return {
    response: new Response(readable, { headers: format === 'events' ? eventHeaders : jsonHeaders }),
    comment: (text) => beforeAnswer(comment(text)),
    prime(id) {
      isRetrySaid = true
      beforeAnswer(primingEvent(id, RETRY_MS))
    },
    offer(rawMessage, id = null) {
      const retryMs = id === null || isRetrySaid ? null : RETRY_MS
      isRetrySaid ||= retryMs !== null
      beforeAnswer(messageEvent(rawMessage, id, retryMs))
    },
    async finish(rawMessage) {
      isFinished = true
      const text = rawMessage === null || format === 'json' ? (rawMessage ?? '') : messageEvent(rawMessage)
      // Not `writer.abort`, which waits for the write that the client does not take.
      const cut = () => breakOff(new Error('the client took nothing of its answer and was cut'))
      const patience = setTimeout(cut, stalledMs)
      try {
        for (const piece of piecesOf(text)) {
          await writer.write(encoder.encode(piece))
          patience.refresh()
        }
        await writer.close()
        return true
      } catch {
        // The client left or was cut.
        return false
      } finally {
        clearTimeout(patience)
      }
    },
  }
}

/** Never cut between the two halves of a character. */
export function* piecesOf(text: string): Generator<string> {
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = Math.min(start + PIECE_CHARACTERS, text.length)
    if (end < text.length && /[\uD800-\uDBFF]/.test(text.charAt(end - 1))) end--
    yield text.slice(start, end)
  }
}
