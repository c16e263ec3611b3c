/** A stdio command as a legacy Streamable HTTP server: real processes, what they write, and what becomes of them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type Principal, unknownOwner } from '../../src/domain/principal.ts'
import { homeIn } from '../../src/launch/homes.ts'
import { readEvents } from '../../src/mcp/sse.ts'
import { createSlots } from '../../src/mcp/upstream/slots.ts'
import { createStdioUpstream } from '../../src/mcp/upstream/stdio.ts'
import {
  type Upstream,
  UpstreamFault,
  type WireRequest,
  type WireResponse,
} from '../../src/mcp/upstream/wire.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { agent } from '../support/builders.ts'

/** A server that does what the method says. It answers with the raw line it got, so that every byte shows. */
const script = `
const out = (text) => process.stdout.write(text + '\\n')
const told = []
let answerLater = () => {}
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  const answer = (result) => out('{"jsonrpc":"2.0","id":' + JSON.stringify(id) + ',"result":' + result + '}')
  switch (method) {
    case 'initialize':
      out('{"jsonrpc":"2.0","method":"notifications/message","params":{"early":1}}')
      if (params?.crash) { process.stderr.write('no config\\n'); return process.exit(4) }
      if (params?.refuse) return out('{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}')
      return answer('{"protocolVersion":"2025-11-25","big":9007199254740993}')
    case 'echo': return answer(line)
    case 'told': return answer(JSON.stringify(told))
    case 'pid': return answer(String(process.pid))
    case 'home': return answer(JSON.stringify(process.env.HOME))
    case 'env': return answer(JSON.stringify(process.env))
    case 'progress':
      for (const n of [1, 2]) out('{"method":"notifications/progress","params":{"progressToken":' + JSON.stringify(params._meta.progressToken) + ',"progress":' + n + '}}')
      return answer('{"done":true}')
    case 'crash': return process.exit(3)
    case 'later': answerLater = () => answer('"late"'); return
    case 'ask': return out('{"jsonrpc":"2.0","id":"s1","method":"roots/list"}')
    case 'notifications/go': return answerLater()
    case 'notifications/say': return out('{"jsonrpc":"2.0","method":"notifications/message","params":' + JSON.stringify(params) + '}')
    case 'long': return out('"' + 'x'.repeat(300000) + '"')
    case 'nonsense': out('hello'); return answer('1')
    default: told.push(line)
  }
})`

const warnings: string[] = []
const log = {
  debug() {},
  info() {},
  warn: (_fields: object, message: string) => void warnings.push(message),
  error() {},
}
const upstreams: Upstream[] = []

afterEach(async () => {
  warnings.length = 0
  for (const upstream of upstreams.splice(0)) await upstream.close()
})

function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0
  const sleepers = new Set<{ at: number; wake: () => void }>()
  return {
    monotonicMs: () => now,
    wallMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const wake = () => {
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        sleepers.add({ at: now + ms, wake })
        signal?.addEventListener('abort', wake)
      }),
    advance(ms) {
      now += ms
      for (const sleeper of sleepers) {
        if (sleeper.at > now) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
  }
}

interface Overrides {
  readonly command?: string
  readonly args?: readonly string[]
  readonly cwd?: string
  readonly env?: Record<string, string>
  readonly childrenMax?: number
  readonly childrenPerServerMax?: number
  readonly childrenPerOwnerMax?: number
  readonly childrenPerPrincipalMax?: number
  readonly homeOf?: Parameters<typeof createStdioUpstream>[0]['homeOf']
}

function anUpstream(overrides: Overrides = {}) {
  const clock = manualClock()
  const { childrenMax = 10, childrenPerServerMax = 10 } = overrides
  const { childrenPerOwnerMax = 10, childrenPerPrincipalMax = 10 } = overrides
  const upstream = createStdioUpstream({
    server: 'test',
    command: overrides.command ?? process.execPath,
    args: overrides.args ?? ['-e', script],
    env: overrides.env ?? {},
    cwd: overrides.cwd ?? null,
    limits: { lineBytesMax: 100_000 },
    slots: createSlots({ childrenMax, childrenPerServerMax, childrenPerOwnerMax, childrenPerPrincipalMax }),
    homeOf: overrides.homeOf ?? null,
    sessionIdleMs: 1_800_000,
    clock,
    log,
  })
  upstreams.push(upstream)
  return { upstream, clock }
}

function wire(overrides: Partial<WireRequest> = {}): WireRequest {
  const signal = new AbortController().signal
  return {
    method: 'POST',
    headers: {},
    body: null,
    principal: agent,
    signal,
    freshConnection: false,
    mayStart: () => true,
    ...overrides,
  }
}

const initialize = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}'

/** A client of one session that speaks raw text. */
async function aClient(upstream: Upstream, principal = agent) {
  const opened = await upstream.exchange(wire({ body: initialize, principal }))
  const reply = await textOf(opened)
  const headers = {
    'mcp-session-id': opened.headers['mcp-session-id'] ?? 'none',
    'mcp-protocol-version': '2025-11-25',
  }
  const exchange = (overrides: Partial<WireRequest>) =>
    upstream.exchange(wire({ headers, principal, ...overrides }))
  return {
    reply,
    headers,
    exchange,
    post: (body: string, overrides: Partial<WireRequest> = {}) => exchange({ body, ...overrides }),
    /** The raw answer to one request. */
    ask: async (method: string, id: string, params = '{}') =>
      (
        await messagesOf(
          await exchange({ body: `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}` }),
        )
      ).at(-1),
  }
}

const textOf = async ({ body }: WireResponse) => new Response(body).text()

async function messagesOf({ body }: WireResponse): Promise<string[]> {
  const messages: string[] = []
  if (body !== null)
    for await (const { data } of readEvents(body, { charactersMax: 1_000_000 })) messages.push(data)
  return messages
}

/** Reads messages one by one from a stream that stays open. */
function reader({ body }: WireResponse) {
  if (body === null) throw new Error('no body')
  const events = readEvents(body, { charactersMax: 1_000_000 })
  return async () => (await events.next()).value?.data
}

const result = (message: string | undefined): unknown =>
  z.object({ result: z.unknown() }).parse(JSON.parse(message ?? 'null')).result
const error = (message: string | undefined) =>
  z
    .object({ id: z.unknown(), error: z.object({ code: z.number(), message: z.string() }) })
    .parse(JSON.parse(message ?? 'null'))

const isAlive = (pid: number) => {
  try {
    // A zombie still has a pid; what it was is over.
    return process.kill(pid, 0) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

describe('a session', () => {
  test('opens with the raw answer to initialize and a session id', async () => {
    const { upstream } = anUpstream()
    const client = await aClient(upstream)
    expect(client.headers['mcp-session-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(client.reply).toContain('"big":9007199254740993')
  })

  test('passes a message as it is, except for line breaks between tokens', async () => {
    const client = await aClient(anUpstream().upstream)
    const body =
      '{"jsonrpc":"2.0",\r\n "id":"a", "method":"echo","params":{"n":12345678901234567890, "s":"\\u00e9\\n"}}'
    const [answer] = await messagesOf(await client.post(body))
    expect(answer).toContain('"n":12345678901234567890, "s":"\\u00e9\\n"')
  })

  test('streams an answer with headers that no proxy holds back', async () => {
    const client = await aClient(anUpstream().upstream)
    const { status, headers, body } = await client.post('{"id":1,"method":"later"}')
    expect(status).toBe(200)
    expect(headers).toEqual({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    })
    expect((await client.post('{"method":"notifications/go"}')).status).toBe(202)
    expect(await messagesOf({ status, headers, body })).toEqual(['{"jsonrpc":"2.0","id":1,"result":"late"}'])
  })

  test('1 and "1" are two requests, and each gets its own answer', async () => {
    const client = await aClient(anUpstream().upstream)
    const first = await client.post('{"id":1,"method":"later"}')
    expect(await client.ask('pid', '"1"')).toContain('"id":"1"')
    await client.post('{"method":"notifications/go"}')
    expect(await messagesOf(first)).toEqual(['{"jsonrpc":"2.0","id":1,"result":"late"}'])
  })

  test('an id that may still be answered is refused', async () => {
    const client = await aClient(anUpstream().upstream)
    const leaving = new AbortController()
    await client.post('{"id":7,"method":"later"}', { signal: leaving.signal })
    for (const left of [false, true]) {
      if (left) leaving.abort()
      const refused = await client.post('{"id":7,"method":"pid"}')
      expect(refused.status).toBe(400)
      expect(error(await textOf(refused))).toMatchObject({ id: 7, error: { code: -32600 } })
    }
  })

  test('progress goes to the request that asked for it, in order and before its answer', async () => {
    const client = await aClient(anUpstream().upstream)
    const other = await client.post('{"id":1,"method":"later"}')
    const own = await client.post('{"id":2,"method":"progress","params":{"_meta":{"progressToken":"t"}}}')
    expect(
      (await messagesOf(own)).map(
        (message) => z.looseObject({ params: z.unknown().optional() }).parse(JSON.parse(message)).params,
      ),
    ).toEqual([{ progressToken: 't', progress: 1 }, { progressToken: 't', progress: 2 }, undefined])
    await client.post('{"method":"notifications/go"}')
    expect(await messagesOf(other)).toHaveLength(1)
  })

  test('what the server says before anyone listens waits for the standalone stream', async () => {
    const client = await aClient(anUpstream().upstream)
    await client.post('{"method":"notifications/say","params":{"n":9}}')
    const next = reader(await client.exchange({ method: 'GET' }))
    expect(await next()).toContain('"early":1')
    expect(await next()).toContain('"n":9')
    const second = await client.exchange({ method: 'GET' })
    expect(second.status).toBe(409)
  })

  test('what nobody reads is bounded: the oldest goes', async () => {
    const client = await aClient(anUpstream().upstream)
    for (let n = 0; n < 150; n++) await client.post(`{"method":"notifications/say","params":{"n":${n}}}`)
    await expect.poll(() => warnings).toHaveLength(51)
    const next = reader(await client.exchange({ method: 'GET' }))
    expect(await next()).toContain('"n":50')
  })

  test("the server's own messages go to the only open request, else to the standalone stream, else to the newest", async () => {
    const client = await aClient(anUpstream().upstream)
    const first = reader(await client.post('{"id":1,"method":"ask"}'))
    expect(await first()).toContain('roots/list')
    const second = reader(await client.post('{"id":2,"method":"ask"}'))
    expect(await second()).toContain('roots/list')
    const standalone = reader(await client.exchange({ method: 'GET' }))
    expect(await standalone()).toContain('early')
    await client.post('{"id":3,"method":"ask"}')
    expect(await standalone()).toContain('roots/list')
  })

  test("the client's answer to the server reaches it", async () => {
    const client = await aClient(anUpstream().upstream)
    expect((await client.post('{"jsonrpc":"2.0","id":"s1","result":{"roots":[]}}')).status).toBe(202)
    expect(result(await client.ask('told', '1'))).toEqual([
      '{"jsonrpc":"2.0","id":"s1","result":{"roots":[]}}',
    ])
  })

  test('a requester who leaves ends neither the session nor the work; the late answer is dropped', async () => {
    const client = await aClient(anUpstream().upstream)
    const leaving = new AbortController()
    await client.post('{"id":1,"method":"later"}', { signal: leaving.signal })
    leaving.abort()
    await client.post('{"method":"notifications/go"}')
    expect(await client.ask('pid', '2')).toContain('"id":2')
    expect(await client.ask('pid', '1')).toContain('"id":1')
  })

  test('a cancelled request is over for its stream', async () => {
    const client = await aClient(anUpstream().upstream)
    const open = await client.post('{"id":1,"method":"later"}')
    await client.post('{"method":"notifications/cancelled","params":{"requestId":1}}')
    expect(await messagesOf(open)).toEqual([])
    expect(result(await client.ask('told', '2'))).toHaveLength(1)
  })

  test('a line that is no message is skipped', async () => {
    const client = await aClient(anUpstream().upstream)
    expect(await client.ask('nonsense', '1')).toContain('"result":1')
  })

  test('the server sees only the variables it needs and those configured', async () => {
    vi.stubEnv('HOLDPOINT_TEST_SECRET', 'x')
    const client = await aClient(anUpstream({ env: { CONFIGURED: 'y' } }).upstream)
    vi.unstubAllEnvs()
    const env = result(await client.ask('env', '1'))
    expect(env).toMatchObject({ CONFIGURED: 'y' })
    expect(env).not.toHaveProperty('HOLDPOINT_TEST_SECRET')
  })
})

describe('what is refused', () => {
  test.each([
    ['2026-07-28', '{"jsonrpc":"2.0","id":1,"method":"server/discover"}'],
    ['2099-01-01', initialize],
  ])('revision %s, in the way that makes clients fall back to initialize', async (version, body) => {
    const response = await anUpstream().upstream.exchange(
      wire({ body, headers: { 'mcp-protocol-version': version } }),
    )
    expect(response.status).toBe(400)
    expect(error(await textOf(response)).error.code).toBe(-32000)
  })

  test('a request without a session', async () => {
    const response = await anUpstream().upstream.exchange(
      wire({ body: '{"jsonrpc":"2.0","id":"x","method":"server/discover"}' }),
    )
    expect(response.status).toBe(400)
    expect(error(await textOf(response))).toMatchObject({ id: 'x', error: { code: -32000 } })
  })

  test("a session that is not there, or somebody else's, with the same words", async () => {
    const { upstream } = anUpstream()
    const client = await aClient(upstream)
    const body = '{"id":1,"method":"pid"}'
    const unknown = await upstream.exchange(wire({ body, headers: { 'mcp-session-id': 'x' } }))
    const foreign = await upstream.exchange(
      wire({ body, headers: client.headers, principal: { name: 'other', owner: 'x' } }),
    )
    const moved = await upstream.exchange(
      wire({ body, headers: client.headers, principal: { ...agent, owner: 'x' } }),
    )
    expect([unknown.status, foreign.status, moved.status]).toEqual([404, 404, 404])
    const text = await textOf(unknown)
    expect(error(text)).toMatchObject({ id: 1, error: { code: -32001, message: 'Session not found' } })
    expect(await textOf(foreign)).toBe(text)
  })

  test.each([
    ['not json', -32700],
    ['[{"id":1,"method":"pid"}]', -32600],
    ['{"id":1}', -32600],
    [initialize, -32600],
  ])('in a session: %s', async (body, code) => {
    const client = await aClient(anUpstream().upstream)
    const response = await client.post(body)
    expect(response.status).toBe(400)
    expect(error(await textOf(response)).error.code).toBe(code)
  })

  test('whoever wants proof is told by a fault, not by an answer', async () => {
    const { upstream } = anUpstream()
    const gone = upstream.exchange(
      wire({ body: '{"id":1,"method":"x"}', headers: { 'mcp-session-id': 'x' }, freshConnection: true }),
    )
    await expect(gone).rejects.toMatchObject({ name: 'UpstreamFault', isSent: false })
  })

  test('more processes than allowed, unless one of the same principal has been idle', async () => {
    const { upstream, clock } = anUpstream({ childrenPerPrincipalMax: 2, childrenMax: 3 })
    const first = await aClient(upstream)
    clock.advance(30_000)
    const second = await aClient(upstream)
    const refused = await upstream.exchange(wire({ body: initialize }))
    expect(refused.status).toBe(200)
    expect(error(await textOf(refused)).error.message).toContain('limits.children_per_principal')
    clock.advance(30_000)
    const third = await aClient(upstream)
    expect(third.reply).toContain('result')
    expect((await first.post('{"id":1,"method":"pid"}')).status).toBe(404)
    expect(await second.ask('pid', '1')).toContain('result')
    const other = { name: 'other', owner: 'x' }
    await aClient(upstream, other)
    clock.advance(600_000)
    await third.ask('pid', '9')
    const full = await upstream.exchange(wire({ body: initialize, principal: { name: 'third', owner: 'x' } }))
    expect(error(await textOf(full)).error.message).toContain('limits.children)')
  })

  test('more processes of one server, or of the agents of one person, than allowed', async () => {
    const open = async (upstream: Upstream, principal: Principal) =>
      textOf(await upstream.exchange(wire({ body: initialize, principal })))
    const of = (name: string, owner: string) => ({ name, owner })
    const byOwner = anUpstream({ childrenPerOwnerMax: 2 })
    expect(await open(byOwner.upstream, of('a', 'jun'))).toContain('result')
    expect(await open(byOwner.upstream, of('b', 'jun'))).toContain('result')
    expect(error(await open(byOwner.upstream, of('c', 'jun'))).error.message).toContain('children_per_owner')
    expect(await open(byOwner.upstream, of('a', 'mina'))).toContain('result')
    // Room is made among the agents of the same person, and nowhere else.
    byOwner.clock.advance(61_000)
    expect(await open(byOwner.upstream, of('c', 'jun'))).toContain('result')

    const byServer = anUpstream({ childrenPerServerMax: 1 })
    expect(await open(byServer.upstream, of('a', 'jun'))).toContain('result')
    byServer.clock.advance(61_000)
    expect(error(await open(byServer.upstream, of('a', 'mina'))).error.message).toContain(
      'children_per_server',
    )
    expect(await open(byServer.upstream, of('a', 'jun'))).toContain('result')
  })

  test('a program that does not come up, for a while and for that agent alone', async () => {
    const { upstream, clock } = anUpstream({ args: ['-e', 'process.exit(5)'] })
    const open = async (principal = agent) =>
      error(await textOf(await upstream.exchange(wire({ body: initialize, principal })))).error.message
    expect(
      [await open(), await open()].filter((text) => String(text).includes('exited with code 5')),
    ).toHaveLength(2)
    expect(await open()).toContain('left alone for 2 s')
    expect(await open({ ...agent, name: 'other' })).toContain('exited with code 5')
    clock.advance(2_001)
    expect(await open()).toContain('exited with code 5')
    expect(await open()).toContain('left alone for 4 s')
    for (let count = 0; count < 10; count += 1) {
      clock.advance(60_001)
      expect(await open()).toContain('exited with code 5')
    }
    expect(await open()).toContain('left alone for 60 s')
  })
})

describe('a home', () => {
  test('is the owner’s own, which nobody else may look into, and what the configuration says wins', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'holdpoint-homes-'))
    const homeOf = homeIn(dataDir, 'test')
    const { upstream } = anUpstream({ homeOf })
    const home = async (owner: string) => {
      const client = await aClient(upstream, { name: 'a', owner })
      return String(result(await client.ask('home', '1')))
    }
    const [jun, mina] = [await home('jun'), await home('mina')]
    expect([jun, mina]).toEqual([join(dataDir, 'homes/test/jun'), join(dataDir, 'homes/test/mina')])
    for (const path of [jun, mina, join(dataDir, 'homes')]) expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(await home('Jun')).not.toBe(jun)
    const own = anUpstream({ homeOf, env: { HOME: '/elsewhere' } })
    expect(result(await (await aClient(own.upstream)).ask('home', '1'))).toBe('/elsewhere')
    const unknown = await upstream.exchange(
      wire({ body: initialize, principal: { name: 'x', owner: unknownOwner('x') } }),
    )
    expect(error(await textOf(unknown)).error.message).toContain('not known which person answers')
    rmSync(dataDir, { recursive: true })
  })
})

describe('a process', () => {
  test('that crashes answers every open request with an error, and its session is over', async () => {
    const client = await aClient(anUpstream().upstream)
    const open = await client.post('{"id":"a","method":"later"}')
    const crash = await client.post('{"id":12345678901234567890,"method":"crash"}')
    expect(error((await messagesOf(open)).at(-1))).toMatchObject({ id: 'a', error: { code: -32603 } })
    const [message] = await messagesOf(crash)
    expect(message).toContain('"id":12345678901234567890')
    expect(error(message).error.message).toContain('exited with code 3')
    expect((await client.post('{"id":2,"method":"pid"}')).status).toBe(404)
  })

  test('that crashes breaks the stream of a requester who wants proof', async () => {
    const client = await aClient(anUpstream().upstream)
    const crash = await client.post('{"id":1,"method":"crash"}', { freshConnection: true })
    await expect(messagesOf(crash)).rejects.toBeInstanceOf(UpstreamFault)
  })

  test('that writes a line beyond the limit is ended', async () => {
    const client = await aClient(anUpstream().upstream)
    expect(error(await client.ask('long', '1')).error.message).toContain('larger than 100000 bytes')
  })

  test.each([
    ['a command that does not exist', { command: 'no-such-command' }, 'does not exist'],
    ['a directory that does not exist', { cwd: '/no/such/dir' }, '/no/such/dir'],
    ['a program that ends at once', { args: ['-e', 'process.exit(5)'] }, 'exited with code 5'],
  ])('%s is an error with a remedy', async (_name, overrides, words) => {
    const response = await anUpstream(overrides).upstream.exchange(wire({ body: initialize }))
    expect(response.headers).not.toHaveProperty('mcp-session-id')
    expect(error(await textOf(response))).toMatchObject({
      id: 0,
      error: { code: -32603, message: expect.stringContaining(words) },
    })
  })

  test('that refuses to initialise passes its own error and leaves nothing behind', async () => {
    const { upstream } = anUpstream({ childrenMax: 1 })
    const body = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"refuse":true}}'
    const refused = await upstream.exchange(wire({ body }))
    expect(await textOf(refused)).toBe('{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}')
    await expect.poll(async () => (await aClient(upstream)).reply).toContain('result')
  })

  test('is ended by DELETE', async () => {
    const client = await aClient(anUpstream().upstream)
    const pid = Number(result(await client.ask('pid', '1')))
    expect((await client.exchange({ method: 'DELETE' })).status).toBe(200)
    await expect.poll(() => isAlive(pid)).toBe(false)
    expect((await client.post('{"id":2,"method":"pid"}')).status).toBe(404)
  })

  test('is ended when its session was forgotten, but not while someone listens', async () => {
    const { upstream, clock } = anUpstream()
    const client = await aClient(upstream)
    const leaving = new AbortController()
    await client.exchange({ method: 'GET', signal: leaving.signal })
    clock.advance(3_600_000)
    const pid = Number(result(await client.ask('pid', '1')))
    leaving.abort()
    clock.advance(3_600_000)
    await expect.poll(() => isAlive(pid)).toBe(false)
    expect((await client.post('{"id":2,"method":"pid"}')).status).toBe(404)
  })

  test('takes its descendants along, even those that ignore polite signals', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdpoint-group-'))
    const pids = join(dir, 'pids')
    const shell = `sh -c 'trap "" TERM HUP; echo $$ >> ${pids}; while :; do sleep 0.2; done' & sleep 1000 & echo $! >> ${pids}; exec "$0" -e "$1"`
    const { upstream } = anUpstream({ command: 'sh', args: ['-c', shell, process.execPath, script] })
    const client = await aClient(upstream)
    await expect
      .poll(() => (existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n') : []))
      .toHaveLength(2)
    const all = [
      ...readFileSync(pids, 'utf8').trim().split('\n').map(Number),
      Number(result(await client.ask('pid', '1'))),
    ]
    expect(all.map(isAlive)).toEqual([true, true, true])
    await upstream.close()
    expect(all.map(isAlive)).toEqual([false, false, false])
  })

  test('that crashes takes its descendants along as well', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdpoint-group-'))
    const pids = join(dir, 'pids')
    const shell = `sleep 1000 & echo $! > ${pids}; exec "$0" -e "$1"`
    const client = await aClient(
      anUpstream({ command: 'sh', args: ['-c', shell, process.execPath, script] }).upstream,
    )
    expect(error(await client.ask('crash', '1')).error.message).toContain('code 3')
    await expect.poll(() => isAlive(Number(readFileSync(pids, 'utf8')))).toBe(false)
  })
})

describe('real servers', () => {
  test.each([
    ['everything', 'server-everything', ['stdio'], 'echo'],
    ['filesystem', 'server-filesystem', [tmpdir()], 'list_directory'],
  ])('%s lists its tools', async (_name, name, args, tool) => {
    const program = join('node_modules/@modelcontextprotocol', name, 'dist/index.js')
    const { upstream } = anUpstream({ command: process.execPath, args: [program, ...args] })
    const params =
      '{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}'
    const opened = await upstream.exchange(
      wire({ body: `{"jsonrpc":"2.0","id":0,"method":"initialize","params":${params}}` }),
    )
    const headers = { 'mcp-session-id': opened.headers['mcp-session-id'] ?? '' }
    await upstream.exchange(wire({ headers, body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' }))
    const listed = await messagesOf(
      await upstream.exchange(wire({ headers, body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' })),
    )
    expect(listed.at(-1)).toContain(`"name":"${tool}"`)
  })
})
