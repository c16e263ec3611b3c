/**
 * One approved call is one request, whatever happens to it: in no layer (the HTTP client, the session, the execution, the
 * queue, another gateway) is anything sent a second time. A real gateway, the network cut at every few bytes of request and
 * answer, and a witness on the wire that counts connections with the call in them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { META_IDEMPOTENCY_KEY } from '../../src/domain/tool-call.ts'
import type { TestClient } from '../support/clients.ts'
import type { Carried, Weather } from '../support/fault-proxy.ts'
import { measured } from './measured.ts'
import { aSite, type Site } from './site.ts'

/** What only an approved call carries: its connection is its own. */
const APPROVED = 'idempotency-key: '
const STEP_BYTES = 64

type Asked = Awaited<ReturnType<Site['ask']>>

let site: Site
let client: TestClient
let request: { head: number; whole: number }
let answer: { head: number; whole: number }

beforeAll(async () => {
  site = await aSite(inject('postgresUrl'))
  client = await site.client()
})
afterAll(async () => {
  expect(await site?.close()).toBe(0)
})
// A test that fails must not spoil the next one.
afterEach(async () => {
  site.upstream.behave()
  site.upstream.streamAnswers(false)
  await site.way.heal()
})

/** Decided while the weather holds; what came of it, and what the witnesses saw. */
async function run(call: Asked, weather: Weather = {}) {
  const wire = site.way.record()
  site.way.weather({ ...weather, only: APPROVED })
  expect(await site.mina.decide(call.id, 'approve')).toMatchObject({ ok: true })
  const told = JSON.stringify(await call.result.catch(String))
  await site.way.heal()
  const outcome = await site.outcome(call.id)
  return { outcome, told, sendings: sendingsOf(wire, call), hits: call.hits() }
}

const sendingsOf = (wire: readonly Carried[], call: Asked) =>
  wire.filter(({ up }) => up.includes(APPROVED) || up.includes(call.charge))

const lengths = (text: string) => ({ head: text.indexOf('\r\n\r\n') + 4, whole: text.length })

/** Every so many bytes, and around the places where one thing ends and another begins. */
function cuts({ head, whole }: { head: number; whole: number }): number[] {
  const steps = Array.from({ length: Math.ceil(whole / STEP_BYTES) }, (_, index) => index * STEP_BYTES)
  return [...new Set([...steps, 1, head - 1, head, head + 1, whole - 1, whole, whole + 8])].sort(
    (a, b) => a - b,
  )
}

/** So many calls that wait, asked together. */
const asked = (count: number) => Promise.all(Array.from({ length: count }, () => site.ask(client)))

test('the call goes over a connection of its own, says so, and carries its ticket as the idempotency key twice', async () => {
  const [call] = await asked(1)
  if (call === undefined) throw new Error('nothing was asked')
  const { outcome, sendings, hits } = await run(call)
  expect({ outcome, hits, sendings: sendings.length }).toEqual({ outcome: 'answered', hits: 1, sendings: 1 })
  const [{ up, down } = { up: '', down: '' }] = sendings
  expect(up.match(/^POST /gm)).toHaveLength(1)
  expect(up).toContain(`idempotency-key: ${call.id}\r\n`)
  expect(up).toContain('connection: close\r\n')
  expect(up).toContain(`"${META_IDEMPOTENCY_KEY}":"${call.id}"`)
  request = lengths(up)
  answer = lengths(down)
})

describe('a reset', () => {
  test('after n bytes of the request: the tool never ran or ran once, and nobody claims to know', async () => {
    const places = cuts(request)
    const calls = await asked(places.length)
    for (const [index, bytes] of places.entries()) {
      const call = calls[index]
      if (call === undefined) throw new Error('too few were asked')
      const { outcome, sendings, hits, told } = await run(call, { resetAfter: { up: bytes } })
      const isWhole = bytes >= (sendings[0]?.up.length ?? 0)
      expect([bytes, sendings.length]).toEqual([bytes, 1])
      // With the whole request through, the answer may be quicker than the reset.
      expect([bytes, hits]).toEqual([bytes, isWhole ? 1 : 0])
      expect([bytes, outcome]).toEqual([bytes, isWhole ? expect.any(String) : 'indeterminate'])
      expect(['indeterminate', 'answered']).toContain(outcome)
      if (outcome === 'indeterminate') expect(told).toMatch(/may or may not|may have|not known/i)
    }
    measured('reset in the request', { places: places.length, 'bytes of it': request.whole })
  })

  test('after n bytes of the answer: it ran once, and it is known or it is not', async () => {
    const places = cuts(answer)
    const calls = await asked(places.length)
    for (const [index, bytes] of places.entries()) {
      const call = calls[index]
      if (call === undefined) throw new Error('too few were asked')
      const { outcome, sendings, hits } = await run(call, { resetAfter: { down: bytes } })
      const expected = bytes >= (sendings[0]?.down.length ?? 0) ? 'answered' : 'indeterminate'
      expect([bytes, outcome, hits, sendings.length]).toEqual([bytes, expected, 1, 1])
    }
    measured('reset in the answer', { places: places.length, 'bytes of it': answer.whole })
  })
})

describe.each([
  ['an answer of known length', false],
  ['an event stream', true],
])('Connection: close in the middle of %s', (_name, isStream) => {
  test.each([0, 0.5, 0.8])('after %s of it: it ran once, and that is not known', async (part) => {
    const [first, second] = await asked(2)
    if (first === undefined || second === undefined) throw new Error('nothing was asked')
    site.upstream.streamAnswers(isStream)
    const whole = await run(first)
    const length = whole.sendings[0]?.down.length ?? 0
    const { outcome, sendings, hits } = await run(second, { endAfter: { down: Math.floor(length * part) } })
    expect({ outcome, hits, sendings: sendings.length }).toEqual({
      outcome: 'indeterminate',
      hits: 1,
      sendings: 1,
    })
  })
})

describe('an answer that asks for another request', () => {
  test.each([301, 302, 303, 307, 308])(
    'a redirect (%s) is not followed: one request, and nobody knows',
    async (status) => {
      const [call] = await asked(1)
      if (call === undefined) throw new Error('nothing was asked')
      const location = new URL('/elsewhere', site.upstream.url).href
      site.upstream.misbehave('tools/call', { kind: 'status', status, headers: { location } })
      const received = site.upstream.requests.length
      const { outcome, sendings } = await run(call)
      expect({ outcome, sendings: sendings.length }).toEqual({ outcome: 'indeterminate', sendings: 1 })
      await quiet()
      expect(callsSince(received)).toHaveLength(1)
      expect(site.upstream.requests.filter(({ path }) => path === '/elsewhere')).toEqual([])
    },
  )

  test.each<[number, Record<string, string>]>([
    [429, { 'retry-after': '0' }],
    [503, { 'retry-after': '0' }],
    [503, { 'retry-after': '1' }],
    [408, {}],
    [425, {}],
    [502, {}],
    [401, { 'www-authenticate': 'Bearer' }],
    // The session is gone, and it is too late for another one.
    [404, {}],
  ])('HTTP %s with %o: one request, and nobody knows', async (status, headers) => {
    const [call] = await asked(1)
    if (call === undefined) throw new Error('nothing was asked')
    site.upstream.misbehave('tools/call', { kind: 'status', status, headers })
    const received = site.upstream.requests.length
    const { outcome, sendings } = await run(call)
    expect({ outcome, sendings: sendings.length }).toEqual({ outcome: 'indeterminate', sendings: 1 })
    await quiet(headers['retry-after'] === '1' ? 1_500 : 300)
    expect(callsSince(received)).toHaveLength(1)
  })
})

test('refused in the moment of the send: proved unsent, and told so', async () => {
  const [call] = await asked(1)
  if (call === undefined) throw new Error('nothing was asked')
  // So that the questions before the claim find a connection that stands.
  await site.allowed(client)
  const before = site.upstream.requests.length
  void site.upstream
    .seen((one) => one.rpcMethod === 'tools/list' && site.upstream.requests.indexOf(one) >= before)
    .then(() => site.way.refuse('new'))
  const { outcome, told, sendings, hits } = await run(call)
  expect({ outcome, hits, sendings: sendings.length }).toEqual({ outcome: 'not_sent', hits: 0, sendings: 0 })
  expect(told).toContain('NOT EXECUTED')
})

describe('what is asked before the claim may be asked again', () => {
  test('kept-alive connections that die in the moment of reuse: asked again, then sent once', async () => {
    const [call] = await asked(1)
    if (call === undefined) throw new Error('nothing was asked')
    await site.allowed(client)
    const wire = site.way.record()
    site.way.blackhole('established')
    site.way.cut()
    expect(await site.mina.decide(call.id, 'approve')).toMatchObject({ ok: true })
    expect(JSON.stringify(await call.result)).toContain('re_')
    expect(sendingsOf(wire, call)).toHaveLength(1)
    expect(call.hits()).toBe(1)
  })

  test('an allowed call on a connection that dies in the moment of reuse is not repeated either', async () => {
    await site.allowed(client)
    const wire = site.way.record()
    const received = site.upstream.requests.length
    site.way.weather({ resetAfter: { up: 1 } })
    const told = await client.call('echo', { message: 'once' }).then(JSON.stringify, String)
    expect(told).not.toContain('\\"once\\"')
    await quiet()
    expect(callsSince(received)).toHaveLength(0)
    expect(wire.filter(({ up }) => up.includes('"once"')).length).toBeLessThanOrEqual(1)
  })

  test('a session that the upstream has forgotten is replaced before the claim, and the call is sent once', async () => {
    const [call] = await asked(1)
    if (call === undefined) throw new Error('nothing was asked')
    const received = site.upstream.requests.length
    site.upstream.expireSessions()
    const { outcome, sendings, hits } = await run(call)
    expect({ outcome, hits, sendings: sendings.length }).toEqual({
      outcome: 'answered',
      hits: 1,
      sendings: 1,
    })
    const methods = site.upstream.requests.slice(received).flatMap(({ rpcMethod }) => rpcMethod ?? [])
    expect(methods.indexOf('initialize')).toBeGreaterThanOrEqual(0)
    expect(methods.indexOf('initialize')).toBeLessThan(methods.indexOf('tools/call'))
    expect(callsSince(received)).toHaveLength(1)
  })
})

const callsSince = (index: number) =>
  site.upstream.requests.slice(index).filter(({ rpcMethod }) => rpcMethod === 'tools/call')

/** Whoever repeats does it within a moment. */
const quiet = (ms = 300) => new Promise((done) => setTimeout(done, ms))
