/** Server-sent events in and out (WHATWG HTML, section 9.2), carrying JSON-RPC messages as raw text. */
import { createParser } from 'eventsource-parser'

export interface ServerSentEvent {
  /** The id of the event, for resumption; `null` when the server gave none. */
  readonly id: string | null
  /** `message` unless the server said otherwise. */
  readonly type: string
  readonly data: string
}

/** The stream holds an event, or a line, that is larger than allowed. */
export class EventTooLarge extends Error {
  constructor(readonly charactersMax: number) {
    super(`an event is larger than ${charactersMax} characters`)
    this.name = 'EventTooLarge'
  }
}

/**
 * The events of a stream in their order, wherever its chunks were cut. An unfinished last event is no event.
 * Leaving the loop early cancels the stream.
 * @throws EventTooLarge, and whatever broke the stream
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  { charactersMax }: { readonly charactersMax: number },
): AsyncGenerator<ServerSentEvent> {
  const events: ServerSentEvent[] = []
  let isTooLarge = false
  const parser = createParser({
    maxBufferSize: charactersMax,
    onEvent: ({ id, event, data }) => events.push({ id: id ?? null, type: event ?? 'message', data }),
    onError: ({ type }) => {
      isTooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* events.splice(0)
    if (isTooLarge) throw new EventTooLarge(charactersMax)
  }
}

/**
 * One message as an event. Raw JSON may hold line breaks between its tokens (never inside a string), each of which
 * would end the field: every line becomes a `data` field of its own and readers join them again.
 */
export function messageEvent(
  rawJson: string,
  id: string | null = null,
  retryMs: number | null = null,
): string {
  const data = rawJson.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  const retry = retryMs === null ? '' : `retry: ${retryMs}\n`
  return `event: message\n${retry}${id === null ? '' : `id: ${id}\n`}${data.join('')}\n`
}

/** An event without a message: it only says how the stream can be resumed (MCP 2025-11-25, Transports). */
export function primingEvent(id: string, retryMs: number): string {
  return `id: ${id}\nretry: ${retryMs}\ndata: \n\n`
}

/** A line that clients ignore and that keeps proxies and idle timers from cutting the stream. */
export function comment(text: string): string {
  return `: ${text.replace(/[\r\n]+/g, ' ')}\n\n`
}
