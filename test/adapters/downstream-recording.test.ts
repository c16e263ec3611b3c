/** Every verdict of the gate is taken down, and taking it down never changes an answer. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { defaultLimits } from '../../src/domain/limits.ts'
import { glob } from '../../src/domain/policy/glob.ts'
import { everything } from '../../src/domain/stop.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createVerdictRecorder, type RecordVerdict } from '../../src/services/record-verdicts.ts'
import { agent, aPolicy, approvers, aRule } from '../support/builders.ts'
import { createMemoryCounters } from '../support/memory-counters.ts'
import { aHarness, call } from './downstream-harness.ts'

const limited = {
  pointer: '/tools/limited/rate_limit',
  tally: { name: 'calls', per: 'agent', window: { kind: 'sliding', seconds: 60 }, amount: 1 },
  max: 1,
  reason: null,
} as const
const policy = {
  ...aPolicy({ ping_tool: 'allow', forbidden: 'deny' }),
  hidden: new Set(['secret_tool']),
}
const withLimit = {
  ...policy,
  rules: [...policy.rules, aRule({ tools: [glob('limited')], action: 'allow', limits: [limited] })],
}

test('all five verdicts, with the rule, the revision and who called', async () => {
  const counters = createMemoryCounters()
  const harness = aHarness({ policy: withLimit, counters, timings: { holdMs: 1 } })
  for (const tool of ['ping_tool', 'forbidden', 'secret_tool', 'critical', 'limited', 'limited']) {
    await harness.post(call(tool, { arguments: { a: 1 } }))
  }
  counters.isAway = true
  await harness.post(call('limited'))
  expect(harness.recorded.map(({ tool, verdict, rule }) => [tool, verdict, rule])).toEqual([
    ['ping_tool', 'allow', expect.stringContaining('test#')],
    ['forbidden', 'deny', expect.stringContaining('test#')],
    ['secret_tool', 'hide', null],
    ['critical', 'require_approval', 'test#/default'],
    ['limited', 'allow', expect.stringContaining('test#')],
    ['limited', 'limited', 'test#/tools/limited/rate_limit'],
    ['limited', 'limited', expect.stringContaining('test#')],
  ])
  expect(harness.recorded[0]).toMatchObject({
    ...{
      server: 'github',
      principal: agent,
      revision: 1,
      params: { name: 'ping_tool', arguments: { a: 1 } },
    },
  })
  expect(harness.recorded[0]?.judgedInMs).toBeGreaterThanOrEqual(0)
})

test('a stop and a server that is not set up are taken down too, as what they are', async () => {
  const stop = { number: 3, by: 'mina', atMs: 0, reason: 'fire', scope: everything, lifted: null }
  const stopped = aHarness({ policy, stops: { over: () => stop } })
  await stopped.post(call('ping_tool'))
  const unset = aHarness({ rules: { of: () => null, needsSetUp: () => true } })
  await unset.post(call('ping_tool'))
  expect([...stopped.recorded, ...unset.recorded]).toMatchObject([
    { tool: 'ping_tool', verdict: 'stopped', rule: 'stop 3', revision: 1 },
    { tool: 'ping_tool', verdict: 'not_set_up', rule: null, revision: 0 },
  ])
})

test('what a rule in shadow would have said is taken down beside what is enforced, and changes no answer', async () => {
  const shadow = [aRule({ tools: [glob('ping_tool')], action: 'deny', pointer: '/rules/0' })]
  const facts = () => ({ category: 'read', risk: 'low' }) as const
  const shadowed = { ...policy, shadow }
  const rules = { of: () => ({ policy: shadowed, approvers, revision: 1 }), facts }
  const harness = aHarness({ rules })
  await harness.post(call('ping_tool'))
  await harness.post(call('forbidden'))
  expect(harness.exchanges).toHaveLength(1)
  expect(harness.recorded.map(({ verdict, asIf }) => [verdict, asIf])).toEqual([
    ['allow', { verdict: 'deny', rule: 'test#/rules/0' }],
    ['deny', null],
  ])
  // Of a tool that nobody has classified the stricter answer holds.
  const unknown = aHarness({ policy: shadowed })
  await unknown.post(call('ping_tool'))
  expect([unknown.exchanges.length, unknown.recorded[0]?.verdict]).toEqual([0, 'deny'])
})

test('an answer is the same with a log, without one, and with one that hangs or fails', async () => {
  const tools = fc.constantFrom('ping_tool', 'forbidden', 'secret_tool', 'critical')
  const recorders = [() => {}, () => new Promise(() => {}), failingRecorder()]
  await fc.assert(
    fc.asyncProperty(tools, fc.dictionary(fc.string(), fc.jsonValue()), async (tool, args) => {
      const [first, ...others] = await Promise.all(
        recorders.map(async (recordVerdict) => {
          const harness = aHarness({ policy, recordVerdict, timings: { holdMs: 1 } })
          const response = await harness.post(call(tool, { arguments: args }))
          const text = (await response.text()).replaceAll(harness.approval.id, 'HP')
          return [response.status, text, harness.exchanges.length, harness.asked.length]
        }),
      )
      expect(others).toEqual([first, first])
    }),
    { numRuns: 60 },
  )
})

test('while the ledger is frozen allowed calls flow, memory is bounded, and what is lost is counted and shown', async () => {
  let thaw = () => {}
  const frozen = new Promise<void>((resolve) => {
    thaw = resolve
  })
  const added: string[] = []
  const recorder = createVerdictRecorder({
    decisionLog: {
      add: async (lines) => {
        await frozen
        added.push(...lines.map(({ tool }) => tool))
      },
      sweep: async () => 0,
    },
    ...{ rules: {}, recordsArguments: () => true, timings: defaultTimings, limits: defaultLimits },
    ...{ clock, log: silentLog },
  })
  const stop = new AbortController()
  const kept = recorder.keep(stop.signal)
  const harness = aHarness({ policy, recordVerdict: recorder.record })
  const calls = 12_000
  for (let index = 0; index < calls; index += 100) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => harness.post(call('ping_tool'))))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
  }
  expect(harness.exchanges).toHaveLength(calls)
  const [, lost = 0] =
    /^(\d+) verdicts since the start of this gateway are not in the decision log/.exec(
      recorder.gap() ?? '',
    ) ?? []
  expect(Number(lost)).toBeGreaterThanOrEqual(1_000)
  thaw()
  await expect.poll(() => added.length + Number(lost)).toBe(calls)
  stop.abort()
  await kept
})

/** The real one, in front of a store that refuses everything, with a queue that was filled before. */
function failingRecorder(): RecordVerdict {
  const { record } = createVerdictRecorder({
    decisionLog: { add: () => Promise.reject(new Error('away')), sweep: async () => 0 },
    rules: {},
    recordsArguments: () => true,
    timings: defaultTimings,
    limits: defaultLimits,
    clock,
    log: silentLog,
  })
  const params = { name: 'x', arguments: {} }
  for (let calls = 0; calls < 10_000; calls++) {
    record({
      ...{ server: 'github', tool: 'x', principal: agent, params, session: null, verdict: 'allow' },
      ...{ rule: null, asIf: null, revision: 1, atMs: 0, judgedInMs: 0 },
    })
  }
  return record
}
