/** A proxy that loses or changes one thing, as gateways do: the differential run must see each of them. */
import { serve } from '@hono/node-server'
import { createParser } from 'eventsource-parser'
import { Hono } from 'hono'

export interface Loss {
  readonly name: string
  /** What becomes of a message of the client; `null`: it is swallowed. */
  readonly up?: (message: Message) => Message | null
  /** What becomes of a message of the server. */
  readonly down?: (message: Message) => Message | null
}

type Message = Record<string, unknown>

const isObject = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const without = (object: unknown, name: string): unknown => {
  if (!isObject(object)) return object
  const { [name]: _gone, ...others } = object
  return others
}
const methodIs = (message: Message, ...methods: readonly string[]) => methods.includes(String(message.method))
const withResult = (message: Message, change: (result: unknown) => unknown): Message =>
  'result' in message ? { ...message, result: change(message.result) } : message
const isQuestion = (message: Message) => 'method' in message && 'id' in message
const withTools = (message: Message, change: (tool: unknown) => unknown): Message =>
  withResult(message, (result) =>
    isObject(result) && Array.isArray(result.tools) ? { ...result, tools: result.tools.map(change) } : result,
  )

/** Each is seen in both eras, or in the one named. */
export const losses: readonly (Loss & { readonly era?: 'legacy' | 'modern' })[] = [
  {
    name: 'strips _meta from results',
    down: (message) => withResult(message, (result) => without(result, '_meta')),
  },
  {
    name: 'strips our own members of _meta from requests',
    up: (message) => {
      const { params } = message
      if (!isObject(params) || !isObject(params._meta)) return message
      const kept = Object.entries(params._meta).filter(
        ([key]) => key.startsWith('io.') || key === 'progressToken',
      )
      return { ...message, params: { ...params, _meta: Object.fromEntries(kept) } }
    },
  },
  {
    name: 'drops structuredContent',
    down: (message) => withResult(message, (result) => without(result, 'structuredContent')),
  },
  {
    name: 'drops outputSchema',
    down: (message) => withTools(message, (tool) => without(tool, 'outputSchema')),
  },
  {
    name: 'drops annotations',
    down: (message) => withTools(message, (tool) => without(tool, 'annotations')),
  },
  { name: 'drops icons', down: (message) => withTools(message, (tool) => without(tool, 'icons')) },
  {
    name: 'drops progress',
    down: (message) => (methodIs(message, 'notifications/progress') ? null : message),
  },
  {
    name: 'drops log messages',
    era: 'legacy',
    down: (message) => (methodIs(message, 'notifications/message') ? null : message),
  },
  {
    name: 'drops cancellation',
    era: 'legacy',
    up: (message) => (methodIs(message, 'notifications/cancelled') ? null : message),
  },
  {
    name: 'loses the requests of the server',
    era: 'legacy',
    down: (message) => (isQuestion(message) ? null : message),
  },
  {
    name: 'drops list changes and updates',
    era: 'legacy',
    down: (message) => (/list_changed|updated/.test(String(message.method)) ? null : message),
  },
  {
    name: 'makes ids text',
    down: (message) => ('id' in message ? { ...message, id: String(message.id) } : message),
  },
  {
    name: 'rewrites error texts',
    down: (message) =>
      isObject(message.error) ? { ...message, error: { ...message.error, message: 'failed' } } : message,
  },
  {
    name: 'adds a member to results',
    down: (message) =>
      withResult(message, (result) => (isObject(result) ? { ...result, via: 'proxy' } : result)),
  },
]

export const mergesStreams = 'answers on the streams of other requests'

/** @param merges whether what is not an answer comes on the stream of the newest request, whatever it belongs to */
export async function startLossyProxy(upstream: string, loss: Loss, merges = false) {
  const app = new Hono()
  let newest: ((text: string) => void) | null = null

  app.all('/mcp', async (c) => {
    const body = c.req.method === 'POST' ? await c.req.text() : null
    const sent = body === null ? null : JSON.parse(body)
    const passed = sent === null || loss.up === undefined ? sent : loss.up(sent)
    if (sent !== null && passed === null) return c.body(null, 202)
    const headers = new Headers(c.req.raw.headers)
    for (const name of ['host', 'content-length', 'connection']) headers.delete(name)
    const response = await fetch(upstream, {
      method: c.req.method,
      headers,
      body: passed === null ? null : passed === sent ? body : JSON.stringify(passed),
      signal: c.req.raw.signal,
    })
    const down = (text: string): string | null => {
      if (loss.down === undefined) return text
      const message = JSON.parse(text)
      const changed = loss.down(message)
      return changed === message ? text : changed === null ? null : JSON.stringify(changed)
    }
    const type = response.headers.get('content-type') ?? ''
    if (response.body === null || type === '') {
      await response.body?.cancel()
      return new Response(null, { status: response.status, headers: response.headers })
    }
    const answered = new Headers(response.headers)
    answered.delete('content-length')
    if (!type.startsWith('text/event-stream')) {
      const text = await response.text()
      return new Response(text === '' ? null : down(text), { status: response.status, headers: answered })
    }
    return new Response(eventsOf(response.body, down), { status: response.status, headers: answered })
  })

  function eventsOf(body: ReadableStream<Uint8Array>, down: (text: string) => string | null) {
    const encoder = new TextEncoder()
    return new ReadableStream<Uint8Array>({
      async start(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(`event: message\ndata: ${text}\n\n`))
        if (merges) newest = send
        const parser = createParser({
          onEvent({ data }) {
            // The first event of a stream is empty.
            const text = data === '' ? '' : down(data)
            if (text === null) return
            const isOwn =
              !merges || text === '' || 'result' in JSON.parse(text) || 'error' in JSON.parse(text)
            try {
              if (isOwn) send(text)
              else newest?.(text)
            } catch {
              // That stream has ended; so what was merged into it is lost.
            }
          },
        })
        const decoder = new TextDecoder()
        try {
          for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }))
          controller.close()
        } catch {
          // Either side has left.
        }
      },
    })
  }

  const server = await new Promise<ReturnType<typeof serve>>((done) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => done(started))
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    stop: () =>
      new Promise<void>((done) => {
        if ('closeAllConnections' in server) server.closeAllConnections()
        server.close(() => done())
      }),
  }
}
