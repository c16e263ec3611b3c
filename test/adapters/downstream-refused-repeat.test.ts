/** The repeat of a call that was let through before and would be refused now: it follows that call, and is not told "not executed". */
import { describe, expect, it } from 'vitest'
import type { Policy } from '../../src/domain/policy.ts'
import { everything, type Stop } from '../../src/domain/stop.ts'
import { readPolicy } from '../../src/files/policy-file.ts'
import { LedgerAway, NewerForm } from '../../src/ports/ledger-faults.ts'
import type { Sent } from '../../src/ports/upstream-session.ts'
import { anApproval, aPolicy, approvers } from '../support/builders.ts'
import { createMemoryCounters } from '../support/memory-counters.ts'
import { aWorld } from '../support/world.ts'
import { aHarness, call, modernHeaders } from './downstream-harness.ts'
import { aLadder, sentTimes, tasksMeta } from './downstream-ladder.ts'

const name = 'delete_repository'
const stop: Stop = {
  ...{ number: 7, scope: everything, reason: 'it runs wild', by: 'mina' },
  ...{ atMs: Date.UTC(2026, 7, 1, 9), lifted: null },
}

interface Refusing {
  stop: Stop | null
  policy: Policy | null
}

/** What makes the gate refuse, and how it says so. */
const refusals: readonly { readonly by: string; readonly now: Refusing; readonly says: RegExp }[] = [
  { by: 'a stop', now: { stop, policy: aPolicy() }, says: /STOPPED by mina/ },
  {
    by: 'a rule',
    now: { stop: null, policy: aPolicy({ [name]: 'deny' }) },
    says: /The policy of .*github.* forbids/,
  },
  {
    by: 'hiding',
    now: { stop: null, policy: { ...aPolicy(), hidden: new Set([name]) } },
    says: /Unknown tool/,
  },
  { by: 'a policy that cannot be read', now: { stop: null, policy: null }, says: /cannot be read by this/ },
]

/** A gateway at which calls are asked about, until the test says otherwise. */
async function aGate(timings: { replayMs?: number; holdMs?: number } = {}) {
  const refusing: Refusing = { stop: null, policy: aPolicy() }
  const world = aWorld()
  let reply: (sent: Sent) => void = () => {}
  world.upstream.answer = () =>
    new Promise((resolve) => {
      reply = resolve
    })
  const ladder = await aLadder(world, {
    // Longer than any machine stands still while this runs.
    timings: { nodeLeaseMs: 3_600_000, ...timings },
    stops: { over: () => refusing.stop },
    rules: {
      of: () => (refusing.policy === null ? null : { policy: refusing.policy, approvers, revision: 1 }),
    },
  })
  const repeat = async () => (await ladder.post(call(name))).text()
  return {
    ...ladder,
    repeat,
    refuse: (now: Refusing) => Object.assign(refusing, now),
    answer: (text = '{"content":[{"type":"text","text":"deleted"}]}') =>
      reply({ kind: 'answered', reply: { kind: 'result', text, isError: false } }),
    lose: () => reply({ kind: 'indeterminate', reason: 'read ECONNRESET', trace: unknown }),
    /** A call that was approved and is being sent; its client has gone. */
    async beingSent() {
      await repeat()
      const id = await ladder.pendingId()
      await ladder.gateway.decide(id)
      const leaving = new AbortController()
      const held = ladder.gateway.hold(id, 60_000, leaving.signal)
      await sentTimes(world, 1)
      leaving.abort()
      await held
      return id
    },
  }
}
const unknown = { progress: 'unknown', httpStatus: null, error: null } as const

describe.each(refusals)('under $by', ({ now, says }) => {
  it('the repeat of a call that is being sent follows it to its real answer, and nothing is sent again', async () => {
    const gate = await aGate()
    await gate.beingSent()
    gate.refuse(now)
    const repeated = gate.repeat()
    await expect.poll(() => gate.gateway.waiters.count()).toBe(1)
    gate.answer()
    const text = await repeated
    expect(text).toContain('deleted')
    expect(text).not.toMatch(/NOT EXECUTED/)
    expect(gate.world.upstream.sent).toHaveLength(1)
  })

  it('so does who comes when it has been sent and answered, and who comes when nobody knows how it ended', async () => {
    const answered = await aGate()
    await answered.beingSent()
    answered.answer()
    await answered.gateway.resume.drained()
    answered.refuse(now)
    expect(await answered.repeat()).toContain('deleted')

    const lost = await aGate()
    const id = await lost.beingSent()
    lost.lose()
    await lost.gateway.resume.drained()
    lost.refuse(now)
    const text = await lost.repeat()
    expect(text).toContain(`MAY OR MAY NOT have been executed (ticket ${id})`)
    expect(text).not.toMatch(/NOT EXECUTED/)
    expect(lost.world.upstream.sent).toHaveLength(1)
  })

  it('what was collected, or never asked for, is refused as before', async () => {
    const gate = await aGate({ replayMs: 0 })
    gate.refuse(now)
    expect(await gate.repeat()).toMatch(says)
    gate.refuse({ stop: null, policy: aPolicy() })
    await gate.beingSent()
    gate.answer()
    await gate.gateway.resume.drained()
    expect(await gate.repeat()).toContain('deleted')
    gate.refuse(now)
    await expect.poll(gate.repeat).toMatch(says)
    expect(gate.world.upstream.sent).toHaveLength(1)
  })
})

describe('a repeat under a stop', () => {
  it('of a call that waits is told how that one ended, which the stop has cancelled', async () => {
    const gate = await aGate({ holdMs: 600_000 })
    const first = gate.repeat()
    await expect.poll(() => gate.gateway.waiters.count()).toBe(1)
    await gate.world.ledger.stops.put({ scope: everything, reason: 'it runs wild', by: 'mina' })
    gate.refuse({ stop, policy: aPolicy() })
    const repeated = gate.repeat()
    await expect.poll(() => gate.gateway.waiters.count()).toBe(2)
    await gate.gateway.cancelStopped()
    const id = await gate.pendingId()
    for (const told of [first, repeated])
      expect(await told).toContain(`NOT EXECUTED. Ticket ${id} was withdrawn by mina`)
    expect(gate.world.upstream.sent).toHaveLength(0)
  })

  it('of a call that was approved does not let it run', async () => {
    const gate = await aGate()
    await gate.repeat()
    const id = await gate.pendingId()
    await gate.gateway.decide(id)
    await gate.world.ledger.stops.put({ scope: everything, reason: 'it runs wild', by: 'mina' })
    gate.refuse({ stop, policy: aPolicy() })
    await gate.repeat()
    const outcomeNow = async () => {
      const approval = (await gate.world.ledger.get(id))?.approval
      return approval?.status === 'settled' ? approval.outcome : null
    }
    await expect.poll(outcomeNow).toMatchObject({ kind: 'cancelled', by: 'mina' })
    expect(gate.world.upstream.sent).toHaveLength(0)
  })

  it('as a task is the task of the call that is being sent', async () => {
    const gate = await aGate()
    const ask = async () =>
      Object(
        await (
          await gate.post(call(name, { arguments: {}, _meta: tasksMeta }), modernHeaders('tools/call', name))
        ).json(),
      )
    const first = await ask()
    const id = await gate.pendingId()
    await gate.gateway.decide(id)
    await sentTimes(gate.world, 1)
    gate.refuse({ stop, policy: aPolicy() })
    const second = await ask()
    expect(second.result).toMatchObject({ resultType: 'task', taskId: first.result.taskId })
    gate.answer()
    await gate.gateway.resume.drained()
  })

  it('of somebody else, or of another call, is refused', async () => {
    const gate = await aGate()
    await gate.beingSent()
    gate.refuse({ stop, policy: aPolicy() })
    const other = await gate.legacy('tools/call', { name, arguments: {} }, { authorization: 'Bearer other' })
    expect(other.result.content[0].text).toMatch(/^NOT EXECUTED\. STOPPED/)
    const another = await gate.legacy('tools/call', { name, arguments: { repository: 'x' } })
    expect(another.result.content[0].text).toMatch(/^NOT EXECUTED\. STOPPED/)
    gate.answer()
    await gate.gateway.resume.drained()
  })
})

describe('while the ledger does not answer', () => {
  const findEarlier = async () => {
    throw new LedgerAway('it does not answer')
  }

  it('a refusal says of itself only what is known', async () => {
    const stopped = aHarness({ stops: { over: () => stop }, findEarlier })
    const denied = aHarness({ policy: aPolicy({ [name]: 'deny' }), findEarlier })
    for (const [harness, says] of [
      [stopped, /STOPPED by mina/],
      [denied, /forbids delete_repository/],
    ] as const) {
      const text = await (await harness.post(call(name))).text()
      expect(text).toMatch(says)
      expect(text).toContain('whether an earlier one of the same call did, cannot be looked up now')
      expect(text).not.toMatch(/NOT EXECUTED/)
    }
  })

  it('an allowed call passes, and nothing was looked up', async () => {
    const harness = aHarness({ findEarlier })
    expect((await harness.post(call('ping_tool'))).status).toBe(200)
    expect(harness.exchanges).toHaveLength(1)
    expect(harness.logged.filter((line) => line.includes('looked up'))).toEqual([])
  })

  it('limits that cannot be counted leave open what an earlier call did', async () => {
    const counters = createMemoryCounters()
    counters.isAway = true
    const read = readPolicy(
      'p.yaml',
      `tools: { search: { action: allow, rate_limit: { max: 2, window: 60 } } }`,
    )
    if (!read.ok) throw new Error('the policy does not load')
    const refused = await aHarness({ policy: read.value, counters, findEarlier }).post(call('search'))
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('This request executed nothing; whether an earlier one')
  })
})

it('a call that a newer version let through is left to it', async () => {
  const harness = aHarness({
    policy: aPolicy({ [name]: 'deny' }),
    async findEarlier() {
      const { id, asked } = anApproval().approval
      throw new NewerForm({ id, form: 9, server: asked.server, requester: asked.requester })
    },
  })
  const text = await (await harness.post(call(name))).text()
  expect(text).toContain('written by a newer Holdpoint')
  expect(text).not.toMatch(/NOT EXECUTED/)
})
