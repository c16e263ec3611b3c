/** A `fetch` that writes down each exchange: what was said, and every event of the answer as it came. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'

interface Exchange {
  readonly method: string
  readonly said: string | null
  status: number
  type: string
  readonly messages: string[]
  isOpen: boolean
}

export const QUIET_MS = 120
/** The answer to a call that was cancelled never comes. */
const OPEN_MS_MAX = 2_000

export function createRecorder() {
  let exchanges: Exchange[] = []

  async function record(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const method = init.method ?? 'GET'
    const said = typeof init.body === 'string' ? init.body : null
    const exchange: Exchange = { method, said, status: 0, type: '', messages: [], isOpen: true }
    exchanges.push(exchange)
    const close = () => {
      exchange.isOpen = false
    }
    try {
      const response = await fetch(input, init)
      exchange.status = response.status
      exchange.type = response.headers.get('content-type') ?? ''
      if (response.body === null) {
        close()
        return response
      }
      const [mine, theirs] = response.body.tee()
      void write(mine, exchange).finally(close)
      return new Response(theirs, response)
    } catch (error) {
      close()
      throw error
    }
  }

  /** What was exchanged since the last time, when every answer has ended; the stream of a GET never does. */
  async function heard(): Promise<unknown> {
    const giveUpMs = performance.now() + OPEN_MS_MAX
    while (
      exchanges.some(({ method, isOpen }) => isOpen && method === 'POST') &&
      performance.now() < giveUpMs
    ) {
      await sleep(10)
    }
    await sleep(QUIET_MS)
    const ended = exchanges
    exchanges = ended.filter(({ method, isOpen }) => isOpen && method === 'GET')
    const posts = ended.filter(({ method }) => method === 'POST')
    // A client opens the stream of a GET when it likes, and again when it was cut; what counts is what came on it.
    const alone = ended
      .filter(({ method, status }) => method === 'GET' && status === 200)
      .flatMap(({ messages }) => messages.splice(0))
    return {
      posts: posts.map(({ said, status, type, messages }) => ({ said, status, type, messages })),
      alone,
    }
  }

  return { fetch: record, heard }
}

async function write(body: ReadableStream<Uint8Array>, exchange: Exchange): Promise<void> {
  const decoder = new TextDecoder()
  const isStream = exchange.type.startsWith('text/event-stream')
  const parser = createParser({ onEvent: ({ data }) => void exchange.messages.push(data) })
  let whole = ''
  try {
    for await (const chunk of body) {
      const piece = decoder.decode(chunk, { stream: true })
      if (isStream) parser.feed(piece)
      else whole += piece
    }
  } catch {
    // The client left; what came until then was written down.
  }
  if (!isStream && whole !== '') exchange.messages.push(whole)
  exchange.isOpen = false
}
