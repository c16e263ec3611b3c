/** A URL that speaks HTTP+SSE of 2024-11-05, well and badly: every request gets one answer, and nothing goes anywhere else. */
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../src/domain/limits.ts'
import { ok as granted } from '../../src/domain/result.ts'
import { clock } from '../../src/launch/clock.ts'
import { createAtUrl } from '../../src/mcp/upstream/eras/at-url.ts'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { createUpstreamSession } from '../../src/mcp/upstream/session.ts'
import type { Transport } from '../../src/mcp/upstream/sse/either-transport.ts'
import {
  type Upstream,
  UpstreamFault,
  type WireRequest,
  type WireResponse,
} from '../../src/mcp/upstream/wire.ts'
import type { CredentialHeaders, UpstreamCredentials } from '../../src/ports/upstream-credentials.ts'
import { agent } from '../support/builders.ts'
import { type Posted, type SseServer, startSseServer } from '../support/sse-server.ts'

const logged: string[] = []
const note = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`)
const log = { debug: note, info: note, warn: note, error: note }
const closers: (() => Promise<unknown>)[] = []
let server: SseServer

beforeEach(async () => {
  logged.length = 0
  server = await startSseServer()
  closers.push(server.close)
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function anUpstream(
  options: {
    transport?: Transport
    headers?: Record<string, string>
    credentials?: UpstreamCredentials
    lineBytesMax?: number
    url?: string
  } = {},
): Upstream {
  const url = new URL(options.url ?? server.url)
  const { headers = {}, credentials = null, transport = 'auto' } = options
  const http = createHttpUpstream({ server: 'old', url: url.href, headers, credentials, log })
  const limits = { ...defaultLimits, lineBytesMax: options.lineBytesMax ?? 1_000_000 }
  const upstream = createAtUrl({ http, url, transport, limits, sessionIdleMs: 1_800_000, clock, log })
  closers.push(() => upstream.close())
  return upstream
}

function aRequest(body: object | null, overrides: Partial<WireRequest> = {}): WireRequest {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: body === null ? null : JSON.stringify(body),
    principal: agent,
    signal: new AbortController().signal,
    freshConnection: false,
    mayStart: () => true,
    ...overrides,
  }
}

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
}
const textOf = async ({ body }: WireResponse) => new Response(body).text()
const answerOf = async (response: WireResponse) =>
  JSON.parse((await textOf(response)).match(/\{.*\}/)?.[0] ?? 'null')

async function aSession(upstream: Upstream) {
  const opened = await upstream.exchange(aRequest(initialize))
  expect(await answerOf(opened)).toMatchObject({ id: 0, result: { protocolVersion: '2024-11-05' } })
  const headers = {
    'content-type': 'application/json',
    'mcp-session-id': opened.headers['mcp-session-id'] ?? '',
    'mcp-protocol-version': '2024-11-05',
  }
  return {
    headers,
    send: (message: object, overrides: Partial<WireRequest> = {}) =>
      upstream.exchange(aRequest({ jsonrpc: '2.0', ...message }, { headers, ...overrides })),
    call: (name: string, id: string | number = 1, overrides: Partial<WireRequest> = {}) =>
      upstream.exchange(
        aRequest(
          { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { a: 1 } } },
          { headers, ...overrides },
        ),
      ),
    approved: () =>
      createUpstreamSession({
        ...{ upstream, principal: agent, headers, era: 'legacy', envelope: '{}', progressToken: null },
        ...{
          onMessage: () => {},
          onListed: () => {},
          limits: defaultLimits,
          timings: { replyIdleMs: 5_000 },
        },
      }),
  }
}

const logout = {
  approvalId: 'HP-1',
  canonicalParams: '{"arguments":{},"name":"logout"}',
  idempotencyKey: null,
  mayStillStart: () => true,
}
const toCall = (name: string, act: (posted: Posted) => void) => (posted: Posted) => {
  if (posted.message.params?.name !== name) return
  act(posted)
  return true
}

describe('the way to it', () => {
  test('is found as the specification says: POST is refused, so GET is tried', async () => {
    const upstream = anUpstream()
    const session = await aSession(upstream)
    expect(server.received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /sse',
      'GET /sse',
      'POST /messages?sessionId=s1',
    ])
    expect(await answerOf(await session.call('echo'))).toMatchObject({
      id: 1,
      result: { content: [{ text: 'echo: {"a":1}' }] },
    })
    // The next session does not ask again.
    await aSession(upstream)
    expect(server.received.filter(({ method, path }) => method === 'POST' && path === '/sse')).toHaveLength(1)
  })

  test('is not looked for where the configuration names it', async () => {
    await aSession(anUpstream({ transport: 'sse' }))
    expect(server.received[0]?.method).toBe('GET')
    const refused = await anUpstream({ transport: 'http' }).exchange(aRequest(initialize))
    expect(refused.status).toBe(404)
    expect(server.received.filter(({ method }) => method === 'GET')).toHaveLength(1)
  })

  test.each([401, 403, 429, 500, 503])(
    'is not looked for after HTTP %i, which says nothing about it',
    async (status) => {
      const http = createServer((_request, response) => response.writeHead(status).end('no'))
      await new Promise<void>((done) => http.listen(0, '127.0.0.1', done))
      closers.push(() => new Promise((done) => http.close(done)))
      const seen: string[] = []
      http.on('request', ({ method }) => seen.push(method ?? ''))
      const address = http.address()
      const port = typeof address === 'object' ? address?.port : 0
      const response = await anUpstream({ url: `http://127.0.0.1:${port}/sse` }).exchange(
        aRequest(initialize),
      )
      expect(response.status).toBe(status)
      expect(seen).toEqual(['POST'])
    },
  )

  test('is looked for again when the server speaks Streamable HTTP one day', async () => {
    const upstream = anUpstream()
    await aSession(upstream)
    server.onGet = (_request, response) => {
      response.writeHead(405).end()
      return true
    }
    // What it refused before comes back in its own words.
    const refused = await upstream.exchange(aRequest(initialize))
    expect(refused.status).toBe(404)
    expect(await textOf(refused)).toBe('Cannot POST /sse')
  })

  test('is not lost by whoever opened it when another agent is refused meanwhile', async () => {
    const other = { name: 'day-agent', owner: 'mira' }
    const current = async ({ name }: { name: string }) => granted({ 'x-account': name })
    const credentials: UpstreamCredentials = {
      current,
      inHand: () => null,
      instead: (_old, who) => current(who),
    }
    const upstream = anUpstream({ credentials })
    server.onGet = (request, response) => {
      if (request.headers['x-account'] !== other.name) return
      response.writeHead(404).end()
      return true
    }
    let answer = () => {}
    server.onPost = ({ message, accept, say }) => {
      if (message.method !== 'initialize') return
      accept()
      answer = () => say({ jsonrpc: '2.0', id: message.id, result: { protocolVersion: '2024-11-05' } })
      return true
    }
    const opening = upstream.exchange(aRequest(initialize))
    await expect.poll(() => server.received.length).toBe(3)
    expect((await upstream.exchange(aRequest(initialize, { principal: other }))).status).toBe(404)
    answer()
    expect(await answerOf(await opening)).toMatchObject({ result: { protocolVersion: '2024-11-05' } })
  })

  test('has the credentials on GET and on POST, and new ones where they are refused', async () => {
    let isRefusing = true
    server.onGet = (request, response) => {
      if (!isRefusing || request.headers.authorization !== 'Bearer old') return
      response.writeHead(401).end()
      return true
    }
    const given: CredentialHeaders[] = []
    const ok = (authorization: string) => {
      const headers = { authorization }
      given.push(headers)
      return { ok: true as const, value: headers }
    }
    const credentials: UpstreamCredentials = {
      current: async () => ok(isRefusing ? 'Bearer old' : 'Bearer new'),
      instead: async () => {
        isRefusing = false
        return ok('Bearer new')
      },
      inHand: () => ({ authorization: 'Bearer new' }),
    }
    const session = await aSession(anUpstream({ transport: 'sse', credentials, headers: { 'X-Key': 'k' } }))
    await session.approved().send(logout)
    const used = server.received.map(
      ({ method, headers }) => `${method} ${headers.authorization} ${headers['x-key']}`,
    )
    expect(used).toEqual(['GET Bearer old k', 'GET Bearer new k', 'POST Bearer new k', 'POST Bearer new k'])
  })
})

describe('an endpoint', () => {
  const other = createServer((_request, response) => response.end())
  beforeEach(() => new Promise<void>((done) => other.listen(0, '127.0.0.1', done)))
  afterEach(() => new Promise((done) => other.close(done)))

  test.each([
    ['at another origin', () => `http://127.0.0.1:${(other.address() as { port: number }).port}/messages`],
    ['at another host without a scheme', () => '//metadata.internal/messages'],
    ['of another scheme', () => 'file:///etc/passwd'],
    ['with credentials in it', () => server.url.replace('http://', 'http://user:pass@')],
    ['that is endless', () => `/messages?${'x'.repeat(10_000)}`],
    ['that is no address', () => 'http://['],
    ['that is empty', () => ''],
  ])('%s is never used', async (_name, address) => {
    const seen: string[] = []
    other.on('request', ({ url }) => seen.push(url ?? ''))
    server.onStream = (stream) => void stream.write(`event: endpoint\ndata: ${address()}\n\n`)
    const answer = await answerOf(await anUpstream({ transport: 'sse' }).exchange(aRequest(initialize)))
    expect(answer).toMatchObject({ id: 0, error: { code: -32_603 } })
    expect(seen).toEqual([])
    expect(server.received.filter(({ method }) => method === 'POST')).toEqual([])
    // The stream is not left open either.
    await expect.poll(() => server.streams().length).toBe(0)
  })

  test('that does not come first, or never, is none', async () => {
    server.onStream = (stream) =>
      void stream.write('event: message\ndata: {"jsonrpc":"2.0","method":"x"}\n\n')
    const answer = await answerOf(await anUpstream({ transport: 'sse' }).exchange(aRequest(initialize)))
    expect(answer.error.message).toContain('does not begin with its endpoint')
    server.onStream = (stream) => void stream.end()
    expect(
      await answerOf(await anUpstream({ transport: 'sse' }).exchange(aRequest(initialize))),
    ).toHaveProperty('error')
  })

  test('that comes again in the middle ends the session; the same once more is none', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('slow', ({ accept, say, stream }) => {
      accept()
      say('/messages?sessionId=s1', 'endpoint')
      expect(stream.writableEnded).toBe(false)
      say('/admin/messages', 'endpoint')
    })
    const answer = await answerOf(await session.call('slow'))
    expect(answer.error.message).toContain('second endpoint')
    expect(answer.error.message).toContain('may or may not')
    expect((await session.call('echo', 2)).status).toBe(404)
    expect(server.received.filter(({ path }) => path.includes('admin'))).toEqual([])
  })
})

describe('an answer', () => {
  test('is no 202: it comes on the stream, whichever of the two is first', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('slow', ({ message, say, accept }) => {
      say({ jsonrpc: '2.0', id: message.id, result: { first: true } })
      setTimeout(accept, 50)
    })
    expect(await answerOf(await session.call('slow'))).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { first: true },
    })
    server.onPost = toCall('slow', ({ message, say, accept }) => {
      accept()
      setTimeout(() => say({ jsonrpc: '2.0', id: message.id, result: { first: false } }), 50)
    })
    expect(await answerOf(await session.call('slow', 2))).toMatchObject({ result: { first: false } })
  })

  test('of a server that never says 202 counts as well', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('slow', ({ message, say }) => say({ jsonrpc: '2.0', id: message.id, result: {} }))
    expect(await answerOf(await session.call('slow'))).toMatchObject({ id: 1, result: {} })
  })

  test('that comes as JSON where 202 should be counts if it answers this request, and once', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('slow', ({ message, response, say }) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { by: 'post' } })
      response.writeHead(200, { 'content-type': 'application/json' }).end(text)
      setTimeout(() => say({ jsonrpc: '2.0', id: message.id, result: { by: 'stream' } }), 50)
    })
    expect((await textOf(await session.call('slow'))).match(/"by":"post"/g)).toHaveLength(1)
    server.onPost = toCall('slow', ({ message, response, say }) => {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"jsonrpc":"2.0","id":99,"result":{}}')
      setTimeout(() => say({ jsonrpc: '2.0', id: message.id, result: { by: 'stream' } }), 50)
    })
    expect(await textOf(await session.call('slow', 3))).toContain('"by":"stream"')
  })

  test('is found among ten thousand comments, pings and empty events', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('slow', ({ message, say, accept, stream }) => {
      accept()
      for (let n = 0; n < 10_000; n++) stream.write(': x\n\n')
      for (let n = 0; n < 100; n++) stream.write('event: ping\ndata: now\n\ndata:\n\n')
      say({ jsonrpc: '2.0', id: message.id, result: {} })
    })
    expect(await answerOf(await session.call('slow'))).toMatchObject({ id: 1, result: {} })
  })

  test('goes to the request that it answers, with its progress, of many at a time', async () => {
    const session = await aSession(anUpstream())
    const waiting: Posted[] = []
    server.onPost = toCall('slow', (posted) => {
      posted.accept()
      waiting.push(posted)
      if (waiting.length < 20) return
      for (const { message, say } of waiting.reverse()) {
        say({
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: message.id, progress: 1 },
        })
        say({ jsonrpc: '2.0', id: message.id, result: { of: message.id } })
      }
    })
    const texts = await Promise.all(
      Array.from({ length: 20 }, async (_, id) => {
        const params = { name: 'slow', _meta: { progressToken: id } }
        return textOf(await session.send({ id, method: 'tools/call', params }))
      }),
    )
    texts.forEach((text, id) => {
      expect(text.match(/data: /g)).toHaveLength(2)
      expect(text).toContain(`"progressToken":${id},`)
      expect(text).toContain(`"of":${id}}`)
    })
  })

  test('comes when the stream dies between 202 and the answer: one for each request, and it says what is not known', async () => {
    const session = await aSession(anUpstream())
    let posts = 0
    server.onPost = toCall('slow', ({ accept, stream }) => {
      accept()
      if (++posts === 3) setTimeout(() => stream.destroy(), 20)
    })
    const answers = await Promise.all([1, 'two', 3].map(async (id) => textOf(await session.call('slow', id))))
    answers.forEach((text, index) => {
      expect(text.match(/data: /g)).toHaveLength(1)
      const [id] = [[1, 'two', 3][index]]
      expect(JSON.parse(text.match(/\{.*\}/)?.[0] ?? '')).toMatchObject({
        id,
        error: { code: -32_603, message: expect.stringContaining('may or may not have had an effect') },
      })
    })
    // The session is over for its client, who shakes hands again.
    expect((await session.call('echo', 9)).status).toBe(404)
  })

  test('larger than allowed, or an event that never ends, ends the session instead of the memory', async () => {
    const session = await aSession(anUpstream({ lineBytesMax: 10_000 }))
    server.onPost = toCall('slow', ({ accept, stream }) => {
      accept()
      stream.write('event: message\ndata: "')
      const more = setInterval(() => stream.write('x'.repeat(4_000)), 5)
      stream.once('close', () => clearInterval(more))
    })
    expect((await answerOf(await session.call('slow'))).error.message).toContain('larger than')
    await expect.poll(() => server.streams().length).toBe(0)
  })

  test('is not waited for by whoever has left; the server goes on, and its late answer is nobody’s', async () => {
    const session = await aSession(anUpstream())
    const held: Posted[] = []
    server.onPost = toCall('slow', (posted) => {
      posted.accept()
      held.push(posted)
    })
    const leaving = new AbortController()
    const response = await session.call('slow', 1, { signal: leaving.signal })
    leaving.abort()
    await expect(textOf(response)).rejects.toThrow()
    held[0]?.say({ jsonrpc: '2.0', id: 1, result: {} })
    expect(await answerOf(await session.call('echo', 2))).toMatchObject({ id: 2 })
    expect(server.streams()).toHaveLength(1)
  })
})

describe('an approved call', () => {
  test('is described and sent once, on a connection of its own', async () => {
    const session = await aSession(anUpstream())
    const approved = session.approved()
    expect(await approved.describe('logout')).toMatchObject({ kind: 'listed' })
    const sent = await approved.send(logout)
    expect(sent).toMatchObject({ kind: 'answered', reply: { kind: 'result', isError: false } })
    const [call, ...more] = server.calls('logout')
    expect(more).toEqual([])
    expect(call?.headers.connection).toBe('close')
    expect(server.received.filter(({ socket }) => socket === call?.socket)).toHaveLength(1)
  })

  test('whose stream ends after 202 is indeterminate, and is not sent again', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('logout', ({ accept, stream }) => {
      accept()
      setTimeout(() => stream.end(), 20)
    })
    expect(await session.approved().send(logout)).toMatchObject({
      kind: 'indeterminate',
      reason: expect.stringContaining('closed its event stream'),
    })
    expect(server.executed).toEqual(['logout'])
  })

  test.each([
    ['is refused with 400', 400],
    ['meets a crash', 500],
    ['meets a proxy that has given up', 504],
    ['meets a session that is not known any more', 404],
    ['is redirected', 307],
  ])('that %s is indeterminate: the words of the server prove nothing', async (_name, status) => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('logout', ({ response }) =>
      response.writeHead(status, { location: '/messages' }).end('no'),
    )
    expect(await session.approved().send(logout)).toMatchObject({ kind: 'indeterminate' })
    expect(server.calls('logout')).toHaveLength(1)
  })

  test('whose POST breaks after its first byte is indeterminate', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('logout', ({ response }) => response.socket?.resetAndDestroy())
    expect(await session.approved().send(logout)).toMatchObject({ kind: 'indeterminate' })
    expect(server.calls('logout')).toHaveLength(1)
  })

  test('is not sent by a gateway that stood still, or when the session has ended before', async () => {
    const session = await aSession(anUpstream())
    const still = await session.approved().send({ ...logout, mayStillStart: () => false })
    expect(still).toMatchObject({ kind: 'not_sent' })
    server.streams()[0]?.destroy()
    await expect.poll(async () => (await session.call('echo', 5)).status).toBe(404)
    expect(await session.approved().send(logout)).toMatchObject({ kind: 'not_sent' })
    expect(server.calls('logout')).toEqual([])
    // Before it is sent, it is asked about, and that opens a new session.
    const again = session.approved()
    expect(await again.describe('logout')).toMatchObject({ kind: 'listed' })
    expect(await again.send(logout)).toMatchObject({ kind: 'answered' })
    expect(server.calls('logout')).toHaveLength(1)
  })

  test('is not answered by somebody else’s answer', async () => {
    const session = await aSession(anUpstream())
    server.onPost = toCall('logout', ({ accept, say, stream }) => {
      accept()
      say({ jsonrpc: '2.0', id: 'HP-1', result: { forged: true } })
      say({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'forged' } })
      setTimeout(() => stream.end(), 20)
    })
    expect(await session.approved().send(logout)).toMatchObject({ kind: 'indeterminate' })
  })
})

describe('a session', () => {
  test('belongs to who opened it', async () => {
    const session = await aSession(anUpstream())
    const stranger = await session.call('echo', 1, { principal: { name: 'other', owner: 'mina' } })
    expect(stranger.status).toBe(404)
    expect(server.executed).toEqual([])
  })

  test('hears what the server says by itself, and answers its questions', async () => {
    const upstream = anUpstream()
    const session = await aSession(upstream)
    const listening = await upstream.exchange(aRequest(null, { method: 'GET', headers: session.headers }))
    const reader = listening.body?.getReader()
    server.streams()[0]?.write('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n')
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('list_changed')
    server.onPost = (posted) => {
      if (posted.message.method === 'tools/call') {
        posted.accept()
        posted.say({ jsonrpc: '2.0', id: 'q', method: 'roots/list' })
        return true
      }
      if (posted.message.method !== undefined) return
      posted.accept()
      posted.say({ jsonrpc: '2.0', id: 1, result: { heard: true } })
      return true
    }
    const asking = await session.call('ask')
    await sleep(0)
    const accepted = await session.send({ id: 'q', result: { roots: [] } })
    expect(accepted.status).toBe(202)
    expect(await textOf(asking)).toContain('"heard":true')
  })

  test('that is deleted closes its stream', async () => {
    const upstream = anUpstream()
    const session = await aSession(upstream)
    await upstream.exchange(aRequest(null, { method: 'DELETE', headers: session.headers }))
    await expect.poll(() => server.streams().length).toBe(0)
    expect((await session.call('echo')).status).toBe(404)
  })

  test('is one of not too many', async () => {
    const upstream = anUpstream({ transport: 'sse' })
    const opened = await Promise.all(
      Array.from({ length: 101 }, () => upstream.exchange(aRequest(initialize))),
    )
    const answers = await Promise.all(opened.map(answerOf))
    expect(answers.filter(({ result }) => result !== undefined)).toHaveLength(100)
    expect(answers.find(({ error }) => error !== undefined).error.message).toContain(
      'already has 100 sessions',
    )
  })

  test('is not opened by a server that is down, which says so and is tried again', async () => {
    const upstream = anUpstream()
    await server.close()
    const fault = await upstream.exchange(aRequest(initialize)).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(UpstreamFault)
    expect(fault).toMatchObject({ isSent: false })
  })
})
