/**
 * The response to a held request: begun at once, written while it waits, closed after its one answer. Closing resolves
 * when the client's side has taken everything, as far as HTTP can tell.
 */
import { comment, messageEvent } from '../sse.ts'

export interface AnswerStream {
  readonly response: Response
  /** Keeps the connection alive. */
  comment(text: string): void
  /** A message before the answer; one that a slow reader has no room for is left out. */
  offer(rawMessage: string): void
  /** Writes the answer (`null`: there is none) and closes. @returns whether it was taken */
  finish(rawMessage: string | null): Promise<boolean>
}

interface AnswerStreamOptions {
  /** A client that reads only JSON gets its answer, and nothing before it. */
  readonly format: 'events' | 'json'
  readonly unreadBytesMax: number
  /** The client left before the answer was taken. */
  readonly onLeave: () => void
}

const eventHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold events back until a buffer is full.
  'x-accel-buffering': 'no',
}
const jsonHeaders = { 'content-type': 'application/json' }

export function createAnswerStream({ format, unreadBytesMax, onLeave }: AnswerStreamOptions): AnswerStream {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  let unreadBytes = 0
  let isFinished = false
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
    offer: (rawMessage) => beforeAnswer(messageEvent(rawMessage)),
    async finish(rawMessage) {
      isFinished = true
      if (rawMessage !== null) write(format === 'events' ? messageEvent(rawMessage) : rawMessage)
      return writer.close().then(
        () => true,
        () => false,
      )
    },
  }
}
