/** Traps of messages: what is lost, reordered, renamed or never answered on the way through a proxy. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { agent } from '../support/builders.ts'
import { connectV1, connectV2 } from '../support/clients.ts'
import { openPlace, type Place } from './place.ts'
import { modernCallOf, modernHeaders } from './raw-client.ts'

/** undici counts its time-outs (300 s, unless it is told otherwise) with a clock of its own, and lets tests turn it. */
const undiciTimers: { tick(ms: number): void } = createRequire(import.meta.url)('undici/lib/util/timers.js')

let place: Place
beforeAll(async () => {
  place = await openPlace()
})
afterEach(() => place.endSessions())
afterAll(() => place.close())

/** What the scripted server says at its start may come along with the first request. */
const isNoNews = (message: string) => !message.includes('list_changed')
const isAnswerTo = (rawId: string) => (message: string) =>
  /"(result|error)":/.test(message) && message.includes(`"id":${rawId}`)

describe('before the client listens', () => {
  test.each([
    ['v1', connectV1],
    ['v2', connectV2],
  ] as const)(
    'what a server says right after the handshake reaches the %s client',
    async (_name, connect) => {
      const client = await connect(place.urlOf('stdio'), place.token)
      try {
        await expect
          .poll(() => client.notifications.map(({ method }) => method))
          .toContain('notifications/tools/list_changed')
      } finally {
        await client.close()
      }
    },
  )

  test('it waits for a client that opens its stream late', async () => {
    const client = place.client('stdio')
    await client.open()
    // The server has certainly said it by now, for this answer was written after it: before the call came, or on its stream.
    const { messages } = await client.call('pid', '1')
    const leaving = new AbortController()
    const response = await client.listen(AbortSignal.any([leaving.signal, AbortSignal.timeout(60_000)]))
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let heard = messages.join()
    while (!heard.includes('list_changed')) {
      const piece = await reader?.read()
      if (piece?.value === undefined) break
      heard += piece.value
    }
    leaving.abort()
    expect(heard.match(/list_changed/g)).toHaveLength(1)
  })
})

describe('the last progress, in the same piece as the answer', () => {
  const inOrder = (messages: readonly string[]) =>
    messages.filter(isNoNews).map((message) => /"progress":(\d)/.exec(message)?.[1] ?? 'answer')

  test.each(['stdio', 'http'] as const)('comes before it, from a server at %s', async (server) => {
    const client = place.client(server)
    await client.open()
    const legacy = await client.call('burst', '1', '{"progressToken":"p"}')
    expect(inOrder(legacy.messages)).toEqual(['1', '2', '3', '4', 'answer'])
    const modern = await client.modernCall('burst', '2', '"p"')
    expect(inOrder(modern.messages)).toEqual(['1', '2', '3', '4', 'answer'])
  })
})

describe('ids and tokens', () => {
  const marks = ['1', '"1"', '-3', '"x"', '9007199254740991']

  test.each(marks)('%s comes back as it went, in both eras', async (mark) => {
    for (const server of ['stdio', 'http'] as const) {
      const client = place.client(server)
      await client.open()
      const { messages } = await client.call('marks', mark, `{"progressToken":${mark}}`)
      expect(messages.find(isNoNews)).toContain(`"progressToken":${mark},`)
      expect(messages.at(-1)).toContain(`"id":${mark},`)
      const modern = await client.modernCall('marks', mark, mark)
      expect(modern.messages[0]).toContain(`"progressToken":${mark},`)
      expect(modern.messages.at(-1)).toContain(`"id":${mark},`)
    }
  })

  test('of two clients on one process never meet, nor does what one of them cancels', async () => {
    const [one, two] = [place.client('stdio'), place.client('stdio')]
    const leaving = new AbortController()
    const hanging = one.send(modernCallOf('hang', '7', '7'), modernHeaders('hang'), leaving.signal)
    const text = async (client: typeof one, tool: string) =>
      JSON.parse((await client.modernCall(tool, '7', '7')).messages.at(-1) ?? '{}').result.content[0].text
    await expect.poll(() => text(two, 'heard')).toContain('"hang\\"')
    expect(await text(one, 'pid')).toBe(await text(two, 'pid'))
    // Each has its own name on the pipe.
    const own = JSON.parse(await text(two, 'heard')).map((line: string) => JSON.parse(line).id)
    expect(own).toHaveLength(1)
    expect(own[0]).not.toBe(7)
    leaving.abort()
    await hanging.then((response) => response.body?.cancel()).catch(() => {})
    await expect
      .poll(() => text(two, 'heard'))
      .toContain(JSON.stringify(`"requestId":${JSON.stringify(own[0])}`).slice(1, -1))
  })
})

describe('every request gets exactly one answer, when its server', () => {
  const broken = [
    'end_without_answer',
    'break_off',
    'break_inside_an_event',
    'accept_only',
    'say_nothing',
    'reset',
  ]
  const answersIn = (messages: readonly string[]) => messages.filter(isAnswerTo('41'))

  test.each(broken)('does this: %s', async (tool) => {
    const client = place.client('http')
    await client.open()
    const legacy = await client.call(tool, '41', '{"progressToken":1}')
    expect(answersIn(legacy.messages)).toEqual([expect.stringContaining('may have')])
    const modern = await client.modernCall(tool, '41', '1')
    expect(answersIn(modern.messages)).toEqual([expect.stringContaining('may have')])
  })

  test.each(['teapot', 'internal_error'])('answers with HTTP alone: %s', async (tool) => {
    const client = place.client('http')
    await client.open()
    expect((await client.call(tool, '41')).status).toBeGreaterThanOrEqual(400)
    expect((await client.modernCall(tool, '41')).status).toBeGreaterThanOrEqual(400)
  })

  test('answers well', async () => {
    const client = place.client('http')
    await client.open()
    expect(answersIn((await client.call('answer', '41')).messages)).toHaveLength(1)
    expect(answersIn((await client.modernCall('answer', '41')).messages)).toHaveLength(1)
  })

  test('is a process that ends, for all that were open', async () => {
    const client = place.client('stdio')
    await client.open()
    const all = await Promise.all([
      client.call('hang', '41'),
      client.call('hang', '42'),
      client.call('exit', '43'),
    ])
    for (const [index, { messages }] of all.entries())
      expect(messages.filter(isAnswerTo(String(41 + index)))).toEqual([
        expect.stringContaining('exited with code 3'),
      ])
    const modern = await client.modernCall('exit', '44')
    expect(modern.messages.filter(isAnswerTo('44'))).toHaveLength(1)
  })

  test('has forgotten the session: 404, which tells the client to open another', async () => {
    const client = place.client('stdio')
    await client.open()
    await client.end()
    const { status, messages } = await client.call('pid', '45')
    expect(status).toBe(404)
    expect(messages.filter(isAnswerTo('45'))).toHaveLength(1)
  })

  test.each([
    ['v1', connectV1],
    ['v2', connectV2],
  ] as const)(
    'breaks off, so that the %s client does not wait for its own time-out',
    async (_name, connect) => {
      const client = await connect(place.urlOf('http'), place.token)
      try {
        for (const tool of ['end_without_answer', 'break_off', 'accept_only'])
          await expect(client.call(tool, {}, { timeoutMs: 100_000 })).rejects.toThrow(/may have/)
      } finally {
        await client.close()
      }
    },
  )
})

describe('time-outs and buffers', () => {
  test('a server may keep still for as long as it likes, before its headers and after them', async () => {
    let answer = () => {}
    let headersFirst = false
    const server = createServer((_req, res) => {
      if (headersFirst) res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      answer = () => void res.end('data: {}\n\n')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const silent = { debug() {}, info() {}, warn() {}, error() {} }
    const url = `http://127.0.0.1:${address.port}/mcp`
    const upstream = createHttpUpstream({ server: 'slow', url, headers: {}, credentials: null, log: silent })
    try {
      for (const freshConnection of [false, true]) {
        for (headersFirst of [false, true]) {
          const arrived = once(server, 'request')
          const exchanged = upstream.exchange({
            ...{ method: 'POST', headers: {}, body: '{}', principal: agent, freshConnection },
            ...{ signal: new AbortController().signal, mayStart: () => true },
          })
          await arrived
          const response = headersFirst ? await exchanged : null
          // A timer counts from the first tick that sees it.
          undiciTimers.tick(1)
          undiciTimers.tick(4 * 60 * 60_000)
          answer()
          expect(await new Response((response ?? (await exchanged)).body).text()).toBe('data: {}\n\n')
        }
      }
    } finally {
      await upstream.close()
      server.closeAllConnections()
      server.close()
    }
  })

  test('no stream is held back by a proxy before us or packed by a server behind us', async () => {
    const client = place.client('http')
    await client.open()
    const passed = await client.call('answer', '1')
    const fromPipe = place.client('stdio')
    await fromPipe.open()
    for (const { headers } of [passed, await fromPipe.call('pid', '1')]) {
      expect(headers.get('x-accel-buffering')).toBe('no')
      expect(headers.get('content-encoding')).toBe(null)
    }
    const held = await fromPipe.send(
      '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"gated","arguments":{"n":9}}}',
      { 'mcp-protocol-version': '2025-11-25', 'accept-encoding': 'gzip, br' },
    )
    // The headers are there, long before anybody has decided.
    expect(held.status).toBe(200)
    expect(held.headers.get('x-accel-buffering')).toBe('no')
    expect(held.headers.get('content-encoding')).toBe(null)
    await held.body?.cancel()
  })
})
