/** The one stream of an HTTP+SSE session: it begins with the endpoint, and everything that the server says comes on it. */
import { readEvents } from '../../sse.ts'
import type { HttpUpstream } from '../http.ts'
import { isEventStream } from '../messages.ts'
import { anyTime, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { endpointPath } from './endpoint.ts'

/** A server that is alive says at once where its messages go. */
const ENDPOINT_MS = 10_000

export interface EventSource {
  /** Where messages are POSTed: path and query at the server's own origin. */
  readonly path: string
  /** Hears every message until the stream is over. @returns a half sentence that says why it is */
  hear(onMessage: (message: string) => void): Promise<string>
  close(): void
}

export type OpenedSource =
  | { readonly kind: 'open'; readonly source: EventSource }
  /** The server answered with something else; its body is untouched. */
  | { readonly kind: 'answered'; readonly response: WireResponse }

/** @throws UpstreamFault */
export async function openEventSource(
  http: HttpUpstream,
  url: URL,
  { headers, principal, signal }: Pick<WireRequest, 'headers' | 'principal' | 'signal'>,
  messageBytesMax: number,
): Promise<OpenedSource> {
  const { server } = http
  const closing = new AbortController()
  const leave = () => closing.abort()
  if (signal.aborted) leave()
  signal.addEventListener('abort', leave, { once: true })
  const timer = setTimeout(leave, ENDPOINT_MS)
  try {
    const response = await http.exchange({
      method: 'GET',
      headers: { ...ofAnyRequest(headers), accept: 'text/event-stream' },
      body: null,
      principal,
      signal: closing.signal,
      freshConnection: false,
      mayStart: anyTime,
    })
    if (response.status !== 200 || response.body === null || !isEventStream(response))
      return { kind: 'answered', response }
    const events = readEvents(response.body, { charactersMax: messageBytesMax })
    const first = await events.next()
    const event = first.done === true ? null : first.value
    if (event?.type !== 'endpoint') {
      leave()
      throw new UpstreamFault(`${server} opened an event stream that does not begin with its endpoint`, false)
    }
    const path = endpointPath(event.data, url)
    if (!path.ok) {
      leave()
      throw new UpstreamFault(`${server} names ${path.error}`, false)
    }
    return {
      kind: 'open',
      source: { path: path.value, hear: hearing(events, path.value, url), close: leave },
    }
  } catch (error) {
    leave()
    if (error instanceof UpstreamFault)
      throw new UpstreamFault(error.message, false, { cause: error, told: error.told })
    throw new UpstreamFault(
      `the event stream of ${server} broke off before it began: ${words(error)}`,
      false,
      {
        cause: error,
      },
    )
  } finally {
    clearTimeout(timer)
    // From here on the session owns the stream, and outlives whoever opened it.
    signal.removeEventListener('abort', leave)
  }
}

const hearing =
  (events: AsyncGenerator<{ readonly type: string; readonly data: string }>, path: string, url: URL) =>
  async (onMessage: (message: string) => void): Promise<string> => {
    try {
      for await (const { type, data } of events) {
        if (type === 'message' && data !== '') onMessage(data)
        else if (type === 'endpoint') {
          const again = endpointPath(data, url)
          // What people approved would go somewhere else in the middle of a session.
          if (!again.ok || again.value !== path) return 'named a second endpoint'
        }
      }
      return 'closed its event stream'
    } catch (error) {
      return `broke its event stream off (${words(error)})`
    }
  }

/** Without what says something about one message, or about a session of ours. */
const ofAnyRequest = (headers: WireRequest['headers']) =>
  Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !['content-type', 'mcp-session-id', 'last-event-id'].includes(name),
    ),
  )

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error))
