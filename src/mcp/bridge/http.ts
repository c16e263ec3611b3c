/** One HTTP request to the gateway and what comes back, piece by piece: messages as raw text, event ids, and signs that a call is held. */
import { createParser } from 'eventsource-parser'
import { Agent, fetch } from 'undici'

export interface BridgeHttp {
  /** @throws NotSent where certainly nothing arrived; any other error leaves that open */
  send(request: {
    readonly method: 'POST' | 'GET' | 'DELETE'
    readonly headers: Readonly<Record<string, string>>
    readonly body: string | null
    readonly signal: AbortSignal
  }): Promise<BridgeResponse>
  close(): Promise<void>
}

export interface BridgeResponse {
  readonly status: number
  header(name: string): string | null
  readonly isEvents: boolean
  /** The whole body. @throws when it breaks off */
  text(): Promise<string>
  /** @throws when the stream breaks off; ending without an error is the server's own end */
  pieces(): AsyncIterable<Piece>
}

export type Piece =
  | { readonly kind: 'message'; readonly text: string; readonly eventId: string | null }
  /** The gateway says that people are asked about this call: from then on a repeat attaches to it, and never runs it again. */
  | { readonly kind: 'held' }

/** The connection was refused, or never made. */
export class NotSent extends Error {
  constructor(cause: unknown) {
    super('the gateway could not be reached', { cause })
    this.name = 'NotSent'
  }
}

/** Enough for what a gateway lets through in either direction, several times. */
const EVENT_CHARACTERS_MAX = 64 * 1024 * 1024
const CONNECT_MS = 10_000

export function createBridgeHttp(url: string): BridgeHttp {
  // Answers may be silent for hours while people decide.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_MS } })

  return {
    async send({ method, headers, body, signal }) {
      try {
        const response = await fetch(url, {
          method,
          headers,
          body,
          signal,
          redirect: 'manual',
          dispatcher: agent,
        })
        return {
          status: response.status,
          header: (name) => response.headers.get(name),
          isEvents: (response.headers.get('content-type') ?? '').startsWith('text/event-stream'),
          text: () => response.text(),
          pieces: () => piecesOf(response.body),
        }
      } catch (error) {
        throw isUnsent(error) ? new NotSent(error) : error
      }
    },
    close: () => agent.destroy(),
  }
}

async function* piecesOf(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<Piece> {
  const pieces: Piece[] = []
  const parser = createParser({
    maxBufferSize: EVENT_CHARACTERS_MAX,
    onEvent({ id, data, event }) {
      // Priming events carry an id and no message.
      if (event === undefined || event === 'message')
        pieces.push({ kind: 'message', text: data, eventId: id ?? null })
    },
    onComment(text) {
      if (/^\s*held for HP-/.test(text)) pieces.push({ kind: 'held' })
    },
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw error
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* pieces.splice(0)
  }
}

const unsent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

function isUnsent(error: unknown): boolean {
  for (let found: unknown = error, depth = 0; found instanceof Error && depth < 5; depth += 1) {
    if ('code' in found && typeof found.code === 'string' && unsent.has(found.code)) return true
    const inner: unknown = found instanceof AggregateError ? found.errors[0] : found.cause
    found = inner
  }
  return false
}
