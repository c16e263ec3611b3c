/** A response body that carries messages as server-sent events to one requester, who may leave at any time. */
import { messageEvent } from '../sse.ts'
import type { WireResponse } from './wire.ts'

export interface EventStream {
  readonly response: WireResponse
  send(rawJson: string): void
  /** Nothing more will come. */
  end(): void
  /** Breaks the body: the reader learns that it was not answered. */
  fail(error: Error): void
}

interface EventStreamOptions {
  readonly signal: AbortSignal
  /** A requester who reads slower than this is behind is taken to have left. */
  readonly unreadBytesMax: number
  /** The requester left; called at most once, and not after `end` or `fail`. */
  readonly onLeave: () => void
}

const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // nginx would hold events back until a buffer is full.
  'x-accel-buffering': 'no',
}

export function createEventStream({ signal, unreadBytesMax, onLeave }: EventStreamOptions): EventStream {
  const encoder = new TextEncoder()
  let sink: ReadableStreamDefaultController<Uint8Array> | null = null
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        sink = controller
      },
      cancel: () => leave(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: unreadBytesMax }),
  )

  function close(): ReadableStreamDefaultController<Uint8Array> | null {
    const open = sink
    sink = null
    signal.removeEventListener('abort', leaveWithError)
    return open
  }

  function leave() {
    if (close() !== null) onLeave()
  }

  function leaveWithError() {
    const open = close()
    if (open === null) return
    open.error(new Error('the requester left'))
    onLeave()
  }

  if (signal.aborted) leaveWithError()
  else signal.addEventListener('abort', leaveWithError, { once: true })

  return {
    response: { status: 200, headers, body },
    send(rawJson) {
      sink?.enqueue(encoder.encode(messageEvent(rawJson)))
      if (sink !== null && (sink.desiredSize ?? 0) < 0) leaveWithError()
    },
    end: () => close()?.close(),
    fail: (error) => close()?.error(error),
  }
}
