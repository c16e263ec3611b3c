/** Taking down verdicts: bounded, counted, never in the way of a call, and never its fault. */
import { expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import { defaultLimits } from '../../src/domain/limits.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { DecisionLog } from '../../src/ports/decision-log.ts'
import { LedgerAway } from '../../src/ports/ledger-faults.ts'
import { createVerdictRecorder, type ToRecord } from '../../src/services/record-verdicts.ts'
import { agent } from '../support/builders.ts'
import { createMemoryDecisionLog } from '../support/memory-decision-log.ts'

const aVerdict = (params: JsonObject = { name: 'list_issues' }, more: Partial<ToRecord> = {}): ToRecord => ({
  ...{ server: 'github', tool: 'list_issues', principal: agent, session: null, params },
  ...{ verdict: 'allow', rule: 'test#/allow/0', asIf: null, revision: 3, atMs: 5_000, judgedInMs: 0.25 },
  ...more,
})

/** Rounds go by as fast as they can; each is one step of a clock that moves by what was slept. */
function aRecorder(over: Partial<Pick<DecisionLog, 'add' | 'sweep'>> = {}) {
  const decisionLog = createMemoryDecisionLog(() => 5_000)
  const stop = new AbortController()
  let nowMs = 0
  const recorder = createVerdictRecorder({
    decisionLog: { ...decisionLog, ...over },
    rules: { facts: (_server, tool) => ({ category: tool === 'wipe' ? 'destructive' : null, risk: 'high' }) },
    recordsArguments: (server) => server === 'full',
    timings: defaultTimings,
    limits: defaultLimits,
    clock: {
      monotonicMs: () => nowMs,
      wallMs: () => nowMs,
      sleep(ms) {
        nowMs += ms
        return new Promise((resolve) => setImmediate(resolve))
      },
    },
    log: silentLog,
  })
  const keeping = recorder.keep(stop.signal)
  return {
    ...recorder,
    decisionLog,
    advance: (ms: number) => (nowMs += ms),
    async stop() {
      stop.abort()
      await keeping
    },
  }
}

test('what is taken down is what was said, with the digest that an approval of the call has', async () => {
  const recorder = aRecorder()
  const meta = { progressToken: 'p', tenant: 'acme' }
  const args = { b: 'secret', a: 2, gone: null }
  recorder.record(
    aVerdict({ name: 'wipe', arguments: args, _meta: meta }, { tool: 'wipe', verdict: 'require_approval' }),
  )
  await recorder.stop()
  expect(recorder.decisionLog.lines).toEqual([
    {
      id: 1,
      ...{ atMs: 5_000, server: 'github', tool: 'wipe', principal: agent, session: null },
      ...{
        verdict: 'require_approval',
        rule: 'test#/allow/0',
        asIf: null,
        revision: 3,
        category: 'destructive',
        risk: 'high',
      },
      paramsDigest: sha256(canonicalParams('wipe', args, meta)),
      keys: ['b', 'a'],
      arguments: null,
      lookUp: null,
      judgedInUs: 250,
    },
  ])
  expect(JSON.stringify(recorder.decisionLog.lines)).not.toContain('secret')
})

test('arguments are kept where the server says so, and only as far as they are small', async () => {
  const recorder = aRecorder()
  const full = (params: JsonObject) => recorder.record(aVerdict({ name: 'x', ...params }, { server: 'full' }))
  full({ arguments: { b: 1, a: 'ㄱ' } })
  full({ arguments: { text: 'x'.repeat(9_000) } })
  full({ arguments: { text: 'x'.repeat(100_000) } })
  full({ arguments: { text: '\ud800' } })
  full({})
  full({ arguments: [1] })
  full({ arguments: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`key-${index}`, 1])) })
  await recorder.stop()
  const kept = recorder.decisionLog.lines.map((line) => [
    line.arguments?.slice(0, 20) ?? null,
    line.keys,
    line.paramsDigest !== null,
  ])
  expect(kept).toEqual([
    ['{"a":"ㄱ","b":1}', ['b', 'a'], true],
    [null, ['text'], true],
    [null, null, false],
    [null, ['text'], false],
    ['{}', [], true],
    ['[1]', null, true],
    [expect.stringContaining('key-0'), null, true],
  ])
})

test('a full queue drops the oldest, counts them and says so; calls go on', async () => {
  const recorder = aRecorder({ add: async () => Promise.reject(new LedgerAway('it is paused')) })
  for (let call = 0; call < 12_000; call++) recorder.record(aVerdict({ name: `n${call}` }))
  expect(recorder.gap()).toMatch(/^2000 verdicts since the start .* calls were not affected$/)
  recorder.advance(3_600_000)
  expect(recorder.gap()).toBeNull()
  await recorder.stop()
})

test('large arguments fill the queue sooner, and memory stays bounded', async () => {
  const recorder = aRecorder({ add: async () => Promise.reject(new LedgerAway('it is paused')) })
  const text = 'x'.repeat(60_000)
  for (let call = 0; call < 1_000; call++) recorder.record(aVerdict({ name: 'n', arguments: { text } }))
  expect(recorder.gap()).toMatch(/^\d{3} verdicts/)
  await recorder.stop()
})

test('what waits for a ledger that is away is written once when it is back', async () => {
  let isAway = true
  const kept = createMemoryDecisionLog()
  const recorder = aRecorder({
    async add(verdicts) {
      if (isAway) throw new LedgerAway('it is paused')
      await kept.add(verdicts)
    },
  })
  for (let call = 0; call < 1_200; call++) recorder.record(aVerdict({ name: 'n', arguments: { call } }))
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
  isAway = false
  await recorder.stop()
  expect(kept.lines).toHaveLength(1_200)
  expect(new Set(kept.lines.map((line) => line.paramsDigest)).size).toBe(1_200)
  expect(recorder.gap()).toBeNull()
})

test('a batch whose end nobody knows is not written twice, and counts as lost', async () => {
  const batches: number[] = []
  let said: string | null = null
  const recorder = aRecorder({
    async add(verdicts) {
      batches.push(verdicts.length)
      if (batches.length === 2) said = recorder.gap()
      if (batches.length === 1) throw new Error('connection reset')
    },
  })
  for (let call = 0; call < 700; call++) recorder.record(aVerdict())
  await expect.poll(() => batches).toEqual([500, 200])
  expect(said).toMatch(/^500 verdicts/)
  await recorder.stop()
})

test('nothing that a call holds makes it throw', async () => {
  const recorder = aRecorder()
  const hostile: JsonObject = {
    get name(): string {
      throw new Error('a trap')
    },
  }
  expect(() => recorder.record(aVerdict(hostile))).not.toThrow()
  expect(recorder.gap()).toMatch(/^1 verdicts/)
  let deep: JsonObject = {}
  for (let level = 0; level < 100_000; level++) deep = { deep }
  expect(() => recorder.record(aVerdict({ name: 'n', arguments: deep }))).not.toThrow()
  await recorder.stop()
})

test('old lines are swept round by round, and a store that fails is tried again', async () => {
  const asked: number[] = []
  const recorder = aRecorder({
    async sweep(_keepMs, _linesMax, limit) {
      asked.push(limit)
      if (asked.length === 3) throw new Error('away')
      return asked.length === 1 ? limit : 0
    },
  })
  await expect.poll(() => asked.length).toBeGreaterThan(4)
  await recorder.stop()
})
