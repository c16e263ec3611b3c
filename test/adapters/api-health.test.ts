import { expect, test, vi } from 'vitest'
import { createHealth } from '../../src/api/health.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const fine = { name: 'ledger', missing: async () => null }

test('alive and ready', async () => {
  const health = createHealth({ checks: [fine], hints: [], log })
  expect(await (await health.request('/healthz')).json()).toEqual({ alive: true })
  const ready = await health.request('/readyz')
  expect([ready.status, await ready.json()]).toEqual([200, { ready: true, missing: [], impaired: [] }])
})

test('not ready names what is missing, and nothing about the fault behind it', async () => {
  const lease = { name: 'lease', missing: async () => 'another process holds it' }
  const broken = { name: 'queue', missing: () => Promise.reject(new Error('password wrong')) }
  const ready = await createHealth({ checks: [fine, lease, broken], hints: [], log }).request('/readyz')
  expect([ready.status, await ready.json()]).toEqual([
    503,
    {
      ready: false,
      missing: [
        { name: 'lease', missing: 'another process holds it' },
        { name: 'queue', missing: 'did not answer' },
      ],
      impaired: [],
    },
  ])
})

test('what only makes it slow is named, and leaves it ready', async () => {
  const queue = { name: 'queue', missing: async () => 'Redis is away' }
  const ready = await createHealth({ checks: [fine], hints: [queue], log }).request('/readyz')
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { ready: true, missing: [], impaired: [{ name: 'queue', missing: 'Redis is away' }] },
  ])
})

test('a check that hangs does not hang the probe', async () => {
  vi.useFakeTimers()
  const stuck = { name: 'ledger', missing: () => new Promise<null>(() => {}) }
  const asked = Promise.resolve(createHealth({ checks: [stuck], hints: [], log }).request('/readyz'))
  await vi.advanceTimersByTimeAsync(2_000)
  expect((await asked).status).toBe(503)
  vi.useRealTimers()
})
