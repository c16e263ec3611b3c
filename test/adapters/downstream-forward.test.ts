/** What passes keeps its bytes; what belongs to one side only does not cross. */
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { createSessionSeal } from '../../src/mcp/downstream/sealed-session.ts'
import { UpstreamFault } from '../../src/mcp/upstream/wire.ts'
import { agent, aPolicy } from '../support/builders.ts'
import {
  aHarness,
  body,
  modernHeaders,
  modernMeta,
  usualHeaders,
  type Wire,
  wireEvents,
  wireJson,
} from './downstream-harness.ts'

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
const scope = { principal: agent, server: 'github' }

describe('an allowed call', () => {
  it('arrives byte for byte', async () => {
    const harness = aHarness()
    const text =
      ' {"jsonrpc" : "2.0",\n"id":"a\\u0062","method":"tools\\/call","params":{"name":"ping_tool","arguments":{"z":1.0,"a":"\\u00e9é"},"_meta":{"x":1}}}\n'
    const response = await harness.post(text)
    expect(harness.exchanges.map(({ body }) => body)).toEqual([text])
    expect(await response.text()).toBe('{"jsonrpc":"2.0","id":1,"result":{}}')
    expect(harness.asked).toHaveLength(0)
  })

  it('takes along the headers of MCP, HTTP and tracing, and those an operator names; no credentials, no network, no claims', async () => {
    const harness = aHarness({
      passHeaders: (server) => (server === 'github' ? ['x-toolset'] : ['x-user-id']),
    })
    await harness.post(ping, {
      'user-agent': 'night/1.0',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'X-Toolset': 'repos',
      'x-api-key': 'secret',
      'x-auth-request-access-token': 'secret',
      'cf-access-jwt-assertion': 'secret',
      'x-user-id': 'admin',
      'idempotency-key': 'k',
      'mcp-protocol-version': '2025-06-18',
      'x-request-id': '7',
      cookie: 'a=b',
      'proxy-authorization': 'x',
      'x-forwarded-for': '1.2.3.4',
      forwarded: 'for=1.2.3.4',
      connection: 'close, x-hop',
      'x-hop': '1',
      'mcp-method': 'tools/list',
      'mcp-name': 'get_weather',
      'mcp-param-region': 'eu',
    })
    expect(harness.exchanges[0]?.headers).toEqual({
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-06-18',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'user-agent': 'night/1.0',
      'x-request-id': '7',
      'x-toolset': 'repos',
    })
    expect(harness.exchanges[0]).toMatchObject({ method: 'POST', principal: agent, freshConnection: false })
  })

  describe('of 2026-07-28 with arguments in headers', () => {
    const schema = { properties: { region: { 'x-mcp-header': 'Region' }, name: { type: 'string' } } }
    const called = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'ping_tool', arguments: { region: '서울', name: 'eu' }, _meta: modernMeta },
    })
    const seoul = '=?base64?7ISc7Jq4?='
    const post = async (stated: Record<string, string>, inputSchema: JsonValue | undefined) => {
      const harness = aHarness({ inputSchemaOf: async () => inputSchema })
      const response = await harness.post(called, { ...modernHeaders('tools/call', 'ping_tool'), ...stated })
      return { response, sent: harness.exchanges.map(({ headers }) => headers['mcp-param-region']) }
    }

    it('passes when both say the same', async () => {
      expect((await post({ 'Mcp-Param-Region': seoul }, schema)).sent).toEqual([seoul])
      expect((await post({}, schema)).sent).toEqual([undefined])
    })

    it.each([
      ['another value', { 'mcp-param-region': 'us' }, schema],
      ['two values', { 'mcp-param-region': `${seoul}, us` }, schema],
      ['a header that the schema does not mark', { 'mcp-param-name': 'eu' }, schema],
      ['a tool that was not seen', { 'mcp-param-region': seoul }, undefined],
    ])('is refused with %s, because the policy reads the body', async (_, stated, inputSchema) => {
      const { response, sent } = await post(stated, inputSchema)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ id: 1, error: { code: -32020 } })
      expect(sent).toEqual([])
    })
  })

  it.each([
    [undefined, 'application/json, text/event-stream'],
    ['*/*', 'application/json, text/event-stream'],
    ['application/json', 'application/json'],
  ])('with Accept %s asks for %s', async (accept, upstream) => {
    const harness = aHarness()
    await harness.post(ping, { accept })
    expect(harness.exchanges[0]?.headers.accept).toBe(upstream)
  })

  it.each([400, 404, 409, 500])('gets status %i and the body of its upstream', async (status) => {
    const answer = { status, headers: { 'content-type': 'text/plain', 'x-own': '1' }, body: body('a\u0000b') }
    const harness = aHarness({ wire: () => answer })
    const response = await harness.post(ping)
    expect(response.status).toBe(status)
    expect(response.headers.get('x-own')).toBe('1')
    expect(await response.text()).toBe('a\u0000b')
  })

  it('streams while its upstream still writes', async () => {
    let push: ((text: string) => void) | undefined
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        push = (text) => controller.enqueue(new TextEncoder().encode(text))
      },
    })
    const wire: Wire = () => ({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: stream })
    const reader = (await aHarness({ wire }).post(ping)).body?.getReader()
    push?.(': one\n\n')
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(': one\n\n')
    push?.('data: {}\n')
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: {}\n')
  })

  it('does not bring the upstream’s cookies, origin rules or framing to the client', async () => {
    const wire: Wire = () =>
      wireJson('{}', {
        'set-cookie': 'a=b',
        'content-length': '99',
        'content-security-policy': 'x',
        refresh: '0',
      })
    const response = await aHarness({ wire }).post(ping)
    expect([...response.headers]).toEqual([['content-type', 'application/json']])
  })

  it.each([401, 302, 307])(
    'is not told of an upstream’s HTTP %i, which is about the gateway',
    async (status) => {
      const headers = {
        'www-authenticate': 'Bearer resource_metadata="https://evil"',
        location: 'https://evil',
      }
      const harness = aHarness({ wire: () => ({ status, headers, body: body('') }) })
      const response = await harness.post(ping)
      expect(response.status).toBe(502)
      expect(response.headers.get('www-authenticate')).toBeNull()
      expect(response.headers.get('location')).toBeNull()
      expect(await response.json()).toMatchObject({ id: 1, error: { code: -32603 } })
    },
  )
})

describe('an upstream that fails', () => {
  it.each([
    [600, {}],
    [999, {}],
    [200, { 'x-odd': 'a\u0000b' }],
  ])('with what no response can have gets its exchange ended: HTTP %i %j', async (status, headers) => {
    const harness = aHarness({ wire: () => ({ status, headers, body: body('x') }) })
    const response = await harness.post(ping)
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ id: 1, error: { code: -32603 } })
    expect(harness.exchanges[0]?.signal.aborted).toBe(true)
  })

  it.each([
    [ping, 1, false, /"github".*Nothing was sent/],
    [ping, 1, true, /"github".*may have received/],
    ['{"jsonrpc":"2.0","method":"notifications/initialized"}', null, false, /"github"/],
  ])('is named to the client: %s', async (text, id, isSent, message) => {
    const wire: Wire = () => {
      throw new UpstreamFault('connect ECONNREFUSED 10.0.0.7:443', isSent)
    }
    const response = await aHarness({ wire }).post(text)
    const answer = await response.text()
    expect(response.status).toBe(502)
    expect(JSON.parse(answer)).toMatchObject({
      id,
      error: { code: -32603, message: expect.stringMatching(message) },
    })
    expect(answer).not.toContain('10.0.0.7')
  })

  it('with an unexpected error still gets the request its one answer', async () => {
    const wire: Wire = () => {
      throw new Error('secret detail')
    }
    const response = await aHarness({ wire }).post(ping)
    expect(response.status).toBe(500)
    const answer = await response.text()
    expect(JSON.parse(answer)).toMatchObject({ id: 1, error: { code: -32603 } })
    expect(answer).not.toContain('secret')
  })

  it('is left when the client leaves', async () => {
    const gone = new AbortController()
    let upstreamSignal: AbortSignal | undefined
    const wire: Wire = ({ signal }) => {
      upstreamSignal = signal
      gone.abort()
      throw new UpstreamFault('the requester left', true)
    }
    const harness = aHarness({ wire })
    await harness.request('/mcp/github', {
      method: 'POST',
      headers: usualHeaders,
      body: ping,
      signal: gone.signal,
    })
    expect(upstreamSignal?.aborted).toBe(true)
    expect(harness.logged).not.toContain('upstream not available')
  })
})

describe('a session', () => {
  const sessionId = 'upstream-1'
  const wire: Wire = () => wireJson('{}', { 'mcp-session-id': sessionId })
  const initialize =
    '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"claude\\u001b-code","version":"2.1"}}}'
  const opened = async (harness = aHarness({ wire })) =>
    (await harness.post(initialize)).headers.get('mcp-session-id') ?? ''

  it('is sealed on its way to the client and opened on its way back', async () => {
    const sealed = await opened()
    const readable = sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'))
    for (const text of [sealed, ...readable]) expect(text).not.toContain(sessionId)
    expect(sealed).toMatch(/^[\x21-\x7e]+$/)
    // Another gateway, or this one after a restart.
    const other = aHarness({ wire })
    const response = await other.post(ping, { 'mcp-session-id': sealed })
    expect(other.exchanges[0]?.headers['mcp-session-id']).toBe(sessionId)
    expect(response.headers.get('mcp-session-id')).toBe(sealed)
  })

  it('remembers what the client called itself, for display', async () => {
    expect(createSessionSeal(new Uint8Array(32).fill(7)).open(scope, await opened())).toEqual({
      id: sessionId,
      client: 'claude\uFFFD-code 2.1',
    })
  })

  it('keeps its sealed form, whatever the client calls itself later', async () => {
    const harness = aHarness({ wire })
    const anonymous = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}'
    const sealed = (await harness.post(anonymous)).headers.get('mcp-session-id') ?? ''
    const response = await harness.post(ping, { 'mcp-session-id': sealed, 'user-agent': 'curl/8' })
    expect(response.headers.get('mcp-session-id')).toBe(sealed)
  })

  it('also goes along with GET and DELETE', async () => {
    const harness = aHarness({ wire })
    const headers = { ...usualHeaders, 'mcp-session-id': await opened(), 'last-event-id': 'e-7' }
    await harness.request('/mcp/github', { method: 'GET', headers })
    await harness.request('/mcp/github', { method: 'DELETE', headers })
    expect(
      harness.exchanges.map(({ method, body, headers }) => [method, body, headers['mcp-session-id']]),
    ).toEqual([
      ['GET', null, sessionId],
      ['DELETE', null, sessionId],
    ])
    expect(harness.exchanges[0]?.headers['last-event-id']).toBe('e-7')
  })

  it.each([
    ['another principal’s', { ...scope, principal: { ...agent, name: 'other' } }, 7],
    ['of the same name and another owner', { ...scope, principal: { ...agent, owner: 'other' } }, 7],
    ['another server’s', { ...scope, server: 'gitlab' }, 7],
    ['one sealed with another key', scope, 8],
  ])('is as unknown as any when it is %s', async (_, sealedFor, key) => {
    const harness = aHarness({ wire })
    const sealed = createSessionSeal(new Uint8Array(32).fill(key)).seal(sealedFor, {
      id: sessionId,
      client: null,
    })
    const refused = await harness.post(ping, { 'mcp-session-id': sealed })
    const unknown = await harness.post(ping, { 'mcp-session-id': 'upstream-1' })
    expect(refused.status).toBe(404)
    const text = await refused.text()
    expect(JSON.parse(text)).toMatchObject({ id: 1, error: { code: -32001, message: 'Session not found' } })
    expect(text).toBe(await unknown.text())
    expect(harness.exchanges).toHaveLength(0)
  })

  it('is forged by no change of a character', async () => {
    const sealed = await opened()
    const harness = aHarness({ wire })
    for (let place = 0; place < sealed.length; place++) {
      const other = sealed[place] === 'A' ? 'B' : 'A'
      const forged = sealed.slice(0, place) + other + sealed.slice(place + 1)
      const isSameBits = place === sealed.length - 1
      if (!isSameBits) expect((await harness.post(ping, { 'mcp-session-id': forged })).status).toBe(404)
    }
    expect(harness.exchanges).toHaveLength(0)
  })

  it('does not exist in 2026-07-28', async () => {
    const harness = aHarness({ wire })
    const text = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/list',
      params: { _meta: modernMeta },
    })
    const response = await harness.post(text, { ...modernHeaders('tools/list'), 'mcp-session-id': 'forged' })
    expect(response.headers.get('mcp-session-id')).toBeNull()
    expect(harness.exchanges[0]?.headers['mcp-session-id']).toBeUndefined()
    expect(harness.exchanges[0]?.headers['mcp-method']).toBe('tools/list')
  })
})

describe('a tool that the policy hides', () => {
  const policy = { ...aPolicy(), hidden: new Set(['secret_tool']) }
  const shown = '{"name":"a", "inputSchema":{"n":12345678901234567890}}'
  const hidden = '{"inputSchema":{},"name":"secr\\u0065t_tool"}'
  const answer = `{"jsonrpc":"2.0","id":1,"result":{"tools":[${shown}, ${hidden}],"nextCursor":"c\\u0061"}}`
  const without = `{"jsonrpc":"2.0","id":1,"result":{"tools":[${shown}],"nextCursor":"c\\u0061"}}`

  it('is missing in a JSON list, whose other bytes stay', async () => {
    const response = await aHarness({ policy, wire: () => wireJson(answer) }).post(list)
    expect(await response.text()).toBe(without)
  })

  it('is missing in an event stream, whose other events stay, wherever chunks are cut', async () => {
    const before =
      ': hi\r\n\r\nid: 7\r\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\r\n\r\n'
    const stream = `${before}event: message\nid: 8\ndata: ${answer}\n\n: bye\n\n`
    const expected = `${before}event: message\nid: 8\ndata: ${without}\n\n: bye\n\n`
    for (const size of [1, 2, 3, 7, 64, 10_000]) {
      const bytes = Buffer.from(stream)
      const cut = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
          controller.close()
        },
      })
      const wire: Wire = () => ({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: cut })
      expect(await (await aHarness({ policy, wire }).post(list)).text()).toBe(expected)
    }
  })

  it('is missing when a stream is resumed', async () => {
    const wire: Wire = () => wireEvents(`data: ${answer}\n\n`)
    const harness = aHarness({ policy, wire })
    const response = await harness.request('/mcp/github', {
      headers: { ...usualHeaders, 'last-event-id': '7' },
    })
    expect(await response.text()).toBe(`data: ${without}\n\n`)
  })

  it('makes a 2026-07-28 list private', async () => {
    const text = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/list',
      params: { _meta: modernMeta },
    })
    const wire: Wire = () =>
      wireJson(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${hidden}],"cacheScope":"public"}}`)
    const response = await aHarness({ policy, wire }).post(text, modernHeaders('tools/list'))
    expect(await response.json()).toMatchObject({
      result: { tools: [{ name: 'holdpoint_wait' }], cacheScope: 'private' },
    })
  })

  it('is not asked for in a list that cannot be read', async () => {
    for (const answerOf of [
      () => wireJson(`[${answer}]`),
      () => wireJson('x'.repeat(2_000)),
      () => ({ ...wireJson(answer), headers: { 'content-type': 'text/plain' } }),
    ]) {
      const harness = aHarness({ policy, wire: answerOf, limits: { replyBytesMax: 1_000 } })
      const response = await harness.post(list)
      expect(response.status).toBe(502)
      expect(await response.text()).not.toContain('secr')
    }
  })

  it('leaves a list alone when nothing is hidden and nobody is asked', async () => {
    const text = `{ "result" : {"tools":[ ${hidden} ]} , "id":1,"jsonrpc":"2.0"}`
    const policy = { ...aPolicy(), fallback: { action: 'allow', pointer: '/default', reason: null } as const }
    expect(await (await aHarness({ policy, wire: () => wireJson(text) }).post(list)).text()).toBe(text)
  })
})

describe('notifications and responses', () => {
  it.each([
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":12345678901234567890}}',
    '{"jsonrpc":"2.0","id":"srv-1","result":{"content":{"a":1e400}}}',
    '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}',
  ])('pass: %s', async (text) => {
    const harness = aHarness({ wire: () => ({ status: 202, headers: {}, body: null }) })
    const response = await harness.post(text)
    expect(response.status).toBe(202)
    expect(harness.exchanges[0]?.body).toBe(text)
  })
})
