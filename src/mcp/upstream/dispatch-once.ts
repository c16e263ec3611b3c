/**
 * One HTTP request on an undici dispatcher, at most once. undici begins a request (`onRequestStart`) right before its
 * first byte is written: a failure before that proves that nothing was sent, and a second beginning would be a retry,
 * which is refused. It is also the last moment at which not to send can be decided.
 */
import type { Dispatcher } from 'undici'
import { headersDown } from './headers.ts'
import { STOOD_STILL, UpstreamFault, type WireResponse } from './wire.ts'

/** So much of an answer is read ahead of its reader; then the socket waits. */
const READ_AHEAD_BYTES = 64 * 1024

/** Statuses whose responses have no body (Fetch, "null body status"). */
const bodiless = new Set([204, 205, 304])

interface OneDispatch {
  readonly server: string
  readonly dispatcher: Dispatcher
  readonly request: {
    readonly method: Dispatcher.HttpMethod
    readonly path: string
    readonly headers: Record<string, string>
    readonly body: string | null
  }
  readonly signal: AbortSignal
  readonly mayStart: () => boolean
  /** Called once, when the exchange is over, whichever way. */
  readonly onEnd: () => void
}

/** @throws UpstreamFault; once it has resolved, faults break the body instead. */
export function dispatchOnce({
  server,
  dispatcher,
  request,
  signal,
  mayStart,
  onEnd,
}: OneDispatch): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    let running: Dispatcher.DispatchController | null = null
    let reader: ReadableStreamDefaultController<Uint8Array> | null = null
    let isOver = false

    function finish(error: Error | null) {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', leave)
      onEnd()
      const body = reader
      reader = null
      if (error === null) return body?.close()
      if (body !== null)
        return body.error(new Error(`the answer of ${server} broke off: ${words(error)}`, { cause: error }))
      const isSent = running !== null
      const what = isSent
        ? `the connection to ${server} broke before it answered`
        : `nothing was sent to ${server}`
      reject(new UpstreamFault(`${what}: ${words(error)}`, isSent, { cause: error }))
    }

    function leave() {
      const reason = new Error('the requester left')
      running?.abort(reason)
      finish(reason)
    }

    function bodyOf(controller: Dispatcher.DispatchController): ReadableStream<Uint8Array> {
      return new ReadableStream<Uint8Array>(
        {
          start: (own) => {
            reader = own
          },
          pull: () => controller.resume(),
          cancel: () => {
            reader = null
            controller.abort(new Error('the answer was not wanted any more'))
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD_BYTES }),
      )
    }

    if (signal.aborted) return leave()
    signal.addEventListener('abort', leave, { once: true })
    try {
      dispatcher.dispatch(request, {
        onRequestStart(controller) {
          if (isOver) controller.abort(new Error('the requester left'))
          else if (running !== null) controller.abort(new Error('a request is never sent twice'))
          else if (!mayStart()) controller.abort(new Error(STOOD_STILL))
          else running = controller
        },
        onResponseStart(controller, status, headers) {
          // Informational responses (1xx) come before the one that counts.
          if (status < 200 || isOver) return
          const body = bodiless.has(status) ? null : bodyOf(controller)
          resolve({ status, headers: headersDown(headers), body })
        },
        onResponseData(controller, chunk) {
          reader?.enqueue(chunk)
          if (reader !== null && (reader.desiredSize ?? 0) <= 0) controller.pause()
        },
        onResponseEnd: () => finish(null),
        onResponseError: (_controller, error) => finish(error),
      })
    } catch (error) {
      // undici refuses a header or path that HTTP cannot carry.
      finish(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

/** When several addresses were tried, the error around their errors has no message of its own. */
function words(error: Error): string {
  const [first]: unknown[] = error instanceof AggregateError ? error.errors : []
  return error.message || (first instanceof Error ? first.message : error.name)
}
