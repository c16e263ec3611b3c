/** One approved call on its way: what is asked before, what is sent, and what is said about what came of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { canonical } from '../../src/domain/canonical.ts'
import { defaultLimits } from '../../src/domain/limits.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { createAloneSession } from '../../src/mcp/upstream/alone.ts'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { createUpstreamSession } from '../../src/mcp/upstream/session.ts'
import { createSlots } from '../../src/mcp/upstream/slots.ts'
import { createStdioUpstream } from '../../src/mcp/upstream/stdio.ts'
import type { Upstream } from '../../src/mcp/upstream/wire.ts'
import { agent } from '../support/builders.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Received {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly rpc: {
    id?: unknown
    method?: string
    params?: { cursor?: string; name?: string; _meta?: Record<string, unknown> }
  }
}

async function listen(server: Server) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  closers.push(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, close }
}

function upstreamAt(url: string): Upstream {
  const upstream = createHttpUpstream({ server: 'test', url, headers: {}, credentials: null, log })
  closers.push(() => upstream.close())
  return upstream
}

/** An upstream that answers each request with what `answer` does, and remembers all of them. */
async function upstreamThat(answer: (request: Received, response: ServerResponse) => void) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const rpc = body === '' ? {} : JSON.parse(body)
      const one = { method: request.method ?? '', headers: request.headers, body, rpc }
      received.push(one)
      answer(one, response)
    })
  })
  const { url, close } = await listen(server)
  return {
    upstream: upstreamAt(url),
    received,
    close,
    calls: () => received.filter(({ rpc }) => rpc.method === 'tools/call'),
  }
}

type Options = Parameters<typeof createUpstreamSession>[0]

function aSession(upstream: Upstream, overrides: Partial<Options> = {}) {
  const messages: string[] = []
  const session = createUpstreamSession({
    onListed: () => {},
    upstream,
    principal: agent,
    headers: { 'mcp-session-id': 'client-session', 'mcp-protocol-version': '2025-11-25' },
    era: 'legacy',
    envelope: '{}',
    progressToken: null,
    onMessage: (raw) => messages.push(raw),
    limits: { replyBytesMax: 10_000 },
    timings: { replyIdleMs: 500 },
    ...overrides,
  })
  return { ...session, messages }
}

const approvalId = 'HP-0123456789'
const call = {
  approvalId,
  canonicalParams: canonical({ name: 'delete_repo', arguments: { repo: 'a' } }),
  idempotencyKey: null,
  mayStillStart: () => true,
}
const idOf = ({ rpc }: Received) => JSON.stringify(rpc.id)
const reply = (to: Received | string, rawResult: string) =>
  `{"jsonrpc":"2.0","id":${typeof to === 'string' ? to : idOf(to)},"result":${rawResult}}`
const json = (response: ServerResponse, text: string, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(text)
const stream = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' })

describe('sending', () => {
  test('sends exactly what was approved, named by its approval', async () => {
    const { upstream, received } = await upstreamThat((request, response) =>
      json(response, reply(request, '{}')),
    )
    await aSession(upstream, { progressToken: '9007199254740993' }).send(call)
    expect(received).toHaveLength(1)
    expect(received[0]?.headers).toMatchObject({
      'idempotency-key': approvalId,
      'mcp-session-id': 'client-session',
      'mcp-protocol-version': '2025-11-25',
      connection: 'close',
    })
    expect(received[0]?.headers).not.toHaveProperty('mcp-method')
    expect(received[0]?.body).toContain('"arguments":{"repo":"a"},"name":"delete_repo"')
    expect(received[0]?.body).toContain('"progressToken":9007199254740993')
  })

  test('goes out under an id that nobody knows, and that no message brings back', async () => {
    const { upstream, received } = await upstreamThat((request, response) => {
      const said = `{"method":"notifications/message","params":{"data":${idOf(request)}}}`
      stream(response).end(`data: ${said}\n\ndata: ${reply(request, '{}')}\n\n`)
    })
    const session = aSession(upstream)
    expect(await session.send(call)).toMatchObject({ kind: 'answered' })
    expect(await session.send(call)).toMatchObject({ kind: 'answered' })
    const ids = received.map(({ rpc }) => String(rpc.id))
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^holdpoint-[0-9a-f-]{36}$/)
    expect(session.messages).toEqual(
      Array(2).fill(`{"method":"notifications/message","params":{"data":"${approvalId}"}}`),
    )
  })

  test('repeats the envelope and mirrors the name for 2026-07-28', async () => {
    const { upstream, received } = await upstreamThat((request, response) =>
      json(response, reply(request, '{}')),
    )
    const headers = { 'mcp-protocol-version': '2026-07-28' }
    const envelope = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'
    const session = aSession(upstream, { era: 'modern', headers, envelope })
    await session.send({ ...call, canonicalParams: canonical({ name: '삭제', arguments: {} }) })
    expect(received[0]?.headers).toMatchObject({
      'mcp-method': 'tools/call',
      'mcp-name': `=?base64?${Buffer.from('삭제').toString('base64')}?=`,
      'mcp-protocol-version': '2026-07-28',
    })
    expect(received[0]?.rpc.params?._meta).toMatchObject({
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    })
  })

  test.each([
    [
      'a result',
      (to: Received) => reply(to, '{"content":[], "n":12345678901234567890}'),
      { kind: 'result', text: '{"content":[], "n":12345678901234567890}', isError: false },
    ],
    [
      'a failed result',
      (to: Received) => reply(to, '{"isError" : true}'),
      { kind: 'result', text: '{"isError" : true}', isError: true },
    ],
    [
      'a result that is no object',
      (to: Received) => reply(to, '"ok"'),
      { kind: 'result', text: '"ok"', isError: false },
    ],
    [
      'an error',
      (to: Received) => `{"id":${idOf(to)},"error":{"code":-32602,"message":"x"}}`,
      { kind: 'error', text: '{"code":-32602,"message":"x"}', isError: true },
    ],
  ])('%s is answered, raw', async (_name, textFor, expected) => {
    const { upstream } = await upstreamThat((request, response) => json(response, textFor(request)))
    expect(await aSession(upstream).send(call)).toEqual({ kind: 'answered', reply: expected })
  })

  test('a task of the upstream’s own is known as one, in the era that has them', async () => {
    const task = '{"resultType":"task","taskId":"t-1","status":"working"}'
    const { upstream } = await upstreamThat((request, response) => json(response, reply(request, task)))
    const answered = { kind: 'result', text: task, isError: false }
    expect(await aSession(upstream, { era: 'modern', envelope: '{}' }).send(call)).toEqual({
      kind: 'answered',
      reply: { ...answered, isTask: true },
    })
    expect(await aSession(upstream).send(call)).toEqual({ kind: 'answered', reply: answered })
  })

  test('an error with an HTTP status is answered too, with our id or with none', async () => {
    for (const idFor of [idOf, () => 'null']) {
      const { upstream } = await upstreamThat((request, response) =>
        json(response, `{"id":${idFor(request)},"error":{"code":-32000,"message":"x"}}`, 400),
      )
      expect(await aSession(upstream).send(call)).toMatchObject({
        kind: 'answered',
        reply: { kind: 'error' },
      })
    }
  })

  test.each([401, 403, 404, 500])(
    'an error with our id is the upstream’s answer, also with HTTP %s',
    async (status) => {
      const { upstream } = await upstreamThat((request, response) =>
        json(response, `{"id":${idOf(request)},"error":{"code":-32000,"message":"x"}}`, status),
      )
      expect(await aSession(upstream).send(call)).toMatchObject({
        kind: 'answered',
        reply: { kind: 'error' },
      })
    },
  )

  test('a stream is read to the answer; what comes before passes, raw and in order', async () => {
    const other = [
      '{"method":"notifications/progress","params":{"progress":1.0}}',
      '{"id":1,"method":"elicitation/create"}',
      '{"method":"notifications/message"}',
    ]
    const { upstream } = await upstreamThat((request, response) => {
      stream(response)
      const text = `id: 0\ndata: \n\n${other.map((message) => `data: ${message}\r\n\r\n`).join('')}data: {"id":77,"result":{}}\n\ndata: {"jsonrpc":"2.0",\ndata: "id":${idOf(request)},"result":{"a":\ndata: 1}}\n\n`
      const bytes = Buffer.from(text)
      let at = 0
      const timer = setInterval(() => {
        response.write(bytes.subarray(at, at + 37))
        at += 37
        if (at >= bytes.length) clearInterval(timer)
      }, 1)
    })
    const session = aSession(upstream)
    expect(await session.send(call)).toEqual({
      kind: 'answered',
      reply: { kind: 'result', text: '{"a":\n1}', isError: false },
    })
    expect(session.messages).toEqual(other)
  })

  test('messages keep a long call alive, a mere open connection does not', async () => {
    const { upstream } = await upstreamThat((request, response) => {
      stream(response)
      let count = 0
      const timer = setInterval(() => {
        if (++count <= 4) return void response.write('data: {"method":"notifications/progress"}\n\n')
        clearInterval(timer)
        response.end(`data: ${reply(request, '{}')}\n\n`)
      }, 300)
    })
    expect(await aSession(upstream).send(call)).toMatchObject({ kind: 'answered' })
    const silent = await upstreamThat((_request, response) => {
      stream(response)
      const timer = setInterval(() => response.write(': still here\n\n'), 100)
      response.on('close', () => clearInterval(timer))
    })
    const sent = await aSession(silent.upstream).send(call)
    expect(sent).toMatchObject({ kind: 'indeterminate', reason: expect.stringContaining('silent') })
    expect(silent.calls()).toHaveLength(1)
  })

  test('a listener that throws does not cost the answer', async () => {
    const { upstream } = await upstreamThat((request, response) =>
      stream(response).end(`data: {"method":"x"}\n\ndata: ${reply(request, '{}')}\n\n`),
    )
    const session = aSession(upstream, {
      onMessage: () => {
        throw new Error('gone')
      },
    })
    expect(await session.send(call)).toMatchObject({ kind: 'answered' })
  })

  test.each<[string, (response: ServerResponse, request: Received) => void, string]>([
    ['a failure without a JSON-RPC body', (response) => response.writeHead(502).end('<html>'), 'HTTP 502'],
    ...[401, 403, 404, 409, 500, 503].map((status): [string, (response: ServerResponse) => void, string] => [
      `an error without an id and with HTTP ${status}`,
      (response) => json(response, '{"id":null,"error":{"code":-32001,"message":"x"}}', status),
      `HTTP ${status}`,
    ]),
    ['no body at all', (response) => response.writeHead(202).end(), 'HTTP 202'],
    [
      'a body that is not JSON',
      (response) => json(response, '{"jsonrpc":"2.0","id'),
      'without a valid answer',
    ],
    [
      'an answer to something else',
      (response) => json(response, reply('"other"', '{}')),
      'without a valid answer',
    ],
    [
      'an answer to the same id as a number',
      (response) => stream(response).end(`data: ${reply('7', '{}')}\n\n`),
      'without a valid answer',
    ],
    ['a stream that ends before', (response) => stream(response).end(': hi\n\n'), 'without a valid answer'],
    [
      'an answer to the ticket, which the requester knows',
      (response) => json(response, reply(`"${approvalId}"`, '{}')),
      'without a valid answer',
    ],
    [
      'an event that was cut off',
      (response, request) => stream(response).end(`data: ${reply(request, '{}')}`),
      'without a valid answer',
    ],
    [
      'an answer that is too large',
      (response, request) => json(response, reply(request, `"${'x'.repeat(20_000)}"`)),
      'larger than 10000 bytes',
    ],
    [
      'an event that is too large',
      (response, request) => stream(response).end(`data: ${reply(request, `"${'x'.repeat(20_000)}"`)}\n\n`),
      'larger than 10000 bytes',
    ],
    [
      'a truncated answer',
      (response) => {
        response.writeHead(200, { 'content-length': '999' }).write('{')
        setTimeout(() => response.destroy(), 20)
      },
      'broke off',
    ],
    ['a redirect', (response) => response.writeHead(308, { location: '/x' }).end(), 'redirect'],
    ['silence', () => {}, 'silent'],
    [
      'an endless stream',
      (response) => {
        stream(response)
        const timer = setInterval(
          () => response.write(`data: {"method":"x","p":"${'y'.repeat(5_000)}"}\n\n`),
          5,
        )
        response.on('close', () => clearInterval(timer))
      },
      'larger than',
    ],
  ])('%s leaves it open, after one request', async (_name, answer, words) => {
    const { upstream, received } = await upstreamThat((request, response) => answer(response, request))
    expect(await aSession(upstream).send(call)).toMatchObject({
      kind: 'indeterminate',
      reason: expect.stringContaining(words),
    })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(received).toHaveLength(1)
  })

  test('a reset at any byte of the answer is either the whole answer or open, and never a second request', async () => {
    const wholeFor = (request: string) => {
      const text = reply(/"id":("[^"]+")/.exec(request)?.[1] ?? '', '{}')
      return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
    }
    const anId = '"id":"holdpoint-00000000-0000-0000-0000-000000000000"'
    for (let bytes = 0; bytes < wholeFor(anId).length; bytes += 7) {
      let connections = 0
      const server = createTcpServer((socket) => {
        connections++
        socket.on('error', () => {})
        socket.once('data', (request) =>
          socket.write(wholeFor(String(request)).slice(0, bytes), () =>
            setTimeout(() => socket.resetAndDestroy(), 5),
          ),
        )
      })
      const { url } = await listen(server)
      const sent = await aSession(upstreamAt(url)).send(call)
      expect([bytes, sent.kind]).toEqual([bytes, 'indeterminate'])
      expect(connections).toBe(1)
    }
  })

  test('what could not be reached was not sent', async () => {
    const { upstream, close } = await upstreamThat(() => {})
    await close()
    expect(await aSession(upstream).send(call)).toMatchObject({
      kind: 'not_sent',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('what may not start any more is not sent, although the connection stands', async () => {
    let connections = 0
    let bytes = 0
    const server = createTcpServer((socket) => {
      connections++
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        bytes += chunk.length
      })
    })
    const { url } = await listen(server)
    const session = aSession(upstreamAt(url))
    const mayStillStart = vi.fn(() => false)
    expect(await session.send({ ...call, mayStillStart })).toEqual({
      kind: 'not_sent',
      reason: expect.stringContaining('stood still'),
    })
    expect(mayStillStart).toHaveBeenCalledTimes(1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    // Asked after connecting, which is what may take long.
    expect({ connections, bytes }).toEqual({ connections: 1, bytes: 0 })
  })

  test('what could not be written was not sent', async () => {
    const { upstream, received } = await upstreamThat((request, response) =>
      json(response, reply(request, '{}')),
    )
    expect(await aSession(upstream).send({ ...call, canonicalParams: '[]' })).toMatchObject({
      kind: 'not_sent',
    })
    expect(received).toHaveLength(0)
  })
})

describe('describing', () => {
  const page = (id: unknown, tools: string[], nextCursor?: string) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { tools: tools.map((name) => ({ name, inputSchema: {} })), nextCursor },
    })

  test('follows the pages to the exact name, on the session of the requester', async () => {
    const { upstream, received } = await upstreamThat(({ rpc }, response) => {
      const text =
        rpc.params?.cursor === 'two'
          ? page(rpc.id, ['delete_repo'])
          : page(rpc.id, ['Delete_Repo', 'delete_repo2'], 'two')
      if (rpc.params?.cursor === 'two') stream(response).end(`data: ${text}\n\n`)
      else json(response, text)
    })
    const { describe } = aSession(upstream)
    expect(await describe('delete_repo')).toMatchObject({
      kind: 'listed',
      definition: { digest: expect.any(String) },
    })
    expect(received.map(({ headers }) => headers['mcp-session-id'])).toEqual([
      'client-session',
      'client-session',
    ])
    expect(await describe('other')).toEqual({ kind: 'unlisted' })
  })

  test('carries the envelope for 2026-07-28', async () => {
    const { upstream, received } = await upstreamThat(({ rpc }, response) =>
      json(response, page(rpc.id, ['x'])),
    )
    const envelope = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'
    await aSession(upstream, {
      era: 'modern',
      headers: { 'mcp-protocol-version': '2026-07-28' },
      envelope,
    }).describe('x')
    expect(received[0]?.headers['mcp-method']).toBe('tools/list')
    expect(received[0]?.rpc.params?._meta).toEqual(JSON.parse(envelope))
  })

  test('ends a list that does not end', async () => {
    const { upstream, received } = await upstreamThat(({ rpc }, response) =>
      json(response, page(rpc.id, ['y'], 'again')),
    )
    expect(await aSession(upstream).describe('x')).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('50 pages'),
    })
    expect(received).toHaveLength(50)
  })

  test.each<[string, (received: Received, response: ServerResponse) => void, string]>([
    ['an upstream that knows us not', (_request, response) => response.writeHead(401).end(), 'credentials'],
    ['an upstream that fails', (_request, response) => response.writeHead(500).end(), 'HTTP 500'],
    [
      'an error',
      ({ rpc }, response) =>
        json(response, JSON.stringify({ id: rpc.id, error: { code: -32601, message: 'no tools' } })),
      'no tools',
    ],
    [
      'something else',
      ({ rpc }, response) => json(response, JSON.stringify({ id: rpc.id, result: { tools: 'x' } })),
      'no list of tools',
    ],
    [
      'a session that is gone and cannot be replaced',
      (_request, response) => response.writeHead(404).end(),
      'new session',
    ],
  ])('%s is unavailable', async (_name, answer, words) => {
    const { upstream, calls } = await upstreamThat(answer)
    expect(await aSession(upstream).describe('x')).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining(words),
    })
    expect(calls()).toHaveLength(0)
  })

  test('a session that is gone is replaced before anything is sent, used for the call, and closed', async () => {
    const { upstream, received, calls } = await upstreamThat(({ method, headers, rpc }, response) => {
      if (method === 'DELETE') return void response.writeHead(200).end()
      if (rpc.method === 'initialize') {
        response.setHeader('mcp-session-id', 'fresh')
        return void json(response, JSON.stringify({ id: rpc.id, result: { protocolVersion: '2025-11-25' } }))
      }
      if (headers['mcp-session-id'] !== 'fresh') return void response.writeHead(404).end()
      if (rpc.id === undefined) return void response.writeHead(202).end()
      if (rpc.method === 'tools/list') return void json(response, page(rpc.id, ['delete_repo']))
      json(response, reply(rpc.id === undefined ? '' : JSON.stringify(rpc.id), '{}'))
    })
    const session = aSession(upstream)
    expect(await session.describe('delete_repo')).toMatchObject({ kind: 'listed' })
    expect(await session.describe('delete_repo')).toMatchObject({ kind: 'listed' })
    expect(await session.send(call)).toMatchObject({ kind: 'answered' })
    await expect
      .poll(() => received.at(-1))
      .toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'fresh' } })
    expect(received.map(({ rpc, method }) => rpc.method ?? method)).toEqual([
      'tools/list',
      'initialize',
      'notifications/initialized',
      'tools/list',
      'tools/list',
      'tools/call',
      'DELETE',
    ])
    expect(calls()).toHaveLength(1)
  })

  test('without a session, what is not found is the address', async () => {
    const { upstream } = await upstreamThat((_request, response) => response.writeHead(404).end())
    expect(await aSession(upstream, { headers: {} }).describe('x')).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('url'),
    })
  })

  test('a session that is gone when it is sent on is not replaced', async () => {
    const { upstream, received } = await upstreamThat((_request, response) => response.writeHead(404).end())
    expect(await aSession(upstream).send(call)).toMatchObject({
      kind: 'indeterminate',
      reason: expect.stringContaining('HTTP 404'),
    })
    expect(received).toHaveLength(1)
  })
})

const initialize = (capabilities = '{}') =>
  `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":${capabilities},"clientInfo":{"name":"t","version":"1"}}}`

/** What a client does before its call is paused. */
async function opened(upstream: Upstream) {
  const wire = {
    method: 'POST',
    principal: agent,
    signal: new AbortController().signal,
    freshConnection: false,
    mayStart: () => true,
  } as const
  const accept = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' }
  const response = await upstream.exchange({ ...wire, headers: accept, body: initialize() })
  await new Response(response.body).text()
  const headers = {
    'mcp-session-id': response.headers['mcp-session-id'] ?? '',
    'mcp-protocol-version': '2025-06-18',
  }
  const told = await upstream.exchange({
    ...wire,
    headers: { ...accept, ...headers },
    body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  })
  await told.body?.cancel()
  const end = () => upstream.exchange({ ...wire, method: 'DELETE', headers, body: null })
  return { headers, end }
}

function stdioEverything(
  args: readonly string[] = ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio'],
) {
  const upstream = createStdioUpstream({
    server: 'everything',
    command: process.execPath,
    args,
    env: {},
    cwd: null,
    limits: { lineBytesMax: 1_000_000 },
    slots: createSlots(defaultLimits),
    homeOf: null,
    sessionIdleMs: 1_800_000,
    clock: {
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now(),
      sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    },
    log,
  })
  closers.push(() => upstream.close())
  return upstream
}

describe('on server-everything', () => {
  let server: ChildProcess
  const port = 21_000 + (process.pid % 5_000)

  beforeAll(async () => {
    const program = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'
    server = spawn(process.execPath, [program, 'streamableHttp'], {
      env: { ...process.env, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await vi.waitFor(() => fetch(`http://127.0.0.1:${port}/mcp`), { timeout: 60_000 })
  })
  afterAll(() => server.kill())

  const limits = { replyBytesMax: 1_000_000 }
  const slow = {
    approvalId,
    canonicalParams: canonical({
      name: 'trigger-long-running-operation',
      arguments: { duration: 0.4, steps: 4 },
    }),
    idempotencyKey: null,
    mayStillStart: () => true,
  }

  test.each(['http', 'stdio'])('over %s: described, sent, with its progress in order', async (transport) => {
    const upstream = transport === 'http' ? upstreamAt(`http://127.0.0.1:${port}/mcp`) : stdioEverything()
    const { headers } = await opened(upstream)
    const session = aSession(upstream, { headers, limits, timings: defaultTimings, progressToken: '"p"' })
    expect(await session.describe('trigger-long-running-operation')).toMatchObject({ kind: 'listed' })
    expect(await session.describe('nothing')).toEqual({ kind: 'unlisted' })
    expect(await session.send(slow)).toMatchObject({
      kind: 'answered',
      reply: { kind: 'result', isError: false },
    })
    const progress = session.messages
      .map((raw) => JSON.parse(raw))
      .filter(({ method }) => method === 'notifications/progress')
    expect(progress.map(({ params }) => params.progress)).toEqual([1, 2, 3, 4])
    expect(progress.every(({ params }) => params.progressToken === 'p')).toBe(true)
  })

  test.each(['http', 'stdio'])(
    'over %s: a session that ended while a person thought is replaced',
    async (transport) => {
      const upstream = transport === 'http' ? upstreamAt(`http://127.0.0.1:${port}/mcp`) : stdioEverything()
      const { headers, end } = await opened(upstream)
      await end()
      const session = aSession(upstream, { headers, limits, timings: defaultTimings })
      const echo = {
        ...slow,
        canonicalParams: canonical({ name: 'echo', arguments: { message: '9007199254740993 안녕' } }),
      }
      expect(await session.describe('echo')).toMatchObject({ kind: 'listed' })
      expect(await session.send(echo)).toMatchObject({
        kind: 'answered',
        reply: { text: expect.stringContaining('9007199254740993 안녕') },
      })
    },
  )
})

describe('on a stdio process', () => {
  const script = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line)
    if (method === 'initialize') console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
    if (method === 'tools/call') process.exit(1)
  })`

  test('that crashes after the send, nobody knows', async () => {
    const upstream = stdioEverything(['-e', script])
    const { headers } = await opened(upstream)
    expect(await aSession(upstream, { headers }).send(call)).toMatchObject({
      kind: 'indeterminate',
      reason: expect.stringContaining('exited with code 1'),
    })
  })

  test('is told nothing that may not start any more', async () => {
    const upstream = stdioEverything(['-e', script])
    const { headers } = await opened(upstream)
    const session = aSession(upstream, { headers })
    expect(await session.send({ ...call, mayStillStart: () => false })).toMatchObject({
      kind: 'not_sent',
      reason: expect.stringContaining('stood still'),
    })
    // It did not crash, so it was not told.
    expect(await session.send(call)).toMatchObject({ kind: 'indeterminate' })
  })

  test('that is gone before the send, nothing was sent', async () => {
    const upstream = stdioEverything(['-e', script])
    const { headers, end } = await opened(upstream)
    await end()
    expect(await aSession(upstream, { headers }).send(call)).toMatchObject({ kind: 'not_sent' })
  })
})

describe('a session of the gateway’s own, for a call that runs without its requester', () => {
  const listed = '{"tools":[{"name":"delete_repo","inputSchema":{"type":"object"}}]}'
  const terms = { principal: agent, limits: { replyBytesMax: 10_000 }, timings: { replyIdleMs: 500 } }

  test('opens with a handshake, sends once, and is closed', async () => {
    const { upstream, received, calls } = await upstreamThat((request, response) => {
      const { method } = request.rpc
      if (request.method === 'DELETE') return response.writeHead(204).end()
      if (method === 'notifications/initialized') return response.writeHead(202).end()
      if (method === 'initialize') {
        response.setHeader('mcp-session-id', 'own-session')
        return json(response, reply(request, '{"protocolVersion":"2025-06-18","capabilities":{}}'))
      }
      json(response, reply(request, method === 'tools/list' ? listed : '{"content":[]}'))
    })
    const alone = createAloneSession({ ...terms, upstream, era: 'legacy' })
    expect(await alone.send(call)).toMatchObject({ kind: 'not_sent' })
    expect(await alone.describe('delete_repo')).toMatchObject({ kind: 'listed' })
    expect(await alone.describe('delete_repo')).toMatchObject({ kind: 'listed' })
    expect(await alone.send(call)).toMatchObject({ kind: 'answered', reply: { text: '{"content":[]}' } })
    await alone.close()
    expect(received.filter(({ rpc }) => rpc.method === 'initialize')).toHaveLength(1)
    expect(calls()).toHaveLength(1)
    expect(calls()[0]?.headers).toMatchObject({
      'mcp-session-id': 'own-session',
      'mcp-protocol-version': '2025-06-18',
    })
    expect(received.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'own-session' } })
  })

  test('of a revision without sessions says what every request has to say, and nothing of a client', async () => {
    const { upstream, received, calls } = await upstreamThat((request, response) =>
      json(response, reply(request, request.rpc.method === 'tools/list' ? listed : '{"content":[]}')),
    )
    const alone = createAloneSession({ ...terms, upstream, era: 'modern' })
    await alone.describe('delete_repo')
    expect(await alone.send(call)).toMatchObject({ kind: 'answered' })
    await alone.close()
    expect(received.map(({ rpc }) => rpc.method)).toEqual(['tools/list', 'tools/call'])
    expect(calls()[0]?.rpc.params?._meta).toMatchObject({
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'holdpoint' },
      'io.modelcontextprotocol/clientCapabilities': {},
    })
  })

  test.each(['legacy', 'modern'] as const)(
    'reads for people on it, %s, with a bound on the answer',
    async (era) => {
      let answer = '{"content":[{"type":"text","text":"refunded: 0"}]}'
      const leaving = new AbortController()
      const { upstream, calls } = await upstreamThat((request, response) => {
        const { method } = request.rpc
        if (method === 'initialize') {
          response.setHeader('mcp-session-id', 'own-session')
          return json(response, reply(request, '{"protocolVersion":"2025-06-18","capabilities":{}}'))
        }
        if (method === 'tools/list') return json(response, reply(request, listed))
        // A server that never answers.
        if (answer === '') return leaving.abort()
        json(response, reply(request, answer))
      })
      const alone = createAloneSession({ ...terms, upstream, era })
      const canonicalParams = '{"arguments":{"name":"acme"},"name":"delete_repo"}'
      const request = { canonicalParams, answerBytesMax: 1_000, silenceMs: 30_000, leaving: leaving.signal }
      expect(await alone.read(request)).toMatchObject({ ok: false })
      await alone.describe('delete_repo')
      expect(await alone.read(request)).toEqual({
        ok: true,
        value: { kind: 'result', text: answer, isError: false },
      })
      expect(calls()[0]?.rpc.params).toMatchObject({ name: 'delete_repo', arguments: { name: 'acme' } })
      // What carries an approval is for what was approved.
      expect(JSON.stringify(calls()[0]?.rpc.params)).not.toContain('dev.holdpoint')
      expect(calls()[0]?.headers['idempotency-key']).toBeUndefined()
      answer = `{"content":[{"type":"text","text":"${'x'.repeat(2_000)}"}]}`
      expect(await alone.read(request)).toMatchObject({ ok: false })
      answer = ''
      expect(await alone.read(request)).toMatchObject({ ok: false })
      await alone.close()
    },
  )

  test.each(['initialize', 'tools/list'])(
    'asks no longer than somebody wants to know: %s',
    async (silent) => {
      const leaving = new AbortController()
      const { upstream } = await upstreamThat((request, response) => {
        const { method } = request.rpc
        if (method === silent) return leaving.abort()
        if (method === 'notifications/initialized') return response.writeHead(202).end()
        json(response, reply(request, '{"protocolVersion":"2025-06-18","capabilities":{}}'))
      })
      const alone = createAloneSession({ ...terms, upstream, era: 'legacy' })
      // By itself it would wait for 20 s.
      const begunMs = performance.now()
      expect(await alone.describe('delete_repo', leaving.signal)).toMatchObject({ kind: 'unavailable' })
      expect(performance.now() - begunMs).toBeLessThan(15_000)
      await alone.close()
    },
  )

  test('with an upstream that is away finds it out before anything is sent', async () => {
    const { upstream, close, calls } = await upstreamThat(() => {})
    await close()
    const alone = createAloneSession({ ...terms, upstream, era: 'legacy' })
    expect(await alone.describe('delete_repo')).toMatchObject({ kind: 'unavailable' })
    expect(await alone.send(call)).toMatchObject({ kind: 'not_sent' })
    await alone.close()
    expect(calls()).toEqual([])
  })
})
