/**
 * Stands between one client and the gateway, passes every byte, and takes down what went over the wire: how a client waits is
 * read off here, not believed.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { keptMeta } from '../../src/domain/tool-call.ts'

/** One `tools/call` as it went by. */
export interface SeenCall {
  readonly tool: string
  /** Takes a task instead of the result: by `params.task`, or by the extension that it declares. */
  readonly takesTask: boolean
  /** It came back with a state, after an `input_required`. */
  readonly isRound: boolean
  /** Names in its `_meta` that are no business of the transport: another value is another call. */
  readonly meta: readonly string[]
}

/** What one client sent and got, since the tap was opened. */
export interface Wire {
  /** As the client states its name; `null` until it did. */
  client: string | null
  revision: string | null
  readonly calls: SeenCall[]
  /** Times each other method was sent. */
  readonly methods: Map<string, number>
  /** GETs with `Last-Event-ID`. */
  resumed: number
  /** `notifications/progress` that came down. */
  progress: number
}

export interface Tap {
  readonly origin: string
  readonly wire: Wire
  close(): Promise<void>
}

const TASKS = 'io.modelcontextprotocol/tasks'
const Meta = z.record(z.string(), z.json())
const Info = z.object({ name: z.string() })
const Sent = z.object({
  method: z.string(),
  params: z
    .looseObject({
      name: z.string().optional(),
      task: z.unknown().optional(),
      requestState: z.unknown().optional(),
      clientInfo: Info.optional(),
      _meta: z
        .looseObject({
          'io.modelcontextprotocol/clientInfo': Info.optional(),
          'io.modelcontextprotocol/clientCapabilities': z
            .looseObject({ extensions: z.record(z.string(), z.unknown()).optional() })
            .optional(),
        })
        .optional(),
    })
    .optional(),
})
const Answered = z.object({ result: z.looseObject({ protocolVersion: z.string() }) })

/** @param change what becomes of a piece of an answer, for a run that must fail; `null`: the client never gets it */
export async function openTap(
  gatewayUrl: string,
  change: (text: string) => string | null = (text) => text,
): Promise<Tap> {
  const wire: Wire = { client: null, revision: null, calls: [], methods: new Map(), resumed: 0, progress: 0 }
  const target = new URL(gatewayUrl)

  function noteRequest(text: string) {
    const sent = Sent.safeParse(parsed(text))
    if (!sent.success) return
    const { method, params } = sent.data
    wire.client =
      params?.clientInfo?.name ?? params?._meta?.['io.modelcontextprotocol/clientInfo']?.name ?? wire.client
    const capabilities = params?._meta?.['io.modelcontextprotocol/clientCapabilities']
    if (method === 'tools/call')
      wire.calls.push({
        tool: params?.name ?? '',
        takesTask: params?.task !== undefined || TASKS in (capabilities?.extensions ?? {}),
        isRound: params?.requestState !== undefined,
        meta: Object.keys(keptMeta(Meta.parse(params?._meta ?? {}))),
      })
    else wire.methods.set(method, (wire.methods.get(method) ?? 0) + 1)
  }

  function noteAnswer(text: string) {
    if (text.includes('"notifications/progress"')) wire.progress++
    const answered = Answered.safeParse(parsed(text))
    if (answered.success) wire.revision = answered.data.result.protocolVersion
  }

  function pass(req: IncomingMessage, res: ServerResponse) {
    if (req.headers['last-event-id'] !== undefined) wire.resumed++
    const said = req.headers['mcp-protocol-version']
    const sent: Buffer[] = []
    const onward = request(new URL(req.url ?? '/', target), {
      method: req.method,
      headers: { ...req.headers, host: target.host },
    })
    req.on('data', (chunk: Buffer) => {
      sent.push(chunk)
      onward.write(chunk)
    })
    req.on('end', () => {
      noteRequest(Buffer.concat(sent).toString())
      if (typeof said === 'string') wire.revision = said
      onward.end()
    })
    // Whoever leaves, leaves on both sides.
    res.on('close', () => onward.destroy())
    onward.on('error', () => res.destroy())
    onward.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      res.flushHeaders()
      const listen = listener(answer.headers['content-type'] ?? '', noteAnswer)
      answer.on('data', (chunk: Buffer) => {
        const text = chunk.toString()
        listen.heard(text)
        const passed = change(text)
        if (passed !== null) res.write(passed === text ? chunk : passed)
      })
      answer.on('end', () => {
        listen.ended()
        res.end()
      })
      answer.on('error', () => res.destroy())
    })
  }

  const server = createServer(pass)
  server.requestTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    wire,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** Hears the messages of an event stream as they come, and any other body when it is whole. */
function listener(contentType: string, note: (text: string) => void) {
  if (contentType.startsWith('text/event-stream')) {
    const parser = createParser({ onEvent: ({ data }) => note(data) })
    return { heard: (text: string) => parser.feed(text), ended: () => {} }
  }
  let body = ''
  return {
    heard: (text: string) => {
      body += text
    },
    ended: () => note(body),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
