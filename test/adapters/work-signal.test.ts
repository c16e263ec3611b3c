/** Signals of one piece of work: aborted by any source or by time, and nothing of them is kept afterwards. */
import { defaultMaxListeners, getEventListeners, getMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { workSignal } from '../../src/mcp/work-signal.ts'

const isKeptBy = (source: AbortSignal) => getEventListeners(source, 'abort').length > 0

test('is aborted with the first of its sources, and leaves the others', () => {
  const [left, gateway] = [new AbortController(), new AbortController()]
  const work = workSignal([left.signal, gateway.signal], 60_000)
  left.abort()
  expect(work.signal.aborted).toBe(true)
  expect(work.isLate()).toBe(false)
  expect(isKeptBy(gateway.signal)).toBe(false)
})

test('a source that is aborted already aborts it at once', () => {
  const gateway = new AbortController()
  expect(workSignal([gateway.signal, AbortSignal.abort()], null).signal.aborted).toBe(true)
  expect(isKeptBy(gateway.signal)).toBe(false)
})

test('time that is up aborts it, and is told from a source', async () => {
  const gateway = new AbortController()
  const work = workSignal([gateway.signal], 10)
  await expect.poll(() => work.signal.aborted, { timeout: 10_000 }).toBe(true)
  expect(work.isLate()).toBe(true)
  expect(isKeptBy(gateway.signal)).toBe(false)
})

test('work that has ended is kept by nobody, and not aborted any more', () => {
  const gateway = new AbortController()
  const work = workSignal([gateway.signal], 60_000)
  expect(isKeptBy(gateway.signal)).toBe(true)
  work.release()
  work.release()
  expect(isKeptBy(gateway.signal)).toBe(false)
  gateway.abort()
  expect(work.signal.aborted).toBe(false)
})

test('what fetch asks of signals can still be asked, of its sources and of every other one', () => {
  const gateway = new AbortController()
  workSignal([], 60_000).release()
  workSignal([gateway.signal], 60_000).release()
  expect(getMaxListeners(gateway.signal)).toBe(Number.POSITIVE_INFINITY)
  expect(getMaxListeners(new AbortController().signal)).toBe(defaultMaxListeners)
})
