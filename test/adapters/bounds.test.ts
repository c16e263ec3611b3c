/** What clients could fill a gateway's memory with: each is bounded, first for the one who fills it. */
import { describe, expect, test } from 'vitest'
import type { Principal } from '../../src/domain/principal.ts'
import { createUnreadBudget } from '../../src/mcp/downstream/sse/unread.ts'
import { createFacePlaces } from '../../src/mcp/upstream/eras/face-places.ts'
import type { FaceSession } from '../../src/mcp/upstream/eras/face-session.ts'
import type { LegacySession } from '../../src/mcp/upstream/eras/legacy-sessions.ts'
import { listenOn } from '../../src/mcp/upstream/eras/subscriptions.ts'
import { createWatchedResources } from '../../src/mcp/upstream/eras/watched-resources.ts'
import { agent } from '../support/builders.ts'

const other: Principal = { name: 'day-agent', owner: 'mira' }

describe('what HTTP+SSE clients have not taken', () => {
  const budget = () => createUnreadBudget({ perStreamMax: 10, perPrincipalMax: 20, perGatewayMax: 30 })

  function aStream(from: ReturnType<typeof budget>, principal: Principal) {
    let cuts = 0
    const stream = from.stream(principal, () => cuts++)
    return { message: stream.message(), another: stream.message(), cuts: () => cuts }
  }

  test('is bounded for all agents together: of the one that holds most, the fullest stream is cut, once', () => {
    const own = budget()
    const [small, large] = [aStream(own, agent), aStream(own, agent)]
    const others = ['a', 'b'].map((name) => aStream(own, { ...other, name }))
    small.message.hold(6)
    large.message.hold(9)
    for (const one of others) one.message.hold(7)
    expect([small, large, ...others].map(({ cuts }) => cuts())).toEqual([0, 0, 0, 0])
    others[0]?.another.hold(2)
    expect([small, large, ...others].map(({ cuts }) => cuts())).toEqual([0, 1, 0, 0])
    // What was cut counts no more, whatever becomes of it.
    large.message.hold(10)
    others[1]?.another.hold(3)
    expect([small, large, ...others].map(({ cuts }) => cuts())).toEqual([0, 1, 0, 0])
  })

  test('is given back as it is taken', () => {
    const own = budget()
    const streams = Array.from({ length: 100 }, (_, at) => aStream(own, { ...other, name: `agent-${at}` }))
    for (const stream of streams) {
      stream.message.hold(9)
      stream.message.hold(0)
    }
    expect(streams.reduce((sum, { cuts }) => sum + cuts(), 0)).toBe(0)
  })
})

describe('sessions that are translated for', () => {
  function aSession(principal: Principal, idleMs: number | null) {
    let isEnded = false
    const session: FaceSession = {
      principal,
      answerHere: () => null,
      isTaken: () => false,
      run: async () => {},
      cancel() {},
      answered() {},
      listen: () => null,
      touch() {},
      idleMs: () => idleMs,
      end() {
        isEnded = true
      },
    }
    return { session, isEnded: () => isEnded }
  }

  test('are shared: an agent at its own limit gets room from its own idlest, and no other agent notices', () => {
    const places = createFacePlaces()
    const [mine, idlest] = [aSession(agent, 70_000), aSession(agent, 90_000)]
    const id = places.add(mine.session)
    places.add(idlest.session)
    for (let count = 2; count < 500; count++) places.add(aSession(agent, 0).session)
    expect(places.makeRoom(other).ok).toBe(true)
    expect(places.makeRoom(agent).ok).toBe(true)
    expect([mine.isEnded(), idlest.isEnded()]).toEqual([false, true])
    expect(places.of(id, agent)).toBe(mine.session)
    expect(places.of(id, other)).toBeNull()
  })

  test('are refused where nothing of the agent’s own is idle', () => {
    const places = createFacePlaces()
    for (let count = 0; count < 500; count++) places.add(aSession(agent, null).session)
    const refused = places.makeRoom(agent)
    expect(refused).toMatchObject({ ok: false, error: expect.stringContaining('500 sessions') })
    expect(places.makeRoom(other).ok).toBe(true)
  })
})

describe('resources that a client wants to hear of', () => {
  test('are a thousand at most, and those that are known already are no more', () => {
    const watched = createWatchedResources()
    for (let at = 0; at < 1_000; at++) expect(watched.add(`note://${at}`)).toBeNull()
    expect(watched.add('note://1')).toBeNull()
    expect(watched.add('note://one-more')).toContain('1000 resources')
    watched.delete('note://1')
    expect(watched.add('note://one-more')).toBeNull()
    expect(watched.all()).toHaveLength(1_000)
  })

  test('have URIs of a size that a request can carry', () => {
    const watched = createWatchedResources()
    expect(watched.add(`note://${'x'.repeat(200_000)}`)).toBeNull()
    expect(watched.add(`note://${'y'.repeat(200_000)}`)).toContain('262144 characters')
  })

  function aSession() {
    const told: string[] = []
    const session: LegacySession = {
      principal: agent,
      initialized: '{"capabilities":{"resources":{"subscribe":true}}}',
      running: new Set(),
      unasked: [],
      listeners: new Set(),
      post: () => Promise.reject(new Error('nothing is posted')),
      async tell(message) {
        const { method, params } = JSON.parse(message)
        told.push(`${method} ${params.uri}`)
      },
      hear: async () => {},
      leave() {},
    }
    const listen = (uris: readonly string[]) => {
      const leaving = new AbortController()
      const notifications = { resourceSubscriptions: uris }
      const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params: { notifications } })
      const response = listenOn(session, message, leaving.signal, 1_000_000)
      const said = new Response(response.body).text().catch(String)
      return { said, leave: () => leaving.abort() }
    }
    return { told, session, listen }
  }

  test('stay subscribed to while another stream of the same agent listens to them', async () => {
    const { told, listen } = aSession()
    const [one, two] = [listen(['note://a', 'note://b']), listen(['note://b'])]
    one.leave()
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe('resources/unsubscribe note://a')
    two.leave()
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe('resources/unsubscribe note://b')
    expect(told.filter((said) => said === 'resources/unsubscribe note://b')).toHaveLength(1)
  })

  test('and the streams on which it listens are bounded on a server with a handshake as well', async () => {
    const { session, listen } = aSession()
    const many = listen(Array.from({ length: 1_001 }, (_, at) => `note://${at}`))
    expect(await many.said).toContain('1000 resources')
    expect(session.listeners.size).toBe(0)
    for (let count = 0; count < 200; count++) listen([])
    expect(session.listeners.size).toBe(200)
    listen([])
    expect(session.listeners.size).toBe(200)
  })
})
