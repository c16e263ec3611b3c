/** Clients of the HTTP+SSE transport at the MCP endpoint: one stream, one answer to each request, and nobody else's. */
import { describe, expect, test } from 'vitest'
import { ok } from '../../src/domain/result.ts'
import { comment } from '../../src/mcp/sse.ts'
import type { WireResponse } from '../../src/mcp/upstream/wire.ts'
import { admission, agent, anApproval, aPolicy } from '../support/builders.ts'
import {
  aHarness,
  approvedNow,
  call,
  type Harness,
  type HarnessOptions,
  modernHeaders,
  modernMeta,
  outcomes,
  settledAs,
  wireEvents,
  wireJson,
} from './downstream-harness.ts'

const usual = { authorization: 'Bearer agent', host: 'gateway:8484' }

/** Reads a stream as a client does. */
async function aClient(harness: Harness, path = '/mcp/github', headers: Record<string, string> = {}) {
  const leaving = new AbortController()
  const response = await harness.request(path, {
    headers: { ...usual, accept: 'text/event-stream', ...headers },
    signal: leaving.signal,
  })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const events: { type: string; id: string | null; data: string }[] = []
  let text = ''
  let isOver = false
  const reader = response.body?.getReader()
  void (async () => {
    const decoder = new TextDecoder()
    for (;;) {
      const read = await reader?.read().catch(() => ({ done: true, value: undefined }))
      if (read === undefined || read.done) break
      text += decoder.decode(read.value, { stream: true })
      const whole = text.split('\n\n')
      text = whole.pop() ?? ''
      for (const event of whole) {
        const field = (name: string) => event.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1] ?? null
        if (event.startsWith(':')) continue
        events.push({ type: field('event') ?? 'message', id: field('id'), data: field('data') ?? '' })
      }
    }
    isOver = true
  })()
  const endpoint = () => events.find(({ type }) => type === 'endpoint')?.data ?? ''
  await expect.poll(endpoint).not.toBe('')
  const messages = () => events.filter(({ type }) => type === 'message').map(({ data }) => JSON.parse(data))
  return {
    endpoint: endpoint(),
    events,
    messages,
    isOver: () => isOver,
    leave: () => reader?.cancel(),
    post: (message: string | object, more: Record<string, string> = {}, to = endpoint()) =>
      harness.request(to, {
        method: 'POST',
        headers: { ...usual, 'content-type': 'application/json', ...more },
        body: typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }),
      }),
    /** The answer to this request, when it is there. */
    async answer(id: unknown) {
      const find = () => messages().find((message) => message.id === id && message.method === undefined)
      await expect.poll(find).toBeDefined()
      return find()
    },
  }
}

const initialized = (version = '2025-06-18') =>
  wireJson(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 0,
      result: { protocolVersion: version, capabilities: {}, serverInfo: { name: 's', version: '1' } },
    }),
    { 'mcp-session-id': 'upstream-1' },
  )

const initialize = {
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'old client', version: '3' },
  },
}

/** Answers `initialize`, refuses the stream of a session, and leaves the rest to a test. */
function aServer(options: HarnessOptions = {}) {
  const { wire } = options
  return aHarness({
    ...options,
    wire: async (request): Promise<WireResponse> => {
      // Nothing to hear: the only requests that are held are calls.
      if (request.method === 'GET') return { status: 404, headers: {}, body: null }
      if (request.body?.includes('"initialize"')) return initialized()
      const { id } = JSON.parse(request.body ?? '{}')
      if (id === undefined) return { status: 202, headers: {}, body: null }
      return (
        wire?.(request) ?? wireJson(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"kept": 1.0}}`)
      )
    },
  })
}

async function aSession(harness: Harness) {
  const client = await aClient(harness)
  expect((await client.post(initialize)).status).toBe(202)
  expect((await client.answer(0)).result.protocolVersion).toBe('2025-06-18')
  expect((await client.post({ method: 'notifications/initialized' })).status).toBe(202)
  return client
}

/** Waits of a minute pass when a test says so. */
function minutesByHand() {
  const { clock } = aHarness().deps
  const waiting = new Set<() => void>()
  return {
    clock: {
      ...clock,
      sleep: (ms: number, signal?: AbortSignal) =>
        ms < 60_000
          ? clock.sleep(ms, signal)
          : new Promise<void>((resolve) => {
              waiting.add(resolve)
              signal?.addEventListener('abort', () => resolve())
              if (signal?.aborted) resolve()
            }),
    },
    passMinute() {
      for (const resolve of waiting) resolve()
      waiting.clear()
    },
  }
}

const postsOf = ({ exchanges }: Harness) => exchanges.filter(({ method }) => method === 'POST')

describe('the stream', () => {
  test.each(['/mcp/github', '/mcp/github/sse', '/mcp/github/mcp'])(
    '%s begins with where to POST',
    async (path) => {
      const client = await aClient(aServer(), path)
      expect(client.endpoint).toMatch(/^\/mcp\/github\/messages\?sessionId=hpe1\.[\w-]+$/)
    },
  )

  test('is below the path of the public address for whoever came by it', async () => {
    const harness = aServer({ prefixAt: (host) => (host === 'gateway:8484' ? '/approvals' : '') })
    expect((await aClient(harness)).endpoint).toMatch(/^\/approvals\/mcp\/github\/messages/)
  })

  test.each([
    ['a session', { 'mcp-session-id': 'x' }, 404, 0],
    [
      'a revision, as a client of a server without sessions does',
      { 'mcp-protocol-version': '2025-11-25' },
      404,
      1,
    ],
    ['2026-07-28', { 'mcp-protocol-version': '2026-07-28' }, 405, 0],
    ['an event of another stream', { 'last-event-id': 'upstream-7' }, 404, 1],
    ['no wish for events', { accept: '*/*' }, 404, 1],
  ])('is not for a GET that names %s', async (_name, headers, status, asked) => {
    const harness = aServer()
    const response = await harness.request('/mcp/github', {
      headers: { ...usual, accept: 'text/event-stream', ...headers },
    })
    expect(response.status).toBe(status)
    // It is the server's to answer, where there is anything to ask.
    expect(harness.exchanges).toHaveLength(asked)
    await response.body?.cancel()
  })

  test.each([
    ['another host', { host: 'evil.example' }, 403],
    ['another origin', { origin: 'https://evil.example' }, 403],
    ['no token', { authorization: '' }, 401],
  ])('and its messages have the same door: %s', async (_name, headers, status) => {
    const harness = aServer({
      challengeOf: () => ({ metadataUrl: 'https://g/.well-known/x', scopes: ['a'] }),
    })
    const client = await aClient(harness)
    const opened = await harness.request('/mcp/github', {
      headers: { ...usual, accept: 'text/event-stream', ...headers },
    })
    const posted = await client.post({ id: 1, method: 'ping' }, headers)
    for (const response of [opened, posted]) {
      expect(response.status).toBe(status)
      if (status === 401) expect(response.headers.get('www-authenticate')).toContain('resource_metadata=')
    }
    expect(client.messages()).toEqual([])
  })

  test('is one of not too many for one agent, and gives its place back', async () => {
    const harness = aServer()
    const clients = await Promise.all(Array.from({ length: 50 }, () => aClient(harness)))
    const open = () => harness.request('/mcp/github', { headers: { ...usual, accept: 'text/event-stream' } })
    expect((await open()).status).toBe(429)
    await clients[0]?.leave()
    await expect.poll(async () => (await open()).status).toBe(200)
  })

  test('has comments while nothing happens', async () => {
    const harness = aServer({ timings: { commentMs: 10 } })
    const response = await harness.request('/mcp/github', {
      headers: { ...usual, accept: 'text/event-stream' },
    })
    const reader = response.body?.getReader()
    let text = ''
    while (!text.includes(comment('still here')))
      text += new TextDecoder().decode((await reader?.read())?.value)
    await reader?.cancel()
  })
})

describe('a message', () => {
  test('is accepted, and answered on the stream in the words of the server', async () => {
    const harness = aServer()
    const client = await aSession(harness)
    const posted = await client.post(call('ping_tool', { arguments: { n: 1 } }, 'seven'))
    expect(posted.status).toBe(202)
    expect(await client.answer('seven')).toBeDefined()
    expect(client.events.at(-1)?.data).toContain('"kept": 1.0')
    const sent = harness.exchanges.at(-1)
    expect(sent?.headers).toMatchObject({
      'mcp-session-id': 'upstream-1',
      'mcp-protocol-version': '2025-06-18',
      accept: 'application/json, text/event-stream',
    })
    expect(sent?.body).toBe(call('ping_tool', { arguments: { n: 1 } }, 'seven'))
  })

  test.each([
    ['is no JSON', '{', 400],
    ['is a batch', '[]', 400],
    ['has a duplicate name', '{"jsonrpc":"2.0","method":"notifications/x","method":"y"}', 400],
  ])('that %s is refused where it was sent', async (_name, text, status) => {
    const client = await aSession(aServer())
    expect((await client.post(text)).status).toBe(status)
    expect((await client.post(text, { 'content-type': 'text/plain' })).status).toBe(415)
    expect(client.messages()).toHaveLength(1)
  })

  test('that is a request and refused is answered once, under its id', async () => {
    const client = await aSession(aServer({ policy: aPolicy({ forbidden: 'deny' }) }))
    expect((await client.post({ id: 4, method: 'no/such' })).status).toBe(202)
    expect(await client.answer(4)).toMatchObject({ error: { code: -32_601 } })
    expect((await client.post(call('forbidden', undefined, 5))).status).toBe(202)
    expect(await client.answer(5)).toMatchObject({ result: { isError: true } })
    expect((await client.post({ id: 6, method: 'ping' }, modernHeaders('ping'))).status).toBe(202)
    expect(await client.answer(6)).toHaveProperty('error')
    expect(client.messages().map(({ id }) => id)).toEqual([0, 4, 5, 6])
  })

  test('whose answer never comes, or comes twice, is answered once', async () => {
    const harness = aServer({
      wire: ({ body }) => {
        const { id } = JSON.parse(body ?? '')
        const event = (data: object) => `data: ${JSON.stringify({ jsonrpc: '2.0', ...data })}\n\n`
        if (id === 1) return wireEvents(event({ method: 'notifications/message', params: {} }))
        if (id === 2)
          return wireEvents(
            event({ id: 99, result: {} }) + event({ id: 2, result: {} }) + event({ id: 2, result: {} }),
          )
        return { status: 500, headers: { 'content-type': 'text/html' }, body: new Response('<oops>').body }
      },
    })
    const client = await aSession(harness)
    for (const id of [1, 2, 3]) {
      await client.post(call('ping_tool', undefined, id))
      await client.answer(id)
    }
    expect(await client.answer(1)).toMatchObject({
      error: { message: expect.stringMatching(/may (or may not )?have/) },
    })
    expect(await client.answer(2)).toMatchObject({ result: {} })
    expect(await client.answer(3)).toHaveProperty('error')
    expect(client.messages().filter(({ id }) => id !== undefined)).toHaveLength(4)
  })

  test('is for the stream of the same agent at the same server alone', async () => {
    const harness = aServer({
      authenticate: async (headers) =>
        admission(headers.get('authorization') === 'Bearer agent' ? agent : { name: 'other', owner: 'mina' }),
    })
    const client = await aSession(harness)
    const stolen = await client.post(call('ping_tool'), { authorization: 'Bearer other' })
    expect(stolen.status).toBe(404)
    expect((await client.post(call('ping_tool'), {}, '/mcp/github/messages?sessionId=guessed')).status).toBe(
      404,
    )
    expect((await client.post(call('ping_tool'), {}, '/mcp/github/messages')).status).toBe(404)
    expect(postsOf(harness)).toHaveLength(2)
  })

  test('from a hundred at a time is not taken', async () => {
    const harness = aServer({ wire: () => new Promise(() => {}) })
    const client = await aSession(harness)
    for (let id = 1; id <= 100; id++)
      expect((await client.post(call('ping_tool', undefined, id))).status).toBe(202)
    expect((await client.post(call('ping_tool', undefined, 101))).status).toBe(429)
    expect(postsOf(harness)).toHaveLength(102)
    await client.leave()
  })
})

describe('a call that people decide about', () => {
  const policy = aPolicy({ logout: 'require_approval' })

  test('waits on the stream with its progress, and its answer comes there', async () => {
    const { approval } = anApproval()
    let decide = () => {}
    const decided = new Promise<void>((done) => {
      decide = done
    })
    const harness = aServer({
      policy,
      async awaitOutcome({ onLook }) {
        onLook(approval)
        await decided
        onLook(approvedNow(approval))
        return settledAs(approval, outcomes.answered(), '{"content":[]}')
      },
    })
    const client = await aSession(harness)
    await client.post(call('logout', { arguments: {}, _meta: { progressToken: 'p' } }, 7))
    const progress = () => client.messages().find(({ method }) => method === 'notifications/progress')
    await expect.poll(progress).toMatchObject({ params: { progressToken: 'p' } })
    // Other requests go on meanwhile.
    await client.post({ id: 8, method: 'ping' })
    await client.answer(8)
    expect(harness.delivered).toEqual([])
    decide()
    expect(await client.answer(7)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [] } })
    await expect.poll(() => harness.delivered).toEqual([approval.id])
    // A stream like this is not resumed by the ids of its answers.
    expect(client.events.filter(({ id }) => id !== null)).toHaveLength(1)
  })

  test('is left, and not withdrawn or marked as delivered, when the stream dies', async () => {
    const { approval } = anApproval()
    const signals: AbortSignal[] = []
    const harness = aServer({
      policy,
      ask: async () => ok({ kind: 'waiting', approval, isNew: true }),
      async awaitOutcome({ signal }) {
        signals.push(signal)
        await new Promise((done) => signal.addEventListener('abort', done))
        return { kind: 'left' }
      },
    })
    const client = await aSession(harness)
    await client.post(call('logout', undefined, 7))
    await expect.poll(() => signals.length).toBe(1)
    await client.leave()
    await expect.poll(() => signals[0]?.aborted).toBe(true)
    expect(harness.delivered).toEqual([])
    await expect.poll(() => harness.deps.held.count()).toBe(0)
    expect((await client.post({ id: 1, method: 'ping' })).status).toBe(404)
  })

  test('that passes is left as well when the stream dies, and so is what the server says by itself', async () => {
    const open = new Set<string>()
    const endless = (name: string): WireResponse => ({
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: new ReadableStream({
        start: () => void open.add(name),
        cancel: () => void open.delete(name),
      }),
    })
    const harness = aHarness({
      wire: ({ method, body }) => {
        if (method === 'GET') return endless('GET')
        if (body?.includes('"initialize"')) return initialized()
        return body?.includes('ping_tool') ? endless('call') : { status: 202, headers: {}, body: null }
      },
    })
    const client = await aSession(harness)
    await client.post(call('ping_tool', undefined, 7))
    await expect.poll(() => open.size).toBe(2)
    await client.leave()
    await expect.poll(() => [...open]).toEqual([])
    await expect.poll(() => harness.deps.held.count()).toBe(0)
  })

  test('is cancelled as in any session', async () => {
    const { approval } = anApproval()
    const harness = aServer({
      policy,
      ask: async () => ok({ kind: 'waiting', approval, isNew: true }),
      async awaitOutcome({ signal }) {
        await new Promise((done) => signal.addEventListener('abort', done))
        return { kind: 'left' }
      },
    })
    const client = await aSession(harness)
    await client.post(call('logout', undefined, 7))
    await expect.poll(() => harness.deps.held.count()).toBe(1)
    await client.post({ method: 'notifications/cancelled', params: { requestId: 7 } })
    await expect.poll(() => harness.deps.held.count()).toBe(0)
  })

  test('is told how to go on when this gateway stops, and then the stream ends', async () => {
    const stopping = new AbortController()
    const { approval } = anApproval()
    const harness = aServer({
      policy,
      stopping: stopping.signal,
      ask: async () => ok({ kind: 'waiting', approval, isNew: true }),
      async awaitOutcome() {
        await new Promise((done) => stopping.signal.addEventListener('abort', done))
        return { kind: 'still_waiting', approval }
      },
    })
    const client = await aSession(harness)
    await client.post(call('logout', undefined, 7))
    await expect.poll(() => harness.deps.held.count()).toBe(1)
    stopping.abort()
    expect(await client.answer(7)).toMatchObject({ result: { isError: true } })
    await expect.poll(client.isOver).toBe(true)
  })
})

describe('the server behind', () => {
  test('is heard and can ask, over the stream of its session', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const harness = aHarness({
      wire: ({ method, body }) => {
        if (method === 'GET')
          return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: readable }
        return body?.includes('"initialize"') ? initialized() : { status: 202, headers: {}, body: null }
      },
    })
    const client = await aSession(harness)
    await expect.poll(() => harness.exchanges.some(({ method }) => method === 'GET')).toBe(true)
    expect(harness.exchanges.find(({ method }) => method === 'GET')?.headers['mcp-session-id']).toBe(
      'upstream-1',
    )
    void writer.write(new TextEncoder().encode('data: {"jsonrpc":"2.0","id":"q","method":"roots/list"}\n\n'))
    await expect.poll(() => client.messages().at(-1)?.method).toBe('roots/list')
    await client.post({ id: 'q', result: { roots: [] } })
    expect(harness.exchanges.at(-1)?.body).toContain('"roots":[]')
  })

  test('keeps its session for a client that opens its stream again, and for nobody else', async () => {
    const harness = aServer({
      authenticate: async (headers) =>
        admission(headers.get('authorization') === 'Bearer agent' ? agent : { name: 'other', owner: 'mina' }),
    })
    const first = await aSession(harness)
    const id = first.events.find((event) => event.id !== null)?.id ?? ''
    expect(id).toMatch(/^hps1\./)
    await first.leave()
    const again = await aClient(harness, '/mcp/github', { 'last-event-id': id })
    await again.post({ id: 2, method: 'ping' })
    await again.answer(2)
    const last = () => harness.exchanges.at(-1)?.headers
    expect(last()).toMatchObject({ 'mcp-session-id': 'upstream-1', 'mcp-protocol-version': '2025-06-18' })
    const other = await aClient(harness, '/mcp/github', {
      'last-event-id': id,
      authorization: 'Bearer other',
    })
    await other.post({ id: 3, method: 'ping' }, { authorization: 'Bearer other' })
    await other.answer(3)
    expect(last()).not.toHaveProperty('mcp-session-id')
  })

  test('keeps its session while a stream has it, whatever becomes of the older one', async () => {
    const { clock, passMinute } = minutesByHand()
    const harness = aServer({ clock })
    const ended = () => harness.exchanges.filter(({ method }) => method === 'DELETE')
    const first = await aSession(harness)
    const id = first.events.find((event) => event.id !== null)?.id ?? ''
    // Its socket is half open: the client has left it, and nobody here knows.
    const again = await aClient(harness, '/mcp/github', { 'last-event-id': id })
    await expect.poll(first.isOver).toBe(true)
    expect((await first.post({ id: 1, method: 'ping' })).status).toBe(404)
    passMinute()
    await again.post({ id: 2, method: 'ping' })
    await again.answer(2)
    passMinute()
    await again.post({ id: 3, method: 'ping' })
    await again.answer(3)
    expect(ended()).toEqual([])
    await again.leave()
    // Left for good.
    const endedLater = () => {
      passMinute()
      return ended().map(({ headers }) => headers['mcp-session-id'])
    }
    await expect.poll(endedLater).toEqual(['upstream-1'])
  })

  test('keeps its session for a client that has as many streams as it may, the lost one among them', async () => {
    const harness = aServer()
    const first = await aSession(harness)
    const id = first.events.find((event) => event.id !== null)?.id ?? ''
    await Promise.all(Array.from({ length: 49 }, () => aClient(harness)))
    const again = await aClient(harness, '/mcp/github', { 'last-event-id': id })
    await again.post({ id: 2, method: 'ping' })
    await again.answer(2)
  })

  test('is not asked again for an agent that is let in no more, which loses its stream', async () => {
    const { clock } = aHarness().deps
    let letIn = 'Bearer agent'
    let areKeysThere = true
    const harness = aHarness({
      clock: { ...clock, sleep: (ms, signal) => clock.sleep(ms === 2_000 ? 5 : ms, signal) },
      authenticate: async (headers) =>
        areKeysThere
          ? admission(headers.get('authorization') === letIn ? agent : null)
          : { kind: 'refused', because: 'keys_unavailable', message: 'no keys' },
      wire: ({ method, body }) => {
        if (method === 'GET') return wireEvents(': nothing\n\n')
        return body?.includes('"initialize"') ? initialized() : { status: 202, headers: {}, body: null }
      },
    })
    const heard = () => harness.exchanges.filter(({ method }) => method === 'GET').length
    const isHeardAgain = async () => {
      const before = heard()
      await expect.poll(heard).toBeGreaterThan(before + 1)
    }
    const client = await aSession(harness)
    await isHeardAgain()
    // The client goes on with another token of the same agent.
    letIn = 'Bearer renewed'
    await client.post({ method: 'notifications/x' }, { authorization: letIn })
    await isHeardAgain()
    // Not known for a while.
    areKeysThere = false
    await clock.sleep(50)
    areKeysThere = true
    await isHeardAgain()
    letIn = 'nobody'
    await expect.poll(client.isOver).toBe(true)
    const last = heard()
    await clock.sleep(50)
    expect(heard()).toBe(last)
  })
})

test.each([
  ['HTTP+SSE', async (harness: Harness) => aSession(harness)],
  [
    'the stream of a session',
    async (harness: Harness) =>
      aReading(
        await harness.request('/mcp/github', {
          headers: { ...usual, accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25' },
        }),
      ),
  ],
  [
    'subscriptions/listen',
    async (harness: Harness) =>
      aReading(
        await harness.request('/mcp/github', {
          method: 'POST',
          headers: {
            ...usual,
            ...modernHeaders('subscriptions/listen'),
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
          },
          body: JSON.stringify({
            ...{ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen' },
            params: { notifications: { toolsListChanged: true }, _meta: modernMeta },
          }),
        }),
      ),
  ],
])(
  '%s: an agent that is let in no more loses it, also where the server never ends its stream',
  async (_name, open) => {
    const { clock } = aHarness().deps
    let standing: 'in' | 'unknown' | 'out' = 'in'
    let looks = 0
    let left = 0
    const harness = aHarness({
      clock: { ...clock, sleep: (ms, signal) => clock.sleep(Math.min(ms, 5), signal) },
      authenticate: async () => {
        looks++
        return standing === 'unknown'
          ? { kind: 'refused', because: 'keys_unavailable', message: 'no keys' }
          : admission(standing === 'in' ? agent : null)
      },
      wire: ({ method, body }): WireResponse => {
        if (body?.includes('"initialize"')) return initialized()
        if (method === 'DELETE' || (method === 'POST' && !body?.includes('subscriptions/listen')))
          return { status: 202, headers: {}, body: null }
        const endless = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new TextEncoder().encode(': heard\n\n')),
          cancel: () => void left++,
        })
        return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: endless }
      },
    })
    const stream = await open(harness)
    const isLookedAtAgain = async () => {
      const before = looks
      await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(before + 2)
    }
    await isLookedAtAgain()
    standing = 'unknown'
    await isLookedAtAgain()
    expect(stream.isOver()).toBe(false)
    standing = 'out'
    await expect.poll(stream.isOver, { timeout: 10_000 }).toBe(true)
    // The server is not listened to either.
    await expect.poll(() => left, { timeout: 10_000 }).toBe(1)
  },
)

/** Reads until it is over. */
function aReading(response: Response) {
  expect(response.status).toBe(200)
  let isOver = false
  void response
    .text()
    .catch(() => {})
    .finally(() => {
      isOver = true
    })
  return { isOver: () => isOver }
}

describe('what a client does not read', () => {
  const limits = { replyBytesMax: 100_000 }
  const long = 'x'.repeat(70_000)
  const reply = (id: unknown) => JSON.stringify({ jsonrpc: '2.0', id, result: { text: long } })

  /** Reads where to POST and then no more. */
  async function aReaderOfNothing(harness: Harness) {
    const response = await harness.request('/mcp/github', {
      headers: { ...usual, accept: 'text/event-stream' },
    })
    const reader = response.body?.getReader()
    const endpoint = new TextDecoder().decode((await reader?.read())?.value).match(/^data: (.*)$/m)?.[1] ?? ''
    return {
      ask: async (message: string) =>
        (
          await harness.request(endpoint, {
            method: 'POST',
            headers: { ...usual, 'content-type': 'application/json' },
            body: message,
          })
        ).status,
      /** What is read from now on; `null`: the stream was cut. */
      read: async () => (await reader?.read().catch(() => null))?.value ?? null,
    }
  }

  const asked = (id: unknown) => call('ping_tool', undefined, id)
  const pings = (harness: Harness) => postsOf(harness).filter(({ body }) => body?.includes('ping_tool'))

  test('of large answers is bounded: its stream is cut, and its calls can be collected', async () => {
    const { approval } = anApproval()
    const harness = aServer({
      limits,
      policy: aPolicy({ logout: 'require_approval', ping_tool: 'allow' }),
      wire: ({ body }) => wireJson(reply(JSON.parse(body ?? '').id)),
      awaitOutcome: async () => settledAs(approval, outcomes.answered(), '{"content":[]}'),
    })
    const client = await aReaderOfNothing(harness)
    expect(await client.ask(asked(1))).toBe(202)
    await expect.poll(() => pings(harness).length).toBe(1)
    // Behind an answer that is not taken.
    expect(await client.ask(call('logout', undefined, 'held'))).toBe(202)
    expect(await client.ask(asked(2))).toBe(202)
    await expect.poll(() => pings(harness).length).toBe(2)
    expect(await client.ask(asked(3))).toBe(202)
    await expect.poll(() => client.ask(asked(4))).toBe(404)
    expect(await client.read()).toBeNull()
    expect(harness.logged).toContain('an HTTP+SSE client left too much unread and was cut')
    expect(harness.delivered).toEqual([])
    await expect.poll(() => harness.deps.held.count()).toBe(0)
  })

  test('is bounded as well while the answers are still coming', async () => {
    const left: string[] = []
    const harness = aServer({
      limits,
      wire: ({ body }) => ({
        status: 200,
        headers: {
          'content-type': JSON.parse(body ?? '').id === 1 ? 'text/event-stream' : 'application/json',
        },
        // Never ends.
        body: new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode(`data: ${long}`)),
          cancel: () => void left.push(body ?? ''),
        }),
      }),
    })
    const client = await aReaderOfNothing(harness)
    for (const id of [1, 2, 3]) expect(await client.ask(asked(id))).toBe(202)
    await expect.poll(() => left.length).toBe(3)
    expect(await client.ask(asked(4))).toBe(404)
  })

  test('counts for its agent: the stream that holds most is cut, and the one that is read goes on', async () => {
    const harness = aServer({ limits, wire: ({ body }) => wireJson(reply(JSON.parse(body ?? '').id)) })
    const reading = await aSession(harness)
    const idle = [
      await aReaderOfNothing(harness),
      await aReaderOfNothing(harness),
      await aReaderOfNothing(harness),
    ]
    for (const client of idle) {
      expect(await client.ask(asked(1))).toBe(202)
      expect(await client.ask(asked(2))).toBe(202)
    }
    for (let id = 1; id <= 10; id++) {
      await reading.post(asked(id))
      await reading.answer(id)
    }
    const isCut = await Promise.all(
      idle.map(
        async (client) =>
          (await client.ask(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x' }))) === 404,
      ),
    )
    expect(isCut.filter(Boolean)).toHaveLength(1)
    expect(reading.isOver()).toBe(false)
  })

  test('is nothing of what was taken, or was no message', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const say = (text: string) => writer.write(new TextEncoder().encode(text))
    const harness = aHarness({
      limits,
      wire: ({ method, body }) => {
        if (method === 'GET')
          return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: readable }
        return body?.includes('"initialize"') ? initialized() : { status: 202, headers: {}, body: null }
      },
    })
    const client = await aSession(harness)
    const message = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { long } })
    for (let count = 0; count < 5; count++) {
      await say(`data: ${message}\n\n`)
      await say(`: ${long}\r\n\r\n`)
      await say(`data: ${message}\n`)
      await say('\n')
      await expect.poll(() => client.messages().length).toBe(1 + 2 * (count + 1))
    }
    expect(client.isOver()).toBe(false)
  })
})
