/** Raw JSON, server-sent events, lines and headers: what passes keeps its bytes, what must not pass does not. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  disguisedMember,
  filterItems,
  mergeObjects,
  rawItems,
  rawMember,
  withMember,
} from '../../src/mcp/raw-json.ts'
import { eraOf, isRequestOf, revisionOf } from '../../src/mcp/revisions.ts'
import { comment, EventTooLarge, messageEvent, readEvents, type ServerSentEvent } from '../../src/mcp/sse.ts'
import { callMessage, headerText } from '../../src/mcp/upstream/call-message.ts'
import { headersDown, headersUp } from '../../src/mcp/upstream/headers.ts'
import { createLineSplitter } from '../../src/mcp/upstream/lines.ts'
import { paramHeaders } from '../../src/mcp/upstream/param-headers.ts'
import { peek } from '../../src/mcp/upstream/peek.ts'

describe('raw JSON', () => {
  test('a member comes out as it was written', () => {
    const text = ' { "a" : 9007199254740993 , "b\\u0063" : [ 1.0, {"}":"]\\"\\\\"} ] }\n'
    expect(rawMember(text, 'a')).toBe('9007199254740993')
    expect(rawMember(text, 'bc')).toBe('[ 1.0, {"}":"]\\"\\\\"} ]')
    expect(rawMember(text, 'c')).toBe(null)
  })

  test('of duplicate names the last counts, and setting one leaves a single member', () => {
    expect(rawMember('{"a":1,"a":2}', 'a')).toBe('2')
    expect(withMember('{"a":1,"b":0,"a":2}', 'a', '3')).toBe('{"b":0,"a":3}')
    expect(withMember('{}', 'a', '3')).toBe('{"a":3}')
  })

  test('items leave an array without touching the others', () => {
    const list = '[ {"name":"x","n":1e2} , {"name":"hidden"}, {"name":"y","big":12345678901234567890} ]'
    expect(filterItems(list, (item) => rawMember(item, 'name') !== '"hidden"')).toBe(
      '[{"name":"x","n":1e2},{"name":"y","big":12345678901234567890}]',
    )
    expect(rawItems(' [ ] ')).toEqual([])
  })

  test('a name that another parser would read differently is found', () => {
    const names = ['method', 'params']
    expect(disguisedMember('{"method":"ping","params":{},"x":1,"x":2}', names)).toBe(null)
    expect(disguisedMember('{"method":"tools/call","m\\u0065thod":"ping"}', names)).toBe('method')
    expect(disguisedMember('{"method":"ping","Method":"tools/call"}', names)).toBe('Method')
    expect(disguisedMember('{"method":"ping","param\u017f":{}}', names)).toBe('param\u017f')
  })

  test('members are merged by name', () => {
    expect(mergeObjects('{"a":1,"b":2}', '{"b":3,"c":4}')).toBe('{"a":1,"b":3,"c":4}')
  })

  test('whatever JSON.parse accepts is cut where JSON.parse cuts it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        fc.nat(3),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent)
          for (const [name, member] of Object.entries(value)) {
            expect(JSON.parse(rawMember(text, name) ?? 'missing')).toEqual(JSON.parse(JSON.stringify(member)))
          }
          expect(JSON.parse(withMember(text, 'extra', '[1]'))).toEqual({ ...JSON.parse(text), extra: [1] })
        },
      ),
    )
  })

  test('nesting is no recursion', () => {
    const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    expect(rawMember(deep, 'a')).toHaveLength(400_000)
  })
})

describe('the message of an approved call', () => {
  const approved = '{"_meta":{"team/x":12345678901234567890},"arguments":{"n":1},"name":"삭제"}'

  test('what was approved stays byte for byte', () => {
    const text = callMessage(approved, {
      id: 'holdpoint-1',
      approvalId: 'HP-1',
      progressToken: '7',
      envelope: '{"io.modelcontextprotocol/x":"y"}',
    })
    expect(text).toContain('"arguments":{"n":1},"name":"삭제"')
    expect(text).toContain('"team/x":12345678901234567890')
    expect(JSON.parse(text)).toMatchObject({
      id: 'holdpoint-1',
      method: 'tools/call',
      params: {
        _meta: {
          progressToken: 7,
          'io.modelcontextprotocol/x': 'y',
          'dev.holdpoint/approval-id': 'HP-1',
          'dev.holdpoint/idempotency-key': 'HP-1',
        },
      },
    })
  })

  test('a name that no header can hold goes encoded', () => {
    expect(headerText('delete_repo')).toBe('delete_repo')
    expect(headerText('삭제')).toBe(`=?base64?${Buffer.from('삭제').toString('base64')}?=`)
    expect(headerText(' x')).toMatch(/^=\?base64\?/)
    expect(headerText('=?base64?eA==?=')).toBe(
      `=?base64?${Buffer.from('=?base64?eA==?=').toString('base64')}?=`,
    )
  })
})

describe('server-sent events', () => {
  async function eventsOf(text: string, chunkBytes: number, charactersMax = 1_000) {
    const bytes = new TextEncoder().encode(text)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += chunkBytes)
          controller.enqueue(bytes.slice(at, at + chunkBytes))
        controller.close()
      },
    })
    const events: ServerSentEvent[] = []
    for await (const event of readEvents(body, { charactersMax })) events.push(event)
    return events
  }

  test('are the same however the chunks were cut and the lines ended', async () => {
    const text = ': hi\r\n\r\nid: 1\r\ndata: {"a":\r\ndata: "é"}\r\n\r\nevent: x\ndata: 2\n\ndata: unfinished'
    for (const chunkBytes of [1, 2, 3, 7, 1_000]) {
      expect(await eventsOf(text, chunkBytes)).toEqual([
        { id: '1', type: 'message', data: '{"a":\n"é"}' },
        { id: null, type: 'x', data: '2' },
      ])
    }
  })

  test('raw JSON with line breaks between its tokens stays one message', async () => {
    const raw = '{\r\n  "a": 1,\r"b": "data: x"\n}'
    const [event] = await eventsOf(comment('still\nhere') + messageEvent(raw, '5'), 3)
    expect(event?.id).toBe('5')
    expect(JSON.parse(event?.data ?? '')).toEqual(JSON.parse(raw))
  })

  test('an event without an end is refused', async () => {
    await expect(eventsOf(`data: ${'x'.repeat(5_000)}`, 100)).rejects.toThrow(EventTooLarge)
  })
})

describe('lines', () => {
  test('come whole, in UTF-8, and never larger than allowed', () => {
    const lines: [string, boolean][] = []
    const splitter = createLineSplitter({ bytesMax: 8, onLine: (line, isCut) => lines.push([line, isCut]) })
    for (const byte of Buffer.from('é\r\n\n1234567890123\n12345678\nlast')) splitter.feed(Buffer.from([byte]))
    splitter.end()
    expect(lines).toEqual([
      ['é', false],
      ['', false],
      ['12345678', true],
      ['12345678', false],
      ['last', false],
    ])
  })
})

describe('headers', () => {
  test('a client gives an upstream neither credentials nor its network path, and the configuration wins', () => {
    const client = {
      authorization: 'Bearer agent',
      cookie: 'a=b',
      'proxy-authorization': 'x',
      'x-forwarded-for': '10.0.0.1',
      forwarded: 'for=x',
      connection: 'keep-alive, x-hop',
      'x-hop': '1',
      'accept-encoding': 'gzip',
      'x-api-version': '1',
      'mcp-session-id': 's',
    }
    expect(headersUp(client, { Authorization: 'Bearer ours', 'X-Api-Version': '2' })).toEqual({
      authorization: 'Bearer ours',
      'x-api-version': '2',
      'mcp-session-id': 's',
      'accept-encoding': 'identity',
    })
  })

  test('an upstream does not speak for our origin', () => {
    const upstream = {
      'set-cookie': ['a=1', 'b=2'],
      'access-control-allow-origin': '*',
      'transfer-encoding': 'chunked',
      'mcp-session-id': 's',
      vary: ['a', 'b'],
    }
    expect(headersDown(upstream)).toEqual({ 'mcp-session-id': 's', vary: 'a, b' })
  })
})

describe('messages', () => {
  test.each([
    ['{"id":1,"method":"ping"}', { kind: 'request', id: 1, method: 'ping', progressToken: null }],
    [
      '{"id":"1","method":"x","params":{"_meta":{"progressToken":"t"}}}',
      { kind: 'request', id: '1', progressToken: 't' },
    ],
    ['{"method":"x","params":[]}', { kind: 'notification', method: 'x' }],
    ['{"method":"notifications/cancelled","params":{"requestId":4}}', { kind: 'notification', cancels: 4 }],
    ['{"id":1,"result":{}}', { kind: 'response', id: 1, isError: false }],
    ['{"id":null,"error":{}}', { kind: 'response', id: null, isError: true }],
    ['[{"id":1}]', { kind: 'batch' }],
    ['{"id":{},"method":"x"}', { kind: 'invalid' }],
    ['{"id":1}', { kind: 'invalid' }],
    ['nonsense', { kind: 'invalid' }],
    ['null', { kind: 'invalid' }],
  ])('%s', (text, expected) => {
    expect(peek(text)).toMatchObject(expected)
  })
})

describe('revisions', () => {
  test('say what a client may ask for', () => {
    expect(eraOf(undefined)).toBe('legacy')
    expect(eraOf('2025-11-25')).toBe('legacy')
    expect(eraOf('2026-07-28')).toBe('modern')
    expect(eraOf('2027-01-01')).toBe('unknown')
    expect(revisionOf('2025-06-18')).toBe('2025-06-18')
    expect(isRequestOf('2025-06-18', 'tasks/get')).toBe(false)
    expect(isRequestOf('2025-11-25', 'tasks/result')).toBe(true)
    expect(isRequestOf('2026-07-28', 'initialize')).toBe(false)
    expect(isRequestOf('2026-07-28', 'subscriptions/listen')).toBe(true)
    expect(isRequestOf('2026-07-28', 'tasks/get')).toBe(true)
  })
})

describe('arguments that are repeated in headers', () => {
  const schema = {
    type: 'object',
    properties: {
      path: { type: 'string', 'x-mcp-header': 'Path' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      force: { type: 'boolean', 'x-mcp-header': 'Force' },
      ratio: { type: 'number', 'x-mcp-header': 'Ratio' },
      note: { type: 'string' },
      bad: { type: 'string', 'x-mcp-header': 'a b: c' },
      where: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
      list: { type: 'array', items: { type: 'string', 'x-mcp-header': 'Item' } },
    },
  }

  test.each([
    [
      'strings, integers and booleans',
      { path: '/a', count: 3, force: false },
      { 'mcp-param-path': '/a', 'mcp-param-count': '3', 'mcp-param-force': 'false' },
    ],
    [
      'what is not plain text, encoded',
      { path: '경로' },
      { 'mcp-param-path': `=?base64?${Buffer.from('경로').toString('base64')}?=` },
    ],
    ['nested properties', { where: { region: 'eu' } }, { 'mcp-param-region': 'eu' }],
    [
      'nothing that is missing, unmarked, of another type or badly named',
      { note: 'x', bad: 'x', ratio: 0.5, list: ['x'], path: null },
      {},
    ],
    ['nothing inherited', JSON.parse('{"__proto__":{"path":"/a"}}'), {}],
  ])('%s', (_what, args, expected) => {
    expect(paramHeaders(schema, args)).toEqual(expected)
  })

  test('a schema that is none, or marks the whole input, mirrors nothing', () => {
    expect(paramHeaders({ 'x-mcp-header': 'All', type: 'string' }, 'x')).toEqual({})
    expect(paramHeaders(undefined, { path: '/a' })).toEqual({})
  })
})
