/** A server at a URL that answers a `tools/call` in the raw way that the name of its tool says; everything else it answers well. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'

export interface ScriptedHttp {
  readonly url: string
  /** What came in, with the session it named. */
  readonly requests: { method: string; session: string | undefined; body: string }[]
  /** That were opened, in order. */
  readonly sessions: readonly string[]
  close(): Promise<void>
}

type Behaviour = (res: ServerResponse, id: unknown, token: unknown) => void

const result = (id: unknown, said: string) =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    result: { resultType: 'complete', content: [{ type: 'text', text: said }] },
  })
const progress = (progressToken: unknown, done: number) =>
  JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken, progress: done },
  })
const events = (...messages: string[]) =>
  messages.map((message) => `event: message\ndata: ${message}\n\n`).join('')
const stream = (res: ServerResponse) => res.writeHead(200, { 'content-type': 'text/event-stream' })

const behaviours: Readonly<Record<string, Behaviour>> = {
  burst: (res, id, token) =>
    stream(res).end(events(...[1, 2, 3, 4].map((done) => progress(token, done)), result(id, 'all in order'))),
  marks: (res, id, token) =>
    stream(res).end(
      events(progress(token, 1), result(id, `id ${JSON.stringify(id)}, token ${JSON.stringify(token)}`)),
    ),
  answer: (res, id) => stream(res).end(events(result(id, 'said once'))),
  end_without_answer: (res, _id, token) => stream(res).end(events(progress(token, 1))),
  break_off: (res, _id, token) => stream(res).write(events(progress(token, 1)), () => res.destroy()),
  break_inside_an_event: (res) => stream(res).write('event: message\ndata: {"jsonrpc', () => res.destroy()),
  accept_only: (res) => res.writeHead(202).end(),
  say_nothing: (res) => res.writeHead(204).end(),
  reset: (res) => void res.socket?.resetAndDestroy(),
  half_json: (res) =>
    void res.writeHead(200, { 'content-type': 'application/json' }).write('{"js', () => res.destroy()),
  teapot: (res) => res.writeHead(418, { 'content-type': 'text/plain' }).end('no'),
  internal_error: (res) => res.writeHead(500).end(),
}

export async function startScriptedHttp(): Promise<ScriptedHttp> {
  const requests: ScriptedHttp['requests'] = []
  const sessions: string[] = []
  const forgotten = new Set<string>()
  const server = createServer((req, res) => void handle(req, res))

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await readText(req)
    const session = req.headers['mcp-session-id']
    requests.push({
      method: req.method ?? '',
      session: typeof session === 'string' ? session : undefined,
      body,
    })
    if (req.method !== 'POST') return void res.writeHead(req.method === 'DELETE' ? 200 : 405).end()
    if (typeof session === 'string' && forgotten.has(session)) return void res.writeHead(404).end()
    const { id, method, params } = JSON.parse(body)
    if (id === undefined) return void res.writeHead(202).end()
    const json = (value: object) =>
      res
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ jsonrpc: '2.0', id, result: value }))
    if (method === 'initialize') {
      const opened = randomUUID()
      sessions.push(opened)
      res.setHeader('mcp-session-id', opened)
      const serverInfo = { name: 'scripted', version: '1' }
      return void json({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo })
    }
    if (method === 'subscriptions/listen') {
      const error = { code: -32_601, message: 'Method not found' }
      res.writeHead(404, { 'content-type': 'application/json' })
      return void res.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
    }
    const tools = Object.keys(behaviours).map((name) => ({ name, inputSchema: { type: 'object' } }))
    if (method !== 'tools/call') return void json({ resultType: 'complete', tools })
    // It answers once more, and then knows nothing of this session.
    if (params.name === 'forget' && typeof session === 'string') forgotten.add(session)
    behaviours[params.name === 'forget' ? 'answer' : params.name]?.(res, id, params._meta?.progressToken)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    requests,
    sessions,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
