/** What is refused at the door and in the message: the client learns why, and no upstream hears of it. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createReadBody } from '../../src/mcp/downstream/body.ts'
import { admission, agent } from '../support/builders.ts'
import {
  aHarness,
  call,
  type Harness,
  modernHeaders,
  modernMeta,
  usualHeaders,
} from './downstream-harness.ts'

interface Refused {
  readonly status: number
  readonly code: number
  readonly message: RegExp
  readonly id?: unknown
}

async function expectRefused(harness: Harness, response: Response, refused: Refused): Promise<void> {
  const text = await response.text()
  expect(text).toMatch(refused.message)
  const json = JSON.parse(text)
  expect(response.status).toBe(refused.status)
  expect(json).toMatchObject({ jsonrpc: '2.0', error: { code: refused.code } })
  expect(json).not.toHaveProperty('result')
  if ('id' in refused) expect(json.id).toEqual(refused.id)
  expect(harness.exchanges).toHaveLength(0)
  expect(harness.asked).toHaveLength(0)
}

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
const parse = (message: RegExp, id: unknown = null): Refused => ({ status: 400, code: -32700, message, id })
const invalid = (message: RegExp): Refused => ({ status: 400, code: -32600, message })
const params = (message: RegExp): Refused => ({ status: 200, code: -32602, message, id: 1 })
const mismatch = (message: RegExp): Refused => ({ status: 400, code: -32020, message })
const critical = (args: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"logout","arguments":${args}}}`

describe('a body', () => {
  const bodied = (body: ReadableStream | string) =>
    new Request('http://gateway:8484/', {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' },
    })
  /** Its first bytes come, the rest when the test says so. */
  function unfinished(bytes: number) {
    let isCancelled = false
    let end = () => {}
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.alloc(bytes, ' '))
        end = () => controller.close()
      },
      cancel() {
        isCancelled = true
      },
    })
    return { body, end: () => end(), isCancelled: () => isCancelled }
  }
  const limits = { bodyBytesMax: 100, bodyBytesInFlightMax: 400 }

  it('has to be complete in time', async () => {
    const readBody = createReadBody(limits, 20)
    const { body, isCancelled } = unfinished(10)
    expect(await readBody(bodied(body), agent)).toMatchObject({
      ok: false,
      error: { status: 408, code: -31_408 },
    })
    expect(isCancelled()).toBe(true)
    expect(await readBody(bodied(ping), agent)).toMatchObject({ ok: true, value: ping })
  })

  it('waits for room in memory, and one agent cannot take all of it', async () => {
    const readBody = createReadBody(limits, 60_000)
    const first = unfinished(80)
    const reading = readBody(bodied(first.body), agent)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await readBody(bodied(ping), agent)
    expect(second).toMatchObject({ ok: false, error: { status: 503, code: -31_503 } })
    const agents = ['a', 'b', 'c', 'd'].map((name) => ({ name, owner: 'jun' }))
    const others = agents.map((other) => readBody(bodied(unfinished(80).body), other))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await readBody(bodied(ping), { name: 'e', owner: 'jun' })).toMatchObject({ ok: false })
    expect(others).toHaveLength(4)
    first.end()
    expect(await reading).toMatchObject({ ok: true })
    expect(await readBody(bodied(ping), agent)).toMatchObject({ ok: true, value: ping })
  })
})

describe('the door', () => {
  it.each([
    ['no token', { authorization: undefined }, 401, /holdpoint agents add/],
    ['an unknown token', { authorization: 'Bearer person' }, 401, /person’s token does not work/],
    ['a foreign host', { host: 'evil.example:8484' }, 403, /'Host'/],
    ['a foreign origin', { origin: 'http://evil.example' }, 403, /'Origin'/],
    ['the null origin', { origin: 'null' }, 403, /'Origin'/],
  ])('stays shut for %s', async (_, headers, status, message) => {
    const harness = aHarness()
    const response = await harness.post(ping, headers)
    await expectRefused(harness, response, { status, code: -31_000 - status, message, id: null })
    if (status === 401) expect(response.headers.get('www-authenticate')).toBe('Bearer')
  })

  it('opens for our own origin', async () => {
    const harness = aHarness()
    expect((await harness.post(ping, { origin: 'http://gateway:8484' })).status).toBe(200)
  })

  it('does not take a proxied request for a local one', async () => {
    const addresses: (string | null)[] = []
    const harness = aHarness({
      authenticate: async (_, remoteAddress) => {
        addresses.push(remoteAddress)
        return admission(null)
      },
    })
    const env = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
    const init = { method: 'POST', headers: usualHeaders, body: ping }
    const proxied = { ...init, headers: { ...usualHeaders, 'x-forwarded-for': '203.0.113.9' } }
    await harness.app.request('http://gateway:8484/mcp/github', init, env)
    await harness.app.request('http://gateway:8484/mcp/github', proxied, env)
    expect(addresses).toEqual(['127.0.0.1', null])
  })

  it('says that a server is unknown, to agents only', async () => {
    const harness = aHarness()
    const unknown = await harness.request('/mcp/gitlab', {
      method: 'POST',
      headers: usualHeaders,
      body: ping,
    })
    await expectRefused(harness, unknown, { status: 404, code: -31_404, message: /There are: / })
    const stranger = await harness.request('/mcp/gitlab', { headers: { host: 'gateway:8484' } })
    expect(stranger.status).toBe(401)
  })

  it('answers POST, GET and DELETE', async () => {
    const harness = aHarness()
    const response = await harness.request('/mcp/github', { method: 'PUT', headers: usualHeaders })
    expect(response.headers.get('allow')).toBe('POST, GET, DELETE')
    await expectRefused(harness, response, { status: 405, code: -31_405, message: /POST/ })
  })
})

describe('the body', () => {
  const wrongBytes = (text: string, encoding: BufferEncoding) => new Uint8Array(Buffer.from(text, encoding))
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(32)) })

  it.each<
    [string, string | Uint8Array | ReadableStream, Record<string, string | undefined>, number, number, RegExp]
  >([
    ['another type', ping, { 'content-type': 'text/plain' }, 415, -31_415, /'Content-Type'/],
    [
      'no type',
      new Uint8Array(Buffer.from(ping)),
      { 'content-type': undefined },
      415,
      -31_415,
      /'Content-Type'/,
    ],
    ['a look-alike type', ping, { 'content-type': 'application/jsonx' }, 415, -31_415, /'Content-Type'/],
    ['two types', ping, { 'content-type': 'text/plain, application/json' }, 415, -31_415, /'Content-Type'/],
    [
      'another charset',
      ping,
      { 'content-type': 'application/json; charset=utf-16' },
      415,
      -31_415,
      /charset/,
    ],
    ['an encoding', gzipSync(ping), { 'content-encoding': 'gzip' }, 415, -31_415, /'Content-Encoding'/],
    ['the identity encoding', ping, { 'content-encoding': 'identity' }, 415, -31_415, /'Content-Encoding'/],
    ['a kind of answer nobody has', ping, { accept: 'text/html' }, 406, -31_406, /'Accept'/],
    ['a byte order mark', `\uFEFF${ping}`, {}, 400, -32_700, /byte order mark/],
    ['UTF-16', wrongBytes(ping, 'utf16le'), {}, 400, -32_700, /not valid JSON/],
    [
      'UTF-16 with its mark',
      wrongBytes(`\uFEFF${ping}`, 'utf16le'),
      {},
      400,
      -32_700,
      /not UTF-8: its encoding/,
    ],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xc3, 0x28, 0x22]), {}, 400, -32_700, /not UTF-8/],
    ['too many bytes', ' '.repeat(100_001), {}, 413, -31_413, /larger than 100000 bytes/],
    ['too many bytes, as it says', ping, { 'content-length': '100001' }, 413, -31_413, /larger than/],
    ['bytes without end', endless(), {}, 413, -31_413, /larger than 100000 bytes/],
  ])('is refused with %s', async (_, text, headers, status, code, message) => {
    const harness = aHarness()
    await expectRefused(harness, await harness.post(text, headers), { status, code, message, id: null })
  })

  it.each([
    ['application/json; charset=utf-8', 'application/json, text/event-stream'],
    ['application/json;charset="UTF-8"', undefined],
    ['Application/JSON', '*/*'],
    ['application/json', 'application/json'],
    ['application/json', 'text/event-stream;q=0.9'],
  ])('passes as %s with Accept %s', async (type, accept) => {
    const harness = aHarness()
    expect((await harness.post(ping, { 'content-type': type, accept })).status).toBe(200)
    expect(harness.exchanges).toHaveLength(1)
  })
})

describe('a message is refused', () => {
  it.each<[string, string, Refused]>([
    // Two parsers could read it differently.
    [
      'with two names',
      critical('{}').replace('"name"', '"name":"ping_tool","name"'),
      parse(/duplicate key 'name'/),
    ],
    [
      'with two names, one escaped',
      critical('{}').replace('"name"', '"n\\u0061me":"ping_tool","name"'),
      parse(/'name'/),
    ],
    [
      'with two methods',
      '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/call"}',
      parse(/'method'/),
    ],
    ['with two ids', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', parse(/'id'/)],
    [
      'with params twice',
      '{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{}}',
      parse(/'params'/),
    ],
    [
      'with a duplicate deep in arguments',
      critical('{"a":{"b":1,"b":2}}'),
      parse(/duplicate key 'b' at byte/, 1),
    ],
    ['with __proto__', critical('{"__proto__":{}}'), invalid(/forbidden key '__proto__'/)],
    ['with constructor', critical('{"constructor":1}'), invalid(/forbidden key 'constructor'/)],
    ['with prototype', critical('{"a":{"prototype":1}}'), invalid(/forbidden key 'prototype'/)],
    ['with 1e400', critical('{"a":1e400}'), parse(/number out of range: 1e400/, 1)],
    ['with -1e400', critical('{"a":-1e400}'), parse(/number out of range/, 1)],
    [
      'with an integer that rounds',
      critical('{"a":9007199254740993}'),
      parse(/exactly at byte .* send it as a string/, 1),
    ],
    ['with a lone surrogate', critical('{"a":"\\ud800"}'), parse(/unpaired surrogate/, 1)],
    ['with a lone surrogate in a key', critical('{"\\udfff":1}'), parse(/unpaired surrogate/, 1)],
    ['65 deep', critical(`${'['.repeat(65)}${']'.repeat(65)}`), parse(/nesting deeper than 64/)],
    ['40,000 deep', '['.repeat(40_000), parse(/nesting deeper than 64/)],
    ...['NaN', 'Infinity', '0x10', '01', '+1', '.5', '1.'].map((literal): [string, string, Refused] => [
      `with ${literal}`,
      critical(`{"a":${literal}}`),
      parse(/not valid JSON/),
    ]),
    // Not one JSON-RPC message.
    ['that is empty', '', parse(/not valid JSON/)],
    ['that is null', 'null', invalid(/a message is a JSON object/)],
    ['that is a string', '"x"', invalid(/a message is a JSON object/)],
    ['that is a number', '42', invalid(/a message is a JSON object/)],
    ['in a batch', `[${ping},${critical('{}')}]`, invalid(/batches are not accepted/)],
    ['in an empty batch', '[]', invalid(/batches/)],
    ['without jsonrpc', '{"id":1,"method":"ping"}', invalid(/'jsonrpc'/)],
    ['of JSON-RPC 1.0', '{"jsonrpc":"1.0","id":1,"method":"ping"}', invalid(/'jsonrpc'/)],
    ['of JSON-RPC 2.0 as a number', '{"jsonrpc":2.0,"id":1,"method":"ping"}', invalid(/'jsonrpc'/)],
    ['without anything to do', '{"jsonrpc":"2.0","id":1}', invalid(/'method' is missing/)],
    [
      'with a method that is no string',
      '{"jsonrpc":"2.0","id":1,"method":["tools/call"]}',
      invalid(/'method'/),
    ],
    ['with a method and a result', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', invalid(/either/)],
    [
      'with a result and an error',
      '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
      invalid(/not a response/),
    ],
    [
      'with members in another case',
      '{"jsonrpc":"2.0","id":1,"Method":"tools/call","result":{}}',
      invalid(/'Method'/),
    ],
    [
      'with a look-alike member',
      '{"jsonrpc":"2.0","id":1,"result":{},"param\\u017f":{}}',
      invalid(/unknown member/),
    ],
    // Ids.
    ['with id null', call('logout', {}, null), invalid(/'id'/)],
    ['with id 1.5', call('logout', {}, 1.5), invalid(/'id'/)],
    ['with id 1e308', call('logout', {}, 1e308), invalid(/'id'/)],
    ['with id 2^53', call('logout', {}, 2 ** 53), invalid(/'id'/)],
    ['with an object as id', call('logout', {}, {}), invalid(/'id'/)],
    ['with a long id', call('logout', {}, 'x'.repeat(10_240)), invalid(/'id' is longer than 256/)],
    [
      'with control characters in its id',
      call('logout', {}, 'a\u0000b'),
      invalid(/'id' has control characters/),
    ],
    [
      'when a call has no id',
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"logout"}}',
      invalid(/'id' is missing/),
    ],
    ['when a read has no id', '{"jsonrpc":"2.0","method":"resources/read"}', invalid(/'id' is missing/)],
    // Params of a call.
    ['without params', '{"jsonrpc":"2.0","id":1,"method":"tools/call"}', params(/'params'/)],
    [
      'with params that are an array',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
      params(/'params'/),
    ],
    [
      'with params that are a string',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"x"}',
      params(/'params'/),
    ],
    ...[
      undefined,
      7,
      ['logout'],
      '',
      'x'.repeat(129),
      'log out',
      'log/out',
      '..',
      '%6eworks',
      'logout\u0000',
      'ｌogout',
      'log\u200Bout',
    ].map((name): [string, string, Refused] => [
      `with the name ${JSON.stringify(name)}`,
      call(name),
      params(/'name'/),
    ]),
    ...[null, [], 'x', '{}', 7, true].map((args): [string, string, Refused] => [
      `with the arguments ${JSON.stringify(args)}`,
      call('logout', { arguments: args }),
      params(/'arguments'/),
    ]),
    ['with another member', call('logout', { argumentz: {} }), params(/'argumentz'/)],
    ['with a name in another case', call('ping_tool', { Name: 'logout' }), params(/'Name'/)],
    ['with a 2025-11-25 task', call('logout', { task: { ttl: 1 } }), params(/'task'/)],
    ['with answers to an upstream', call('logout', { inputResponses: {} }), params(/'inputResponses'/)],
    ['with a request state', call('logout', { requestState: 'x' }), params(/'requestState'/)],
    ['with _meta that is no object', call('logout', { _meta: [] }), params(/'_meta'/)],
    ...['approvalId', 'approved', 'approval', 'approval-id'].map((key): [string, string, Refused] => [
      `that claims dev.holdpoint/${key}`,
      call('logout', { _meta: { [`dev.holdpoint/${key}`]: true } }),
      params(new RegExp(`'dev.holdpoint/${key}'`)),
    ]),
    ...[null, 7, '', 'x'.repeat(256), 'a\u0000b'].map((key): [string, string, Refused] => [
      `with the idempotency key ${JSON.stringify(key)?.slice(0, 20)}`,
      call('logout', { _meta: { 'dev.holdpoint/idempotency-key': key } }),
      params(/idempotency-key/),
    ]),
    [
      'with more than anyone reads',
      critical(`{"text":"${'x'.repeat(256 * 1_024)}"}`),
      params(/larger than 262144 bytes.*send less/),
    ],
    [
      'with more than anyone reads in _meta',
      call('logout', { _meta: { note: '가'.repeat(90_000) } }),
      params(/larger than 262144 bytes/),
    ],
    [
      'with more in _meta than an envelope holds',
      call('logout', { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't' } } }),
      params(/'io.modelcontextprotocol\/related-task'/),
    ],
    [
      'with an object as progress token',
      call('logout', { _meta: { progressToken: {} } }),
      params(/'progressToken'/),
    ],
    // Methods.
    [
      'with a method of a later revision',
      '{"jsonrpc":"2.0","id":1,"method":"tasks/get"}',
      { status: 200, code: -32601, message: /tasks\/get/, id: 1 },
    ],
    [
      'with a method nobody knows',
      '{"jsonrpc":"2.0","id":1,"method":"TOOLS/CALL"}',
      { status: 200, code: -32601, message: /TOOLS/, id: 1 },
    ],
    [
      'with a notification as a request',
      '{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}',
      { status: 200, code: -32601, message: /notifications/, id: 1 },
    ],
  ])('%s', async (_, text, refused) => {
    const harness = aHarness({ limits: { bodyBytesMax: 1_000_000 } })
    const startMs = performance.now()
    const response = await harness.post(text)
    expect(performance.now() - startMs).toBeLessThan(5_000)
    await expectRefused(harness, response, refused)
  })

  it('knows tools/call under every spelling', async () => {
    const harness = aHarness()
    const escaped = critical('{}')
      .replace('tools/call', 'tools\\u002fcall')
      .replace('logout', 'forb\\u0069dden')
    expect(await (await harness.post(escaped)).text()).toContain('The policy of')
    const twice = critical('{"a":1,"a":2}').replace('tools/call', '\\u0074ools/call')
    expect(await (await harness.post(twice)).text()).toContain("duplicate key 'a'")
    expect(harness.exchanges).toHaveLength(0)
  })

  it('has no more tokens than are looked at', async () => {
    const many = `[${'0,'.repeat(100_000)}0]`
    for (const text of [critical(many), ping.replace('}', `,"params":{"x":${many}}}`)]) {
      const harness = aHarness({ limits: { bodyBytesMax: 1_000_000 } })
      await expectRefused(harness, await harness.post(text), parse(/more than 200000 brackets.*send less/))
    }
  })

  it('judges the whole of a call, and of another request only what it is', async () => {
    const harness = aHarness()
    const text = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":{"b":"tools/call","b":1e999}}}'
    expect((await harness.post(text)).status).toBe(200)
    expect(harness.exchanges.map(({ body }) => body)).toEqual([text])
  })

  it('leaves Object.prototype as it was', async () => {
    const harness = aHarness()
    await harness.post(critical('{"__proto__":{"polluted":1}}'))
    await harness.post('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{"polluted":1}}}')
    expect(Object.keys(Object.prototype)).toEqual([])
    expect('polluted' in {}).toBe(false)
  })
})

describe('a message of 2026-07-28 is refused', () => {
  const modern = (name: string, meta: object = modernMeta) => call(name, { arguments: {}, _meta: meta })
  const sentinel = (name: string) => `=?base64?${Buffer.from(name).toString('base64')}?=`

  it.each<[string, string, Record<string, string | undefined>, Refused]>([
    [
      'without Mcp-Method',
      modern('logout'),
      { ...modernHeaders('tools/call', 'logout'), 'mcp-method': undefined },
      mismatch(/'Mcp-Method'/),
    ],
    [
      'with another Mcp-Method',
      modern('logout'),
      modernHeaders('tools/list', 'logout'),
      mismatch(/'Mcp-Method'/),
    ],
    [
      'with two Mcp-Methods',
      modern('logout'),
      modernHeaders('tools/call, tools/call', 'logout'),
      mismatch(/'Mcp-Method'/),
    ],
    ['without Mcp-Name', modern('logout'), modernHeaders('tools/call'), mismatch(/'Mcp-Name'/)],
    [
      'with another Mcp-Name',
      modern('logout'),
      modernHeaders('tools/call', 'get_weather'),
      mismatch(/'Mcp-Name'/),
    ],
    [
      'with another Mcp-Name in base64',
      modern('logout'),
      modernHeaders('tools/call', sentinel('get_weather')),
      mismatch(/'Mcp-Name'/),
    ],
    [
      'with base64 that is none',
      modern('logout'),
      modernHeaders('tools/call', '=?base64?!bG9nb3V0?='),
      mismatch(/'Mcp-Name'/),
    ],
    ['with its version in the body only', modern('logout'), {}, mismatch(/'MCP-Protocol-Version'/)],
    [
      'with a legacy version in the header',
      modern('logout'),
      { 'mcp-protocol-version': '2025-06-18' },
      mismatch(/'MCP-Protocol-Version'/),
    ],
    [
      'with its version in the header only',
      modern('logout', {}),
      modernHeaders('tools/call', 'logout'),
      { status: 400, code: -32602, message: /protocolVersion/, id: 1 },
    ],
    [
      'without capabilities',
      modern('logout', { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }),
      modernHeaders('tools/call', 'logout'),
      { status: 400, code: -32602, message: /clientCapabilities/, id: 1 },
    ],
    [
      'with another version',
      modern('logout', { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '2027-01-01' }),
      { ...modernHeaders('tools/call', 'logout'), 'mcp-protocol-version': '2027-01-01' },
      // What a client may ask for next, and nothing that is agreed on by handshake.
      { status: 400, code: -32022, message: /"supported":\["2026-07-28"\],"requested":"2027-01-01"/, id: 1 },
    ],
    [
      'with a legacy method',
      '{"jsonrpc":"2.0","id":1,"method":"logging/setLevel"}',
      modernHeaders('logging/setLevel'),
      { status: 404, code: -32601, message: /logging/, id: 1 },
    ],
  ])('%s', async (_, text, headers, refused) => {
    const harness = aHarness()
    await expectRefused(harness, await harness.post(text, headers), refused)
  })

  it.each(['logout', sentinel('logout')])('not when Mcp-Name is %s', async (name) => {
    const harness = aHarness({ timings: { holdMs: 1 } })
    expect((await harness.post(modern('logout'), modernHeaders('tools/call', name))).status).toBe(200)
    expect(harness.asked).toHaveLength(1)
  })

  it.each(['GET', 'DELETE'])('as a %s', async (method) => {
    const harness = aHarness()
    const headers = { ...usualHeaders, ...modernHeaders('') }
    const response = await harness.request('/mcp/github', { method, headers })
    await expectRefused(harness, response, { status: 405, code: -31_405, message: /2026-07-28/ })
  })
})

describe('a method beyond the revision', () => {
  it('passes when an operator says so', async () => {
    const harness = aHarness({ extraMethods: () => ['acme/inspect'] })
    expect((await harness.post('{"jsonrpc":"2.0","id":1,"method":"acme/inspect"}')).status).toBe(200)
    expect(harness.exchanges).toHaveLength(1)
  })
})
