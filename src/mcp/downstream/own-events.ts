/**
 * A stream of what an upstream says by itself, with messages of ours between its events: or one of ours alone, where the
 * upstream has none. All bytes of the upstream pass as they are.
 */
import { comment, messageEvent } from '../sse.ts'

export interface OwnEvents {
  readonly body: ReadableStream<Uint8Array>
  /** Says it as soon as no event of the upstream is under way. */
  send(rawMessage: string): void
  /** Keeps the connection alive. */
  comment(text: string): void
  /** Ends a stream of ours; one of the upstream ends by itself. */
  end(): void
  /** Ends it, whoever's it is: nothing more is said to this client. */
  cut(): void
}

/** Of a client that does not read: what comes next says more, so the oldest goes. */
const WAITING_MAX = 100
const [LF, CR] = [0x0a, 0x0d]

/** @param upstream `null`: there is none. @param onEnd called once, when nothing more can be said */
export function createOwnEvents(upstream: ReadableStream<Uint8Array> | null, onEnd: () => void): OwnEvents {
  const reader = upstream?.getReader() ?? null
  const encoder = new TextEncoder()
  const waiting: string[] = []
  const boundary = createBoundary()
  let sink: ReadableStreamDefaultController<Uint8Array> | null = null
  let isOver = false

  function over() {
    sink = null
    if (isOver) return
    isOver = true
    onEnd()
  }

  function flush() {
    if (sink === null || !boundary.isBetween() || (sink.desiredSize ?? 0) < 0) return
    for (const message of waiting.splice(0)) sink.enqueue(encoder.encode(message))
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        sink = controller
        if (reader === null) controller.enqueue(encoder.encode(comment('listening')))
      },
      async pull(controller) {
        flush()
        if (reader === null) return
        try {
          const { done, value } = await reader.read()
          if (done) {
            if (sink !== null) controller.close()
            return over()
          }
          if (sink === null) return
          boundary.feed(value)
          controller.enqueue(value)
          flush()
        } catch (error) {
          over()
          throw error
        }
      },
      async cancel(reason) {
        over()
        await reader?.cancel(reason)
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 16 * 1024 }),
  )

  return {
    body,
    send(rawMessage) {
      waiting.push(messageEvent(rawMessage))
      if (waiting.length > WAITING_MAX) waiting.shift()
      flush()
    },
    comment(text) {
      if (boundary.isBetween() && (sink?.desiredSize ?? 0) > 0) sink?.enqueue(encoder.encode(comment(text)))
    },
    end() {
      const open = sink
      if (reader !== null || open === null) return
      over()
      open.close()
    },
    cut() {
      const open = sink
      if (open === null) return
      over()
      open.close()
      void reader?.cancel(new Error('the agent is not admitted any more')).catch(() => {})
    },
  }
}

/** Knows whether the bytes so far end with an empty line, which ends an event (WHATWG HTML, section 9.2). */
function createBoundary() {
  let isLineEmpty = true
  let isBetween = true
  let isAfterCr = false
  return {
    isBetween: () => isBetween,
    feed(chunk: Uint8Array) {
      for (const byte of chunk) {
        const isSecondHalf = byte === LF && isAfterCr
        isAfterCr = byte === CR
        if (isSecondHalf) continue
        const isEnd = byte === LF || byte === CR
        isBetween = isEnd && isLineEmpty
        isLineEmpty = isEnd
      }
      // The other half of this line break may be yet to come.
      if (isAfterCr) isBetween = false
    },
  }
}
