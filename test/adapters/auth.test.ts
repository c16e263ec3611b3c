import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createAuthenticator } from '../../src/auth/authenticator.ts'
import { createDirectory } from '../../src/auth/directory.ts'
import { hashToken, kindOfToken, newToken } from '../../src/auth/tokens.ts'
import type { CredentialKind, CredentialStore } from '../../src/ports/credentials.ts'

const people = new Map([
  ['mina', { id: 'mina', name: 'Kim Mina', groups: ['ops'] }],
  ['jun', { id: 'jun', name: 'jun', groups: [] }],
])
const agents = new Map([['night', { name: 'night', owner: 'mina' }]])
const REFRESH_MS = 1_000

/** A store in memory whose readings a test can hold back or break. */
function aStore() {
  const live = new Map<string, { kind: CredentialKind; name: string; owner: string }>()
  const listeners = new Set<() => void>()
  const held: (() => void)[] = []
  const state = { isDown: false, isHolding: false, readings: 0 }
  const store: CredentialStore = {
    add: async ({ kind, name, owner, tokenHash }) => void live.set(tokenHash, { kind, name, owner }),
    revoke: async () => 0,
    list: async () => [],
    async live() {
      state.readings += 1
      const snapshot = new Map(live)
      if (state.isHolding) await new Promise<void>((resolve) => held.push(resolve))
      if (state.isDown) throw new Error('connection refused')
      return snapshot
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return {
    store,
    state,
    listeners,
    live,
    hint: () => listeners.forEach((listener) => void listener()),
    release: () => held.splice(0).forEach((resolve) => void resolve()),
    async issue(kind: CredentialKind, name: string, owner: string) {
      const { token, tokenHash, hint } = newToken(kind)
      await store.add({ kind, name, owner, tokenHash, hint })
      return token
    },
  }
}

function aLog() {
  const lines: string[] = []
  const line = (level: string) => (_: object, message: string) => void lines.push(`${level}: ${message}`)
  return { lines, debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function aRunningAuthenticator(memory = aStore()) {
  const log = aLog()
  const authenticator = createAuthenticator({
    store: memory.store,
    agents,
    people,
    log,
    refreshMs: REFRESH_MS,
  })
  await authenticator.start()
  return { memory, log, authenticator }
}

describe('tokens', () => {
  test.each([
    ['agent', /^hpa_[A-Za-z0-9_-]{43}$/],
    ['person', /^hpp_[A-Za-z0-9_-]{43}$/],
  ] as const)('a token of an %s says what it is', (kind, shape) => {
    const { token, tokenHash, hint } = newToken(kind)
    expect(token).toMatch(shape)
    expect(kindOfToken(token)).toBe(kind)
    expect(tokenHash).toBe(hashToken(token))
    expect(tokenHash).toMatch(/^[0-9a-f]{64}$/)
    expect(hint).toBe(token.slice(0, 8))
    expect(newToken(kind).token).not.toBe(token)
  })

  test.each([
    '',
    'hpa_',
    'Bearer hpa_x',
    `hpx_${'a'.repeat(43)}`,
    `hpa_${'a'.repeat(44)}`,
    `hpa_${'a'.repeat(43)}\n`,
  ])('%j is not one of ours', (text) => {
    expect(kindOfToken(text)).toBeNull()
  })
})

describe('the directory', () => {
  test('knows the people of the configuration', () => {
    const directory = createDirectory(people)
    expect(directory.person('mina')?.name).toBe('Kim Mina')
    expect(directory.person('kim')).toBeNull()
    expect(directory.people().map(({ id }) => id)).toEqual(['mina', 'jun'])
  })
})

describe('the authenticator', () => {
  test('knows agents and people by their tokens, and never one for the other', async () => {
    const memory = aStore()
    const agent = await memory.issue('agent', 'day', 'jun')
    const person = await memory.issue('person', 'mina', 'mina')
    const { authenticator } = await aRunningAuthenticator(memory)
    expect(authenticator.agent(agent)).toEqual({ name: 'day', owner: 'jun' })
    expect(authenticator.person(person)).toBe('mina')
    expect(authenticator.agent(person)).toBeNull()
    expect(authenticator.person(agent)).toBeNull()
    expect(authenticator.agent(newToken('agent').token)).toBeNull()
    authenticator.stop()
  })

  test('a token whose prefix is not that of its record opens nothing', async () => {
    const memory = aStore()
    const agent = newToken('agent')
    memory.live.set(agent.tokenHash, { kind: 'person', name: 'mina', owner: 'mina' })
    const { authenticator } = await aRunningAuthenticator(memory)
    expect(authenticator.agent(agent.token)).toBeNull()
    expect(authenticator.person(agent.token)).toBeNull()
    authenticator.stop()
  })

  test('the configuration decides who owns an agent', async () => {
    const memory = aStore()
    const token = await memory.issue('agent', 'night', 'jun')
    const { authenticator } = await aRunningAuthenticator(memory)
    expect(authenticator.agent(token)).toEqual({ name: 'night', owner: 'mina' })
    authenticator.stop()
  })

  test('who has left the directory, or whose owner has, is not let in', async () => {
    const memory = aStore()
    const agent = await memory.issue('agent', 'day', 'gone')
    const person = await memory.issue('person', 'gone', 'gone')
    const { authenticator } = await aRunningAuthenticator(memory)
    expect(authenticator.agent(agent)).toBeNull()
    expect(authenticator.person(person)).toBeNull()
    authenticator.stop()
  })

  test('before it has read the tokens nobody is let in, and a store that is down stops the start', async () => {
    const memory = aStore()
    const token = await memory.issue('agent', 'day', 'jun')
    memory.state.isDown = true
    const parts = { store: memory.store, agents, people, log: aLog(), refreshMs: REFRESH_MS }
    const authenticator = createAuthenticator(parts)
    expect(authenticator.agent(token)).toBeNull()
    await expect(authenticator.start()).rejects.toThrow('connection refused')
    expect(memory.listeners.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a hint makes a change known at once', async () => {
    const { memory, authenticator } = await aRunningAuthenticator()
    const token = await memory.issue('agent', 'day', 'jun')
    memory.hint()
    await vi.advanceTimersByTimeAsync(0)
    expect(authenticator.agent(token)).not.toBeNull()
    authenticator.stop()
  })

  test('without a hint a revoked token is refused within the promised time', async () => {
    const memory = aStore()
    const token = await memory.issue('agent', 'day', 'jun')
    const { authenticator } = await aRunningAuthenticator(memory)
    memory.live.clear()
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(authenticator.agent(token)).toBeNull()
    authenticator.stop()
  })

  test('a hint during a reading leads to another one, because the first may have looked before the change', async () => {
    const { memory, authenticator } = await aRunningAuthenticator()
    memory.state.isHolding = true
    memory.hint()
    const token = await memory.issue('agent', 'day', 'jun')
    memory.hint()
    memory.state.isHolding = false
    memory.release()
    await vi.advanceTimersByTimeAsync(0)
    expect(authenticator.agent(token)).not.toBeNull()
    authenticator.stop()
  })

  test('while the store is down the last known tokens stay in force, and that is said once', async () => {
    const memory = aStore()
    const token = await memory.issue('agent', 'day', 'jun')
    const { authenticator, log } = await aRunningAuthenticator(memory)
    memory.state.isDown = true
    await vi.advanceTimersByTimeAsync(10 * REFRESH_MS)
    expect(authenticator.agent(token)).not.toBeNull()
    expect(log.lines).toEqual(['warn: tokens cannot be read; the last known ones stay in force'])
    memory.state.isDown = false
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(log.lines.slice(1)).toEqual(['info: tokens can be read again'])
    authenticator.stop()
  })

  test('a reading that never comes back is given up, and changes nothing when it comes after all', async () => {
    const memory = aStore()
    const token = await memory.issue('agent', 'day', 'jun')
    const { authenticator, log } = await aRunningAuthenticator(memory)
    memory.state.isHolding = true
    memory.hint()
    memory.live.clear()
    memory.state.isHolding = false
    await vi.advanceTimersByTimeAsync(6 * REFRESH_MS)
    expect(authenticator.agent(token)).toBeNull()
    expect(log.lines).toHaveLength(2)
    memory.release()
    await vi.advanceTimersByTimeAsync(0)
    expect(authenticator.agent(token)).toBeNull()
    authenticator.stop()
  })

  test('stopped, it reads no more', async () => {
    const { memory, authenticator } = await aRunningAuthenticator()
    authenticator.stop()
    const { readings } = memory.state
    memory.hint()
    await vi.advanceTimersByTimeAsync(5 * REFRESH_MS)
    expect(memory.state.readings).toBe(readings)
  })
})
