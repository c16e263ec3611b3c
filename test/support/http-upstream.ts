/**
 * An MCP server over real HTTP for tests: both eras of Streamable HTTP written by hand, so that a test sees every
 * byte that came in, counts what really ran, and can make the server fail in the ways that servers fail.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { z } from 'zod'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The exact text of the body. */
  readonly body: string
  /** The JSON-RPC method, or `null` for a response, for no body and for what is not JSON-RPC. */
  readonly rpcMethod: string | null
  /** The tool of a `tools/call`, otherwise `null`. */
  readonly tool: string | null
  /** When it had been read, by the clock of this machine. */
  readonly atMs: number
}

/**
 * What goes wrong. A `status` answers whatever was sent, and nothing runs. The other kinds break the answer of a
 * JSON-RPC request, after its tool has run.
 */
export type Fault =
  /** Nothing is written until `behave()`; then the answer comes after all. */
  | { readonly kind: 'never_answer' }
  /** TCP reset before the status line. */
  | { readonly kind: 'reset_after_request' }
  /** An event stream that opens and then breaks before the answer. */
  | { readonly kind: 'cut_stream' }
  | { readonly kind: 'bad_json' }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
    }

export interface HttpUpstream {
  readonly url: URL
  /** Everything received, in order, refused requests included. */
  readonly requests: readonly ReceivedRequest[]
  /** Tools that ran, in order. This is what "the upstream was hit once" means. */
  readonly executed: readonly { readonly tool: string; readonly args: Record<string, unknown> }[]
  /** The raw `result` or error of every request that was answered or would have been, by its JSON-RPC id. */
  readonly replies: ReadonlyMap<string | number, string>
  /** Request ids that were cancelled: by notification in the legacy era, by disconnecting in the modern one. */
  readonly cancelled: readonly (string | number)[]
  /** The `tools/call` requests received for this tool. */
  callsOf(tool: string): ReceivedRequest[]
  /** Resolves with the first received request, past or to come, that fits. */
  seen(fits: (request: ReceivedRequest) => boolean): Promise<ReceivedRequest>
  /** Applies to each request with this JSON-RPC method (`'*'` for every one) until `behave()`. */
  misbehave(rpcMethod: string, fault: Fault): void
  behave(): void
  /** `true`: also simple answers come as event streams, as most servers do. */
  streamAnswers(isStreaming: boolean): void
  /** Changes a tool's description and says `notifications/tools/list_changed` on every open GET stream. */
  redefine(tool: string, description: string): void
  /** Forgets all sessions: their next request gets 404, as after a restart of a real server. */
  expireSessions(): void
  /** Closes the listening socket and all connections: `ECONNREFUSED` until `accept()` on the same port. */
  refuse(): Promise<void>
  accept(): Promise<void>
  close(): Promise<void>
}

export async function startHttpUpstream(): Promise<HttpUpstream> {
  const requests: ReceivedRequest[] = []
  const executed: { tool: string; args: Record<string, unknown> }[] = []
  const replies = new Map<string | number, string>()
  const cancelled: (string | number)[] = []
  const watchers = new Set<(request: ReceivedRequest) => void>()
  const sessions = new Map<string, { readonly streams: Set<ServerResponse> }>()
  const asked = new Map<string | number, (answer: unknown) => void>()
  const tools = upstreamTools.map((tool) => ({ ...tool }))
  const sockets = new Set<Socket>()
  const withheld = new Set<() => void>()
  let misbehaviour: { rpcMethod: string; fault: Fault } | null = null
  let isStreaming = false

  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => {
      if (!res.headersSent && !res.destroyed) sendError(res, 500, null, -32603, String(error))
    })
  })
  server.requestTimeout = 0
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await readText(req)
    const message = parseMessage(body)
    const received = record(req, body, message)
    requests.push(received)
    for (const watch of watchers) watch(received)

    const fault = faultFor(received.rpcMethod)
    if (fault?.kind === 'status') {
      for (const [name, value] of Object.entries(fault.headers ?? {})) res.setHeader(name, value)
      return sendError(res, fault.status, null, -32000, 'told to fail')
    }
    if (req.headers['mcp-protocol-version'] === MODERN) return handleModern(req, res, message)
    if (req.method === 'GET' || req.method === 'DELETE') return handleSession(req, res)
    if (message === null) return sendError(res, 400, null, -32700, 'Parse error')
    if (message.method === 'initialize') res.setHeader('mcp-session-id', openSession())
    else if (sessionOf(req, res) === null) return
    if (message.method === 'notifications/cancelled')
      cancelled.push(CancelledParams.parse(message.params).requestId)
    if (message.method === undefined && message.id !== undefined)
      asked.get(message.id)?.(message.result ?? null)
    if (message.method === undefined || message.id === undefined) return void res.writeHead(202).end()
    await answer(res, message.id, message, 'legacy')
  }

  function faultFor(rpcMethod: string | null): Fault | null {
    if (misbehaviour === null) return null
    return misbehaviour.rpcMethod === '*' || misbehaviour.rpcMethod === rpcMethod ? misbehaviour.fault : null
  }

  function openSession(): string {
    const sessionId = randomUUID()
    sessions.set(sessionId, { streams: new Set() })
    return sessionId
  }

  /** Answers and returns `null` when the request names no living session. */
  function sessionOf(req: IncomingMessage, res: ServerResponse) {
    const id = req.headers['mcp-session-id']
    if (typeof id !== 'string') {
      sendError(res, 400, null, -32000, 'Bad Request: Mcp-Session-Id header is required')
      return null
    }
    const session = sessions.get(id)
    if (session === undefined) sendError(res, 404, null, -32001, 'Session not found')
    return session ?? null
  }

  function handleSession(req: IncomingMessage, res: ServerResponse): void {
    const session = sessionOf(req, res)
    if (session === null) return
    if (req.method === 'DELETE') {
      sessions.delete(String(req.headers['mcp-session-id']))
      for (const stream of session.streams) stream.end()
      res.writeHead(200).end()
      return
    }
    openStream(res)
    session.streams.add(res)
    res.once('close', () => session.streams.delete(res))
  }

  async function handleModern(
    req: IncomingMessage,
    res: ServerResponse,
    message: Message | null,
  ): Promise<void> {
    if (req.method !== 'POST') return void res.writeHead(405, { allow: 'POST' }).end()
    if (message === null) return sendError(res, 400, null, -32700, 'Parse error')
    const { method, params } = message
    const id = message.id ?? null
    const name = headerText(req.headers['mcp-name'])
    const isNameRight = method !== 'tools/call' || name === params.name
    if (req.headers['mcp-method'] !== method || !isNameRight)
      return sendError(res, 400, id, -32020, 'HeaderMismatch: headers and body differ')
    const envelope = ModernMeta.safeParse(params._meta)
    if (!envelope.success) return sendError(res, 400, id, -32602, 'Missing _meta of 2026-07-28')
    if (id === null) return void res.writeHead(202).end()
    await answer(res, id, message, 'modern')
  }

  async function answer(res: ServerResponse, id: RpcId, message: Message, era: Era): Promise<void> {
    if (isStreaming) openStream(res)
    let isBrokenByUs = false
    res.once('close', () => {
      const isLeft = !res.writableFinished && !isBrokenByUs && server.listening
      if (era === 'modern' && isLeft) cancelled.push(id)
    })
    const reply = await replyTo(res, message, era)
    replies.set(
      id,
      reply.kind === 'result' ? reply.json : JSON.stringify({ code: reply.code, message: reply.message }),
    )
    const envelope =
      reply.kind === 'result'
        ? `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${reply.json}}`
        : JSON.stringify({ jsonrpc: '2.0', id, error: { code: reply.code, message: reply.message } })

    const fault = faultFor(message.method ?? null)
    switch (fault?.kind) {
      case 'reset_after_request':
        isBrokenByUs = true
        res.socket?.resetAndDestroy()
        return
      case 'cut_stream':
        isBrokenByUs = true
        openStream(res)
        res.write(': about to break\n\n', () => res.destroy())
        return
      case 'bad_json':
        finish(res, envelope.slice(0, envelope.length / 2), reply, era)
        return
      case 'never_answer':
        withheld.add(() => finish(res, envelope, reply, era))
        return
      case 'status':
      case undefined:
        finish(res, envelope, reply, era)
    }
  }

  async function replyTo(res: ServerResponse, message: Message, era: Era): Promise<Reply> {
    const { method, params } = message
    if (method === 'initialize' && era === 'legacy') return initialize(InitializeParams.parse(params))
    if (method === 'ping' && era === 'legacy') return result({}, era)
    if (method === 'server/discover' && era === 'modern')
      return result(
        { supportedVersions: [MODERN], capabilities: { tools: {} }, ...cacheable, _meta: SERVER_META },
        era,
      )
    if (method === 'tools/list') return listTools(params.cursor, era)
    if (method !== 'tools/call') return { kind: 'error', code: -32601, message: 'Method not found' }

    const { name, arguments: args, _meta, inputResponses } = CallParams.parse(params)
    const run = tools.find((tool) => tool.definition.name === name)?.run
    if (run === undefined) return { kind: 'error', code: -32602, message: `Unknown tool: ${name}` }
    executed.push({ tool: name, args })
    return run(args, {
      era,
      inputResponses,
      executions: executed.filter(({ tool }) => tool === name).length,
      progress(done, total) {
        if (_meta.progressToken === undefined) return
        const progressParams = { progressToken: _meta.progressToken, progress: done, total }
        sendEvent(
          res,
          JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: progressParams }),
        )
      },
      ask(askParams) {
        const askId = `ask-${randomUUID()}`
        sendEvent(
          res,
          JSON.stringify({ jsonrpc: '2.0', id: askId, method: 'elicitation/create', params: askParams }),
        )
        return new Promise((resolve) => asked.set(askId, resolve))
      },
    })
  }

  function listTools(cursor: unknown, era: Era): Reply {
    const start = cursor === undefined ? 0 : Number(String(cursor).replace('from-', ''))
    if (!Number.isInteger(start)) return { kind: 'error', code: -32602, message: 'Invalid cursor' }
    const end = start + TOOLS_PER_PAGE
    const next = end < tools.length ? { nextCursor: `from-${end}` } : {}
    const definitions = tools.slice(start, end).map(({ definition }) => definition)
    return result({ tools: definitions, ...next, ...(era === 'modern' ? cacheable : {}) }, era)
  }

  async function listen(port: number): Promise<number> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert(address !== null && typeof address === 'object')
    return address.port
  }

  async function refuse(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }

  const port = await listen(0)

  return {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    requests,
    executed,
    replies,
    cancelled,
    callsOf: (tool) => requests.filter((request) => request.tool === tool),
    seen(fits) {
      const past = requests.find(fits)
      if (past !== undefined) return Promise.resolve(past)
      return new Promise((resolve) => {
        watchers.add(function watch(request) {
          if (!fits(request)) return
          watchers.delete(watch)
          resolve(request)
        })
      })
    },
    misbehave(rpcMethod, fault) {
      misbehaviour = { rpcMethod, fault }
    },
    behave() {
      misbehaviour = null
      for (const release of withheld) release()
      withheld.clear()
    },
    streamAnswers(isOn) {
      isStreaming = isOn
    },
    redefine(name, description) {
      const tool = tools.find(({ definition }) => definition.name === name)
      assert(tool !== undefined, `no such tool: ${name}`)
      tool.definition = { ...tool.definition, description }
      const changed = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
      for (const { streams } of sessions.values()) for (const stream of streams) sendEvent(stream, changed)
    },
    expireSessions() {
      for (const { streams } of sessions.values()) for (const stream of streams) stream.end()
      sessions.clear()
    },
    refuse,
    async accept() {
      if (!server.listening) await listen(port)
    },
    close: refuse,
  }
}

const MODERN = '2026-07-28'
const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']
/** Fewer than there are tools, so that whoever reads only the first page is found out. */
const TOOLS_PER_PAGE = 3
const SERVER_INFO = { name: 'http-upstream', version: '1.0.0' }
const SERVER_META = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO }
const cacheable = { ttlMs: 0, cacheScope: 'private' }

type Era = 'legacy' | 'modern'
type RpcId = string | number
type Message = z.infer<typeof Message>
/** `json` is the text of the result, so that a tool can answer what `JSON.stringify` cannot write. */
type Reply =
  | { readonly kind: 'result'; readonly json: string }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }

interface Call {
  readonly era: Era
  readonly inputResponses: Readonly<Record<string, unknown>> | undefined
  /** How often this tool has run, this time included. */
  readonly executions: number
  progress(done: number, total: number): void
  ask(params: unknown): Promise<unknown>
}

interface UpstreamTool {
  definition: { readonly name: string; readonly description: string; readonly [key: string]: unknown }
  readonly run: (args: Record<string, unknown>, call: Call) => Promise<Reply>
}

const Id = z.union([z.string(), z.number()])
const Message = z.object({
  jsonrpc: z.literal('2.0'),
  id: Id.optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).default({}),
  result: z.unknown().optional(),
})
const InitializeParams = z.object({ protocolVersion: z.string() })
const CancelledParams = z.object({ requestId: Id })
const CallParams = z.object({
  name: z.string(),
  arguments: z.record(z.string(), z.unknown()).default({}),
  _meta: z.object({ progressToken: Id.optional() }).default({}),
  inputResponses: z.record(z.string(), z.unknown()).optional(),
})
const ModernMeta = z.object({
  'io.modelcontextprotocol/protocolVersion': z.literal(MODERN),
  'io.modelcontextprotocol/clientCapabilities': z.record(z.string(), z.unknown()),
})

const question = {
  mode: 'form',
  message: 'Which colour?',
  requestedSchema: { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] },
}

/** With large integers and unknown fields: whoever parses and rewrites it on the way is found out. */
const BIG_RESULT_FIELDS =
  '"content":[{"type":"text","text":"big","x-unknown-content":1}],' +
  '"structuredContent":{"exact":9007199254740993,"ratio":1.0},' +
  '"_meta":{"com.example/exact":9007199254740993},"x-unknown":{"kept":[1,null]}'

const upstreamTools: readonly UpstreamTool[] = [
  {
    definition: {
      ...tool('echo', 'Answers with the arguments, after `delayMs` where that is one of them.', {
        message: { type: 'string' },
      }),
      title: 'Echo',
      annotations: { readOnlyHint: true },
      _meta: { 'com.example/kept': true },
    },
    run: async (args, { era }) => {
      if (typeof args.delayMs === 'number') await delay(args.delayMs)
      return textResult(JSON.stringify(args), era)
    },
  },
  {
    definition: {
      ...tool('create_refund', 'Refunds a payment.', {
        paymentId: { type: 'string' },
        amountKrw: { type: 'integer' },
      }),
      outputSchema: {
        type: 'object',
        properties: { refundId: { type: 'string' } },
        required: ['refundId'],
      },
      annotations: { destructiveHint: true, idempotentHint: false },
    },
    run: async (_args, { era, executions }) => {
      const refund = { refundId: `re_${executions}` }
      return result({ content: [textBlock(JSON.stringify(refund))], structuredContent: refund }, era)
    },
  },
  {
    definition: {
      ...tool('delete_repository', 'Deletes a repository for ever.', {
        owner: { type: 'string' },
        name: { type: 'string' },
      }),
      annotations: { destructiveHint: true },
    },
    run: async ({ owner, name }, { era }) => textResult(`deleted ${String(owner)}/${String(name)}`, era),
  },
  {
    definition: tool('slow', 'Takes `delayMs`, with progress in three steps for whoever asked for it.', {
      delayMs: { type: 'integer' },
    }),
    run: async ({ delayMs }, { era, progress }) => {
      const steps = 3
      for (let step = 1; step <= steps; step++) {
        await delay(Number(delayMs) / steps)
        progress(step, steps)
      }
      return textResult('slow but done', era)
    },
  },
  {
    definition: tool('ask', 'Asks the person in front of the client for a colour and answers with it.', {}),
    run: async (_args, { era, ask, inputResponses }) => {
      if (era === 'legacy') return textResult(JSON.stringify(await ask(question)), era)
      if (inputResponses !== undefined) return textResult(JSON.stringify(inputResponses.colour), era)
      const inputRequests = { colour: { method: 'elicitation/create', params: question } }
      const asking = { resultType: 'input_required', inputRequests, requestState: 'state-of-ask' }
      return { kind: 'result', json: JSON.stringify(asking) }
    },
  },
  {
    definition: tool('big', 'Answers with integers beyond 2^53 and with fields that no schema knows.', {}),
    run: async (_args, { era }) => {
      const resultType = era === 'modern' ? '"resultType":"complete",' : ''
      return { kind: 'result', json: `{${resultType}${BIG_RESULT_FIELDS}}` }
    },
  },
  {
    definition: tool('fail', 'Answers with a JSON-RPC error.', {}),
    run: async () => ({ kind: 'error', code: -32099, message: 'told to fail' }),
  },
  {
    definition: tool('iserror', 'Answers with a result that says that the tool failed.', {}),
    run: async (_args, { era }) => result({ content: [textBlock('the tool failed')], isError: true }, era),
  },
]

/** All the properties are required. */
function tool(name: string, description: string, properties: Readonly<Record<string, unknown>>) {
  return { name, description, inputSchema: { type: 'object', properties, required: Object.keys(properties) } }
}

const textResult = (text: string, era: Era): Reply => result({ content: [textBlock(text)] }, era)
const textBlock = (text: string) => ({ type: 'text', text })
const delay = (delayMs: number) => new Promise<void>((resolve) => setTimeout(resolve, delayMs))

function result(fields: Record<string, unknown>, era: Era): Reply {
  const json = JSON.stringify(era === 'modern' ? { resultType: 'complete', ...fields } : fields)
  return { kind: 'result', json }
}

function initialize({ protocolVersion }: z.infer<typeof InitializeParams>): Reply {
  const initialized = {
    protocolVersion: LEGACY.includes(protocolVersion) ? protocolVersion : LEGACY[0],
    capabilities: { tools: { listChanged: true } },
    serverInfo: SERVER_INFO,
    instructions: 'An upstream for tests.',
  }
  return result(initialized, 'legacy')
}

function parseMessage(body: string): Message | null {
  try {
    return Message.parse(JSON.parse(body))
  } catch {
    return null
  }
}

function record(req: IncomingMessage, body: string, message: Message | null): ReceivedRequest {
  const headers = Object.fromEntries(
    Object.entries(req.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
  const rpcMethod = message?.method ?? null
  const tool = rpcMethod === 'tools/call' ? String(message?.params.name) : null
  return { method: req.method ?? '', path: req.url ?? '', headers, body, rpcMethod, tool, atMs: Date.now() }
}

/** A header value of the modern era: what is not ASCII comes as `=?base64?…?=`. */
function headerText(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value)?.[1]
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString('utf8')
}

function finish(res: ServerResponse, envelope: string, reply: Reply, era: Era): void {
  if (res.destroyed) return
  if (res.headersSent) {
    sendEvent(res, envelope)
    res.end()
    return
  }
  // MUST per MCP 2026-07-28: an unknown method is also a 404.
  const isUnknownMethod = reply.kind === 'error' && reply.code === -32601
  sendText(res, era === 'modern' && isUnknownMethod ? 404 : 200, envelope)
}

function openStream(res: ServerResponse): void {
  if (res.headersSent) return
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  res.flushHeaders()
}

function sendEvent(res: ServerResponse, json: string): void {
  if (res.destroyed || res.writableEnded) return
  openStream(res)
  res.write(`event: message\ndata: ${json}\n\n`)
}

function sendError(res: ServerResponse, status: number, id: RpcId | null, code: number, text: string): void {
  sendText(res, status, JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: text } }))
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(text)
}
