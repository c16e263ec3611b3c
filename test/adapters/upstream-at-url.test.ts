/** What a URL speaks is found out when a request needs to know, and found out again: nothing is asked for an approved call. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../src/domain/limits.ts'
import type { Principal } from '../../src/domain/principal.ts'
import { err, ok, type Result } from '../../src/domain/result.ts'
import { createAtUrl } from '../../src/mcp/upstream/eras/at-url.ts'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { createUpstreamSession } from '../../src/mcp/upstream/session.ts'
import {
  type Upstream,
  UpstreamFault,
  type WireRequest,
  type WireResponse,
} from '../../src/mcp/upstream/wire.ts'
import type {
  CredentialHeaders,
  NoCredentials,
  UpstreamCredentials,
} from '../../src/ports/upstream-credentials.ts'
import { agent } from '../support/builders.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Seen {
  readonly method: string
  readonly rpc: string | null
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
type Answer = (seen: Seen, id: unknown, response: ServerResponse) => void

const result = (response: ServerResponse, id: unknown, value: object) =>
  void response
    .setHeader('content-type', 'application/json')
    .end(JSON.stringify({ jsonrpc: '2.0', id, result: value }))
const failure = (response: ServerResponse, status: number, id: unknown, code: number) =>
  void response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: 'no' } }))

const tools = [{ name: 'logout', inputSchema: { type: 'object' } }]

/** Knows the handshake and nothing newer. */
const legacy: Answer = ({ method, rpc, headers }, id, response) => {
  if (method !== 'POST') return void response.writeHead(method === 'DELETE' ? 200 : 405).end()
  if (rpc === 'initialize') {
    response.setHeader('mcp-session-id', 'legacy-1')
    const serverInfo = { name: 'legacy', version: '1' }
    return result(response, id, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo })
  }
  if (headers['mcp-session-id'] !== 'legacy-1') return failure(response, 400, null, -32_000)
  if (id === undefined) return void response.writeHead(202).end()
  result(response, id, rpc === 'tools/list' ? { tools } : { content: [], by: 'legacy' })
}
/** Knows 2026-07-28 and nothing older. */
const modern: Answer = ({ method, rpc, headers }, id, response) => {
  if (method !== 'POST') return void response.writeHead(405).end()
  if (headers['mcp-protocol-version'] !== '2026-07-28') return failure(response, 400, id, -32_022)
  const complete = { resultType: 'complete' }
  if (rpc === 'server/discover')
    return result(response, id, {
      ...complete,
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
    })
  result(
    response,
    id,
    rpc === 'tools/list' ? { ...complete, tools } : { ...complete, content: [], by: 'modern' },
  )
}
const both: Answer = (seen, id, response) =>
  (seen.headers['mcp-protocol-version'] === '2026-07-28' ? modern : legacy)(seen, id, response)
const status =
  (code: number): Answer =>
  (_seen, _id, response) =>
    void response.writeHead(code, { 'content-type': 'text/plain' }).end(`words of ${code}`)

/** As the SDKs do it, which look at a request before they read its message. */
const strict: Answer = (seen, id, response) => {
  if (!seen.headers.accept?.includes('text/event-stream') && seen.method === 'POST')
    return failure(response, 406, null, -32_000)
  if (seen.headers['content-type'] !== 'application/json' && seen.method === 'POST')
    return failure(response, 415, null, -32_000)
  if (seen.rpc === 'initialize' && !seen.body.includes('protocolVersion'))
    return failure(response, 400, id, -32_602)
  both(seen, id, response)
}

const other: Principal = { name: 'day-agent', owner: 'mira' }
const as = (principal: Principal): Partial<WireRequest> => ({ principal })

/** Each principal's own; `of` throws the words about whoever has none. */
const accounts = (of: (principal: Principal) => Promise<Result<CredentialHeaders, NoCredentials>>) =>
  ({
    current: of,
    inHand: () => null,
    instead: (_refused, principal) => of(principal),
  }) satisfies UpstreamCredentials
const everybodysOwn = accounts(async ({ name }) => ok({ 'x-account': name }))
/** One account is refused everything, as if nothing was there. */
const refusing =
  (name: string, code: number, answer: Answer): Answer =>
  (seen, id, response) =>
    (seen.headers['x-account'] === name ? status(code) : answer)(seen, id, response)

async function aServer(answer: Answer, credentials: UpstreamCredentials | null = null) {
  const seen: Seen[] = []
  const self = { answer }
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const message = body === '' ? {} : JSON.parse(body)
      const one = {
        method: request.method ?? '',
        rpc: message.method ?? null,
        headers: request.headers,
        body,
      }
      seen.push(one)
      self.answer(one, message.id, response)
    })
  })
  server.on('connection', (socket: Socket) => sockets.add(socket))
  let port = 0
  const open = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((done) => server.close(done))
  }
  await open()
  closers.push(close)
  let nowMs = 0
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((done) => signal?.addEventListener('abort', () => done(), { once: true })),
  }
  const url = new URL(`http://127.0.0.1:${port}/mcp`)
  const http = createHttpUpstream({ server: 'test', url: url.href, headers: {}, credentials, log })
  const options = {
    http,
    url,
    transport: 'auto' as const,
    limits: defaultLimits,
    sessionIdleMs: 1e9,
    clock,
    log,
  }
  const upstream = createAtUrl(options)
  closers.push(() => upstream.close())
  return {
    upstream,
    seen,
    open,
    close,
    become(next: Answer) {
      self.answer = next
    },
    later(ms: number) {
      nowMs += ms
    },
    asked: (rpc: string) => seen.filter((one) => one.rpc === rpc),
  }
}

const request = (
  body: object,
  headers: Record<string, string>,
  more: Partial<WireRequest> = {},
): WireRequest => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  body: JSON.stringify({ jsonrpc: '2.0', ...body }),
  principal: agent,
  signal: new AbortController().signal,
  freshConnection: false,
  mayStart: () => true,
  ...more,
})
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const inModern = (upstream: Upstream, more: Partial<WireRequest> = {}) =>
  upstream.exchange(
    request(
      { id: 5, method: 'tools/call', params: { name: 'logout', arguments: {}, _meta: envelope } },
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'logout' },
      more,
    ),
  )
const initialize = (
  upstream: Upstream,
  headers: Record<string, string> = {},
  more: Partial<WireRequest> = {},
) =>
  upstream.exchange(
    request(
      {
        id: 0,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      },
      headers,
      more,
    ),
  )
const textOf = async ({ body }: WireResponse) => new Response(body).text()
const by = async (answering: Promise<WireResponse>) => /"by":"(\w+)"/.exec(await textOf(await answering))?.[1]

describe('a 2026-07-28 client', () => {
  test('is passed on as it is to a server that speaks it, after one question for all', async () => {
    const server = await aServer(both)
    const answers = await Promise.all(Array.from({ length: 10 }, () => by(inModern(server.upstream))))
    expect(new Set(answers)).toEqual(new Set(['modern']))
    expect(server.asked('server/discover')).toHaveLength(1)
    expect(server.asked('initialize')).toEqual([])
    const [called] = server.asked('tools/call')
    expect(called?.body).toContain('"id":5')
  })

  test('is translated for where the server knows only the handshake', async () => {
    const server = await aServer(legacy)
    expect(await by(inModern(server.upstream))).toBe('legacy')
    expect(await by(inModern(server.upstream))).toBe('legacy')
    expect(server.asked('server/discover')).toHaveLength(1)
    expect(server.asked('initialize')).toHaveLength(1)
    expect(server.asked('tools/call')).toHaveLength(2)
  })

  test('notices nothing when the server has forgotten the session', async () => {
    const server = await aServer(legacy)
    expect(await by(inModern(server.upstream))).toBe('legacy')
    let shaken = 0
    server.become((seen, id, response) => {
      if (seen.rpc === 'initialize') shaken++
      if (seen.method === 'POST' && seen.rpc !== 'initialize' && shaken === 0)
        return status(404)(seen, id, response)
      legacy(seen, id, response)
    })
    expect(await by(inModern(server.upstream))).toBe('legacy')
    expect(shaken).toBe(1)
  })

  test.each([401, 403, 429, 500, 503])(
    'gets the server’s own words where it answers %i, which says nothing',
    async (code) => {
      const server = await aServer(status(code))
      expect((await inModern(server.upstream)).status).toBe(code)
      expect((await inModern(server.upstream)).status).toBe(code)
      expect(server.asked('server/discover')).toHaveLength(1)
      // Soon it is asked again, and found.
      server.become(legacy)
      server.later(31_000)
      expect(await by(inModern(server.upstream))).toBe('legacy')
    },
  )

  test('gets them as well where the server speaks neither', async () => {
    const server = await aServer(status(404))
    const response = await inModern(server.upstream)
    expect([response.status, await textOf(response)]).toEqual([404, 'words of 404'])
  })

  test('finds a server that was down when it was first asked', async () => {
    const server = await aServer(legacy)
    await server.close()
    const fault = await inModern(server.upstream).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(UpstreamFault)
    expect(fault).toMatchObject({ isSent: false })
    await server.open()
    expect(await by(inModern(server.upstream))).toBe('legacy')
  })

  test('is served by what took the server’s place, in either direction', async () => {
    const server = await aServer(legacy)
    expect(await by(inModern(server.upstream))).toBe('legacy')
    server.become(both)
    server.later(11 * 60_000)
    // This one does not wait for the question.
    expect(await by(inModern(server.upstream))).toBe('legacy')
    await expect.poll(() => by(inModern(server.upstream))).toBe('modern')
    server.become(legacy)
    server.later(6_000)
    expect((await inModern(server.upstream)).status).toBe(400)
    expect(await by(inModern(server.upstream))).toBe('legacy')
  })

  test('that forgets what every request says is refused before anything is sent', async () => {
    const server = await aServer(legacy)
    await by(inModern(server.upstream))
    const bare = request(
      { id: 6, method: 'tools/call', params: { name: 'logout' } },
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' },
    )
    expect((await server.upstream.exchange(bare)).status).toBe(400)
    expect(server.asked('tools/call')).toHaveLength(1)
  })
})

describe('a client with a handshake', () => {
  test('is passed on as it is to a server that has one, and nothing else is asked', async () => {
    const server = await aServer(both)
    const opened = await initialize(server.upstream)
    expect(opened.headers['mcp-session-id']).toBe('legacy-1')
    expect(server.seen.map(({ rpc }) => rpc)).toEqual(['initialize'])
  })

  test('is translated for where the server speaks 2026-07-28 alone, until it does not', async () => {
    const server = await aServer(modern)
    const opened = await initialize(server.upstream)
    const id = opened.headers['mcp-session-id'] ?? ''
    expect(id).toMatch(/^holdpoint-face-/)
    const call = request(
      { id: 1, method: 'tools/call', params: { name: 'logout' } },
      { 'mcp-session-id': id },
    )
    expect(await by(server.upstream.exchange(call))).toBe('modern')
    expect((await initialize(server.upstream)).headers['mcp-session-id']).toMatch(/^holdpoint-face-/)
    server.become(legacy)
    await initialize(server.upstream)
    expect((await initialize(server.upstream)).headers['mcp-session-id']).toBe('legacy-1')
  })

  test('gets the refusal of a server that speaks nothing', async () => {
    const server = await aServer(status(404))
    const refused = await initialize(server.upstream)
    expect([refused.status, await textOf(refused)]).toEqual([404, 'words of 404'])
  })
})

describe('one agent', () => {
  test.each([
    ['no event stream accepted', { accept: 'application/json' }, {}, 406],
    ['another type of content', { 'content-type': 'text/plain' }, {}, 415],
    ['bad parameters', {}, { body: '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}' }, 400],
  ] as const)('that shakes hands badly (%s) is refused, and changes nothing for anybody', async (...row) => {
    const [, headers, more, code] = row
    const server = await aServer(strict)
    const wrong = () => initialize(server.upstream, headers, more)
    expect((await wrong()).status).toBe(code)
    expect((await wrong()).status).toBe(code)
    // The gateway's own handshake worked, and is not repeated for each: its session is closed again.
    expect(server.asked('initialize')).toHaveLength(3)
    await expect.poll(() => server.seen.filter(({ method }) => method === 'DELETE').length).toBe(1)
    for (const who of [agent, other]) {
      const opened = await initialize(server.upstream, {}, as(who))
      expect(opened.headers['mcp-session-id']).toBe('legacy-1')
    }
  })

  test('that comes during a deploy is translated for, for a while, and nobody else is', async () => {
    const server = await aServer(both)
    await initialize(server.upstream)
    server.become((seen, id, response) =>
      (seen.rpc === 'initialize' ? status(404) : both)(seen, id, response),
    )
    expect((await initialize(server.upstream)).headers['mcp-session-id']).toMatch(/^holdpoint-face-/)
    server.become(both)
    const bare = request({ id: 1, method: 'tools/call', params: { name: 'logout' } }, {})
    await server.upstream.exchange(bare)
    // Without a session it is the server that refuses, not the gateway.
    expect(server.seen.at(-1)?.headers['mcp-protocol-version']).toBeUndefined()
    expect(server.seen.at(-1)?.rpc).toBe('tools/call')
    expect((await initialize(server.upstream, {}, as(other))).headers['mcp-session-id']).toBe('legacy-1')
    server.later(11 * 60_000)
    expect((await initialize(server.upstream)).headers['mcp-session-id']).toBe('legacy-1')
  })

  test('whose owner has no account fails alone, and nobody else reads of it', async () => {
    let refuse = () => {}
    const isAsked = new Promise<void>((done) => {
      refuse = done
    })
    const server = await aServer(
      both,
      accounts(async ({ name, owner }) => {
        if (name !== agent.name) return ok({ 'x-account': name })
        await isAsked
        return err({ reason: `${owner} has no account`, told: `${owner} has to connect an account` })
      }),
    )
    const ofAgent = inModern(server.upstream).catch((error: unknown) => error)
    const ofOther = by(inModern(server.upstream, as(other))).catch((error: unknown) => error)
    refuse()
    expect(await ofAgent).toMatchObject({ isSent: false, told: 'jun has to connect an account' })
    expect(await ofOther).toBe('modern')
  })

  test.each([400, 404, 405])(
    'whose account gets %i for everything has found out nothing for the others',
    async (code) => {
      const server = await aServer(refusing(agent.name, code, both), everybodysOwn)
      expect((await inModern(server.upstream)).status).toBe(code)
      expect(await by(inModern(server.upstream, as(other)))).toBe('modern')
      expect(server.asked('initialize').every(({ headers }) => headers['x-account'] === agent.name)).toBe(
        true,
      )
      // Nor does what it doubts later.
      server.later(6_000)
      expect((await inModern(server.upstream)).status).toBe(code)
      server.later(6_000)
      expect((await inModern(server.upstream)).status).toBe(code)
      const before = server.asked('server/discover').length
      expect(await by(inModern(server.upstream, as(other)))).toBe('modern')
      expect(server.asked('server/discover')).toHaveLength(before)
      expect((await initialize(server.upstream)).status).toBe(code)
      expect((await initialize(server.upstream, {}, as(other))).headers['mcp-session-id']).toBe('legacy-1')
    },
  )

  test('whose account is refused while others wait for its question does not answer for them', async () => {
    const server = await aServer(refusing(agent.name, 404, both), everybodysOwn)
    const [ofAgent, ...others] = await Promise.all([
      inModern(server.upstream),
      by(inModern(server.upstream, as(other))),
      by(inModern(server.upstream, as(other))),
    ])
    expect([ofAgent.status, ...others]).toEqual([404, 'modern', 'modern'])
    expect(server.asked('server/discover')).toHaveLength(2)
  })

  test('finds out for all what only the server can have said', async () => {
    const knowsNoMethod: Answer = (seen, id, response) =>
      seen.rpc === 'server/discover' ? failure(response, 200, id, -32_601) : legacy(seen, id, response)
    const server = await aServer(knowsNoMethod, everybodysOwn)
    for (const who of [agent, other]) expect(await by(inModern(server.upstream, as(who)))).toBe('legacy')
    expect(server.asked('server/discover')).toHaveLength(1)
  })
})

describe('an approved call', () => {
  const logout = {
    approvalId: 'HP-1',
    canonicalParams: '{"arguments":{},"name":"logout"}',
    idempotencyKey: null,
    mayStillStart: () => true,
  }
  const approved = (upstream: Upstream) =>
    createUpstreamSession({
      ...{
        upstream,
        principal: agent,
        era: 'modern',
        envelope: JSON.stringify(envelope),
        progressToken: null,
      },
      ...{ headers: { 'mcp-protocol-version': '2026-07-28' }, limits: defaultLimits },
      ...{ onMessage: () => {}, onListed: () => {}, timings: { replyIdleMs: 5_000 } },
    })

  test('is asked about before, and sent once across the eras, on a connection of its own', async () => {
    const server = await aServer(legacy)
    const session = approved(server.upstream)
    expect(await session.describe('logout')).toMatchObject({ kind: 'listed' })
    const before = server.seen.length
    expect(await session.send(logout)).toMatchObject({ kind: 'answered' })
    expect(server.seen.slice(before).map(({ rpc }) => rpc)).toEqual(['tools/call'])
    expect(server.seen.at(-1)?.headers).toMatchObject({ connection: 'close', 'idempotency-key': 'HP-1' })
  })

  test('is not preceded by a question, whatever is not known', async () => {
    const server = await aServer(both)
    expect(await approved(server.upstream).send(logout)).toMatchObject({ kind: 'answered' })
    expect(server.seen.map(({ rpc }) => rpc)).toEqual(['tools/call'])
  })

  test.each([
    ['that its session is gone', status(404)],
    ['nothing that is an answer', status(502)],
    [
      'an error that names no request, with a status of its own',
      ((_seen, _id, response) => failure(response, 500, null, -32_603)) satisfies Answer,
    ],
    [
      'somebody else’s answer',
      ((_seen, _id, response) => result(response, 'other', { forged: true })) satisfies Answer,
    ],
  ])('to which a translated server says %s is indeterminate', async (_name, answer) => {
    const server = await aServer(legacy)
    const session = approved(server.upstream)
    await session.describe('logout')
    server.become((seen, id, response) => (seen.rpc === 'tools/call' ? answer : legacy)(seen, id, response))
    expect(await session.send(logout)).toMatchObject({ kind: 'indeterminate' })
    expect(server.asked('tools/call')).toHaveLength(1)
  })
})
