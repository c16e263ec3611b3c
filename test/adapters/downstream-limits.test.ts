/** Limits at the gate: counted before the send, taken back when nothing left, and closed when they cannot be counted. */

import { describe, expect, it } from 'vitest'
import { readPolicy } from '../../src/files/policy-file.ts'
import { UpstreamFault } from '../../src/mcp/upstream/wire.ts'
import type { Counters } from '../../src/ports/counters.ts'
import { createMemoryCounters } from '../support/memory-counters.ts'
import { aHarness, call } from './downstream-harness.ts'

const read = readPolicy(
  'shop.yaml',
  `
default: deny
allow: [free]
tools:
  search: { action: allow, rate_limit: { max: 2, window: 60, reason: Slow down. } }
  pay: { action: allow, spend_limit: { path: args.amount, max: 100, window: 60 } }
rules:
  - { tools: drop, when: { history: { tools: drop, window: 60 }, lt: 1 }, action: allow }
`,
)
const policy = read.ok ? read.value : undefined
if (policy === undefined) throw new Error('the policy does not load')

async function outcome(response: Response): Promise<unknown> {
  const answer = Object(await response.json())
  return Object(Object(answer.result)._meta)['dev.holdpoint/approval'] ?? answer.error?.code ?? 'passed'
}

describe('a limited tool', () => {
  it('passes as often as it may, and then the agent is told what held it back', async () => {
    const harness = aHarness({ policy, counters: createMemoryCounters() })
    for (let each = 0; each < 2; each++)
      expect(await outcome(await harness.post(call('search')))).toBe('passed')
    const refused = await harness.post(call('search'))
    const answer = Object(await refused.json())
    expect(answer.result._meta['dev.holdpoint/approval']).toEqual({
      status: 'limited',
      outcome: null,
      rule: 'shop.yaml#/tools/search/rate_limit',
      reason: 'Slow down.',
      retry: 'same',
    })
    expect(answer.result.content[0].text).toMatch(/NOT EXECUTED.*Slow down/)
    expect(harness.exchanges).toHaveLength(2)
  })

  it('adds up what is spent, and nothing lowers it', async () => {
    const harness = aHarness({ policy, counters: createMemoryCounters() })
    const pay = async (amount: unknown) => outcome(await harness.post(call('pay', { arguments: { amount } })))
    expect(await pay(60)).toBe('passed')
    expect(await pay(60)).toMatchObject({ status: 'limited' })
    for (const amount of [-100, '1', null, 1e300, [1], {}]) {
      expect(await pay(amount)).toMatchObject({
        status: 'denied',
        reason: expect.stringContaining('counted'),
      })
    }
    expect(await pay(40)).toBe('passed')
    expect(await pay(0.01)).toMatchObject({ status: 'limited' })
  })

  it('is taken back when nothing was sent, and stays counted when something may have been', async () => {
    const counters = createMemoryCounters()
    const isSent = [false, false, true, true]
    const wire = () => {
      throw new UpstreamFault('it is away', isSent.shift() ?? true)
    }
    const harness = aHarness({ policy, counters, wire })
    const counts: number[] = []
    for (let each = 0; each < 4; each++) {
      await harness.post(call('search'))
      counts.push(counters.entries.length)
    }
    expect(counts).toEqual([0, 0, 1, 2])
  })

  it('is refused while the counters are away; a tool without limits never asks them', async () => {
    const counters = createMemoryCounters()
    counters.isAway = true
    const harness = aHarness({ policy, counters })
    const refused = await harness.post(call('search'))
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('NOT EXECUTED')
    expect(harness.exchanges).toHaveLength(0)
    expect(await outcome(await harness.post(call('free')))).toBe('passed')
  })
})

describe('a condition about the past', () => {
  it('sees what was sent before, and is taken in the stricter way while nobody knows', async () => {
    const counters = createMemoryCounters()
    const harness = aHarness({ policy, counters })
    expect(await outcome(await harness.post(call('drop')))).toBe('passed')
    expect(await outcome(await harness.post(call('drop')))).toMatchObject({ status: 'denied' })
    counters.entries = []
    counters.isAway = true
    expect(await outcome(await harness.post(call('drop')))).toMatchObject({ status: 'denied' })
  })
})

describe('what the past of a call decides', () => {
  const guarded = readPolicy(
    'guarded.yaml',
    `version: 1
default: deny
rules:
  - name: the third deletion within an hour is looked at
    tools: delete_file
    when: { history: { tools: delete_file, window: 3600 }, gte: 2 }
    action: require_approval
  - { tools: delete_file, when: { history: { tools: delete_file, window: 3600 }, lt: 2 }, action: allow }
`,
  )
  if (!guarded.ok) throw new Error('the policy of this test does not load')

  it('counts one after the other as they come', async () => {
    const harness = aHarness({ policy: guarded.value })
    for (let id = 1; id <= 3; id++) await harness.post(call('delete_file', { arguments: { id } }, id))
    expect([harness.exchanges.length, harness.asked.length]).toEqual([2, 1])
  })

  it('is not gone around by calling ten times at once, on two gateways', async () => {
    const memory = createMemoryCounters()
    // All of them look before any of them counts.
    let looked = 0
    let go = () => {}
    const allLooked = new Promise<void>((resolve) => {
      go = resolve
    })
    const counters: Counters = {
      ...memory,
      async read(tallies) {
        const sums = await memory.read(tallies)
        if (++looked === 10) go()
        if (looked <= 10) await allLooked
        return sums
      },
    }
    const gateways = [1, 2].map(() => aHarness({ policy: guarded.value, counters }))
    await Promise.all(
      gateways.flatMap(({ post }, gateway) =>
        [1, 2, 3, 4, 5].map((id) => post(call('delete_file', { arguments: { id, gateway } }, id))),
      ),
    )
    const sent = gateways.flatMap(({ exchanges }) => exchanges).length
    expect(sent).toBeLessThanOrEqual(2)
    expect(gateways.flatMap(({ asked }) => asked)).toHaveLength(10 - sent)
    // What was not sent is not counted.
    expect(memory.entries).toHaveLength(sent)
  })
})
