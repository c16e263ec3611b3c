/**
 * An HTTP+SSE server (MCP 2024-11-05) written by hand: a test sees every byte that came in, and says what each POST is answered
 * and what comes on the stream.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text as readText } from 'node:stream/consumers'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly socket: Socket
}

export interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: Record<string, unknown> }
}

/** What a test can do with one POST. */
export interface Posted {
  readonly message: Message
  readonly response: ServerResponse
  /** The stream of the session it belongs to. */
  readonly stream: ServerResponse
  /** One event on that stream. */
  say(data: object | string, type?: string): void
  accept(): void
}

export interface SseServer {
  readonly url: string
  readonly received: readonly Received[]
  /** The streams that are open. */
  streams(): readonly ServerResponse[]
  /** Tools that ran. */
  readonly executed: string[]
  /** Decides about a POST. `true`: done; otherwise it is answered as usual. */
  onPost: (posted: Posted) => boolean | undefined
  /** Writes the first event of a stream. */
  onStream: (stream: ServerResponse, path: string) => void
  /** Answers a GET otherwise. `true`: done. */
  onGet: (request: IncomingMessage, response: ServerResponse) => boolean | undefined
  calls(tool: string): Received[]
  close(): Promise<void>
}

const tools = ['echo', 'logout', 'ask', 'slow'].map((name) => ({
  name,
  inputSchema: { type: 'object' as const },
}))

export async function startSseServer(): Promise<SseServer> {
  const received: Received[] = []
  const executed: string[] = []
  const sessions = new Map<string, ServerResponse>()
  const sockets = new Set<Socket>()
  let sessionCount = 0

  const server = createServer((request, response) => {
    void handle(request, response).catch((error: unknown) => response.destroy(new Error(String(error))))
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request)
    const path = request.url ?? '/'
    received.push({
      method: request.method ?? '',
      path,
      headers: request.headers,
      body,
      socket: request.socket,
    })
    if (request.method === 'GET' && path === '/sse') return openStream(request, response)
    const stream = sessions.get(new URL(path, 'http://x').searchParams.get('sessionId') ?? '')
    // As express has it: no such route.
    if (request.method !== 'POST' || !path.startsWith('/messages') || stream === undefined)
      return void response.writeHead(404, { 'content-type': 'text/html' }).end('Cannot POST /sse')
    const message: Message = JSON.parse(body)
    const posted: Posted = {
      message,
      response,
      stream,
      say: (data, type = 'message') =>
        void stream.write(
          `event: ${type}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`,
        ),
      accept: () => void response.writeHead(202).end('Accepted'),
    }
    const { name } = message.params ?? {}
    if (message.method === 'tools/call' && name !== undefined) executed.push(name)
    if (self.onPost(posted) !== true) usual(posted)
  }

  function openStream(request: IncomingMessage, response: ServerResponse): void {
    if (self.onGet(request, response) === true) return
    const id = `s${++sessionCount}`
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    sessions.set(id, response)
    response.once('close', () => sessions.delete(id))
    self.onStream(response, `/messages?sessionId=${id}`)
  }

  const self: SseServer = {
    url: '',
    received,
    executed,
    streams: () => [...sessions.values()],
    onPost: () => undefined,
    onGet: () => undefined,
    onStream: (stream, path) => void stream.write(`event: endpoint\ndata: ${path}\n\n`),
    calls: (tool) =>
      received.filter(({ body }) => body.includes('"tools/call"') && body.includes(`"name":"${tool}"`)),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(self, { url: `http://127.0.0.1:${port}/sse` })
}

/** Accepts, and answers on the stream. */
function usual({ message, say, accept }: Posted): void {
  accept()
  const { id, method } = message
  if (id === undefined || method === undefined) return
  const result = resultOf(message)
  if (result === null) say({ jsonrpc: '2.0', id, error: { code: -32_601, message: 'Method not found' } })
  else say({ jsonrpc: '2.0', id, result })
}

function resultOf({ method, params }: Message): object | null {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2024-11-05',
        capabilities: { tools: {} },
        serverInfo: { name: 'old', version: '1' },
      }
    case 'tools/list':
      return { tools }
    case 'tools/call':
      return { content: [{ type: 'text', text: `${params?.name}: ${JSON.stringify(params?.arguments)}` }] }
    case 'ping':
      return {}
    default:
      return null
  }
}
