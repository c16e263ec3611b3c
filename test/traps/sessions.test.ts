/** Traps of sessions: whose is what, what ends what, and how clients of several revisions find their way. */
import { readFileSync } from 'node:fs'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { REVISIONS } from '../../src/mcp/revisions.ts'
import { connectV1, connectV2, textOf } from '../support/clients.ts'
import { openPlace, type Place } from './place.ts'
import { callOf, modernCallOf, modernHeaders } from './raw-client.ts'

let place: Place
beforeAll(async () => {
  place = await openPlace()
})
afterEach(() => place.endSessions())
afterAll(() => place.close())

const requestInit = () => ({ headers: { authorization: `Bearer ${place.token}` } })
const legacyHeaders = { 'mcp-protocol-version': '2025-11-25' }
const textIn = (messages: readonly string[]) => JSON.parse(messages.at(-1) ?? '{}').result.content[0].text

async function modernClient(server: 'stdio' | 'modern' | 'http', mode: 'auto' | { pin: '2026-07-28' }) {
  const client = new Client({ name: 'trapped', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(place.urlOf(server)), { requestInit: requestInit() }),
  )
  return client
}

describe('each session has its server to itself', () => {
  test('what one sets or is asked, the other does not notice', async () => {
    const [one, two] = [
      await connectV1(place.urlOf('stdio'), place.token),
      await connectV2(place.urlOf('stdio'), place.token),
    ]
    try {
      expect(textOf(await one.call('pid'))).not.toBe(textOf(await two.call('pid')))
      await one.request('logging/setLevel', { level: 'debug' })
      expect(textOf(await one.call('level'))).toBe('debug')
      expect(textOf(await two.call('level'))).toBe('none')
      // Only the one whose call it is answers the question.
      expect(textOf(await one.call('sample'))).toContain('sampled')
      expect(textOf(await two.call('sample'))).toContain('sampled')
    } finally {
      await one.close()
      await two.close()
    }
  })

  test('a session at a URL is named there by the id that the server gave, and by no other', async () => {
    const client = place.client('http')
    const earlier = place.http.requests.length
    await client.open()
    await client.call('answer', '1')
    const opened = place.http.sessions.at(-1)
    expect(client.session()).not.toBe(opened)
    const named = place.http.requests.slice(earlier).map(({ session }) => session)
    expect(named).toEqual([undefined, opened, opened])
  })
})

describe('the same call in another era', () => {
  test('is asked for anew, so that neither client gets a result of the other era’s shape', async () => {
    const legacy = place.client('stdio')
    await legacy.open()
    const leaving = new AbortController()
    const held = await legacy.send(callOf('gated', '1', '{}', { n: 8 }), legacyHeaders, leaving.signal)
    const [first = ''] = await place.mina.waitForPending(1)
    const modern = await modernClient('stdio', { pin: '2026-07-28' })
    const called = modern.callTool({ name: 'gated', arguments: { n: 8 } })
    const [second = ''] = (await place.mina.waitForPending(2)).filter((id) => id !== first)
    await place.mina.decide(first, 'approve')
    await place.mina.decide(second, 'approve')
    // The SDK refuses a result of this revision that does not say its type.
    expect(await called).toMatchObject({ content: [{ type: 'text', text: 'gated ran' }] })
    const inLegacy = await held.text()
    expect(inLegacy).toContain('gated ran')
    expect(inLegacy).not.toContain('resultType')
    await modern.close()
  })
})

describe('a session survives', () => {
  test('messages that are refused, and clients that leave in the middle', async () => {
    const client = place.client('stdio')
    await client.open()
    const pid = textIn((await client.call('pid', '1')).messages)
    const refused = [
      await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}', { accept: 'text/html' }),
      await client.post('{"jsonrpc"', legacyHeaders),
      await client.post('[{"jsonrpc":"2.0","id":3,"method":"ping"}]', legacyHeaders),
      await client.post('{"jsonrpc":"2.0","id":4,"method":"no/such"}', legacyHeaders),
      await client.post('{"jsonrpc":"2.0","id":5,"method":"ping"}', { 'mcp-protocol-version': '2031-01-01' }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([406, 400, 400, 200, 400])
    for (let turn = 0; turn < 5; turn++) {
      const leaving = new AbortController()
      const gone = client.send(callOf('hang', String(100 + turn)), legacyHeaders, leaving.signal)
      await gone
      leaving.abort()
      const stream = await client.listen(new AbortController().signal)
      await stream.body?.cancel()
    }
    expect(textIn((await client.call('pid', '6')).messages)).toBe(pid)
    // Nobody's leaving is an error of the gateway.
    const outcries = place.gateway
      .output()
      .split('\n')
      .filter((line) => /"level":(50|60)|Unhandled|AbortError|TypeError/.test(line))
    expect(outcries).toEqual([])
    expect(place.gateway.child.exitCode).toBe(null)
  })
})

describe('a process behind a pipe', () => {
  test('may say more on stderr than a pipe holds', async () => {
    const client = place.client('stdio')
    await client.open()
    expect(textIn((await client.call('noise', '1')).messages)).toBe('said it all')
  })

  test('is no shell, and leads a process group of its own', async () => {
    const client = place.client('stdio')
    await client.open()
    const pid = Number(textIn((await client.call('pid', '1')).messages))
    const [parent, group] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) \S /, '')
      .split(' ')
    expect(Number(parent)).toBe(place.gateway.child.pid)
    expect(Number(group)).toBe(pid)
  })
})

describe('leaving', () => {
  const heardBy = async (client: ReturnType<Place['client']>) =>
    textIn((await client.call('heard', '99')).messages)

  test('cancels nothing up to 2025-11-25: the server hears of no cancel, and the session goes on', async () => {
    const client = place.client('stdio')
    await client.open()
    const leaving = new AbortController()
    await client.send(callOf('hang', '1'), legacyHeaders, leaving.signal)
    leaving.abort()
    await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}', legacyHeaders)
    expect(await heardBy(client)).not.toContain('cancelled')
    // Saying so does.
    await client.post(
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
      legacyHeaders,
    )
    await expect.poll(() => heardBy(client)).toContain('notifications/cancelled')
  })

  test('cancels the call in 2026-07-28', async () => {
    const client = place.client('stdio')
    const text = async () => textIn((await client.modernCall('heard', '99')).messages)
    const leaving = new AbortController()
    const before = (await text()).split('notifications/cancelled').length
    await client.send(modernCallOf('hang', '1'), modernHeaders('hang'), leaving.signal)
    leaving.abort()
    await expect.poll(async () => (await text()).split('notifications/cancelled').length).toBe(before + 1)
  })

  test('never withdraws a call that people are asked about, in either era', async () => {
    for (const [n, era] of [
      [141, 'legacy'],
      [142, 'modern'],
    ] as const) {
      const client = place.client('stdio')
      await client.open()
      const leaving = new AbortController()
      const sent =
        era === 'legacy'
          ? client.send(callOf('gated', '1', '{}', { n }), legacyHeaders, leaving.signal)
          : client.send(
              modernCallOf('gated', '1').replace('"arguments":{}', `"arguments":{"n":${n}}`),
              modernHeaders('gated'),
              leaving.signal,
            )
      await sent
      const [id = ''] = await place.mina.waitForPending(1)
      leaving.abort()
      await client.modernCall('pid', '2')
      expect((await place.mina.show(id)).approval.status).toBe('pending')
      await place.mina.decide(id, 'reject')
    }
  })
})

describe('clients find the revision', () => {
  test.each(['stdio', 'modern', 'http'] as const)('one that knows both, in front of %s', async (server) => {
    const client = await modernClient(server, 'auto')
    expect((await client.listTools()).tools.length).toBeGreaterThan(1)
    await client.close()
  })

  test('an unknown one is refused with 400 and the revisions there are, so that the client can choose', async () => {
    const client = place.client('stdio')
    const { status, messages } = await client.post('{"jsonrpc":"2.0","id":1,"method":"ping"}', {
      'mcp-protocol-version': '2031-01-01',
    })
    expect(status).toBe(400)
    expect(JSON.parse(messages[0] ?? '{}').error.data.supported).toEqual(['2026-07-28'])
    for (const revision of REVISIONS) expect(messages[0]).toContain(revision)
  })

  test.each([
    ['2024-11-05', false],
    ['2025-03-26', false],
    ['2025-06-18', false],
    ['2025-11-25', true],
  ])('a held call of %s begins with an event without data: %s', async (revision, isPrimed) => {
    const client = place.client('stdio')
    await client.open(revision)
    const leaving = new AbortController()
    const held = await client.send(
      callOf('gated', '1', '{}', { revision }),
      { 'mcp-protocol-version': revision },
      leaving.signal,
    )
    const [id = ''] = await place.mina.waitForPending(1)
    await place.mina.decide(id, 'approve')
    const text = await held.text()
    expect(text).toContain('gated ran')
    expect(/^data: ?$/m.test(text)).toBe(isPrimed)
  })
})

describe('the small print of Streamable HTTP', () => {
  test.each([
    ['application/json'],
    ['text/event-stream'],
    ['*/*'],
    ['application/*'],
    ['application/json;q=0.9, text/event-stream'],
  ])('Accept: %s is enough', async (accept) => {
    const client = place.client('stdio')
    await client.open()
    const { status, messages } = await client.post(callOf('pid', '1'), { ...legacyHeaders, accept })
    expect([status, messages.filter((message) => message.includes('"id":1,')).length]).toEqual([200, 1])
  })

  test('a notification is accepted with 202 and nothing else', async () => {
    for (const server of ['stdio', 'http', 'modern'] as const) {
      const client = place.client(server)
      await client.open()
      const response = await client.send(
        '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}',
        legacyHeaders,
      )
      expect([response.status, await response.text(), response.headers.get('content-type')]).toEqual([
        202,
        '',
        null,
      ])
    }
  })

  test.each(['stdio', 'modern'] as const)(
    'without a session: 400; with one that is over: 404, so that the client opens another (%s)',
    async (server) => {
      const client = place.client(server)
      const ping = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
      expect((await client.post(ping, legacyHeaders)).status).toBe(400)
      await client.open()
      expect((await client.post(ping, legacyHeaders)).status).toBe(200)
      expect((await client.end()).status).toBe(200)
      expect((await client.post(ping, legacyHeaders)).status).toBe(404)
    },
  )

  test('DELETE reaches the server: its process ends, and a server at a URL is told', async () => {
    const client = place.client('stdio')
    await client.open()
    const pid = Number(textIn((await client.call('pid', '1')).messages))
    await client.end()
    await expect
      .poll(() => {
        try {
          return process.kill(pid, 0)
        } catch {
          return false
        }
      })
      .toBe(false)
    const atUrl = place.client('http')
    await atUrl.open()
    await atUrl.end()
    expect(place.http.requests.at(-1)).toMatchObject({
      method: 'DELETE',
      session: place.http.sessions.at(-1),
    })
  })
})
