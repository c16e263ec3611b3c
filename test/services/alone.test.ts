/** `on_client_gone: execute`: an approved call runs without its requester, at most once, and the outcome waits for pick-up. */
import { describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { type ApprovalId, parseApprovalId } from '../../src/domain/approval-id.ts'
import { present } from '../../src/domain/present.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { keepRunningAlone } from '../../src/services/watch.ts'
import { mina } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

async function asked(onClientGone: 'wait' | 'execute' = 'execute') {
  const world = aWorld()
  await world.putInForce(
    `rules: [{ tools: "*", action: require_approval, approval: { on_client_gone: ${onClientGone} } }]`,
  )
  const gateway = await aGateway(world)
  const made = await gateway.ask()
  if (!made.ok || made.value.kind !== 'waiting') throw new Error(JSON.stringify(made))
  const { id } = made.value.approval
  return { world, gateway, id, now: async () => (await world.ledger.get(id))?.approval }
}
const kindOf = (approval: Approval | undefined) =>
  approval?.status === 'settled' ? approval.outcome.kind : approval?.status

describe('with the rule', () => {
  test('it runs with nobody there, once, on a session of its own; who returns gets the outcome', async () => {
    const { world, gateway, id, now } = await asked()
    await gateway.decide(id)
    await gateway.resume(id)
    await gateway.resume(id)
    expect(kindOf(await now())).toBe('answered')
    expect(world.upstream.sent).toHaveLength(1)
    expect(world.closed).toEqual([id])
    expect(await gateway.hold(id)).toMatchObject({ kind: 'settled', replyText: '{"content":[]}' })
  })

  test('of three gateways one runs it', async () => {
    const { world, gateway, id } = await asked()
    const others = [
      await aGateway(world, { node: 'gateway-2' }),
      await aGateway(world, { node: 'gateway-3' }),
    ]
    await gateway.decide(id)
    await Promise.all([gateway, ...others].map(({ resume }) => resume(id)))
    expect(world.upstream.sent).toHaveLength(1)
    expect(world.ledger.claims).toEqual([id])
  })

  test('somebody who waits has it on their own session', async () => {
    const { world, gateway, id } = await asked()
    const held = gateway.hold(id)
    await gateway.decide(id)
    await held
    expect(world.upstream.sent).toHaveLength(1)
    expect(world.closed).toEqual([])
  })

  test('withdrawing it still works, and an old yes still lapses', async () => {
    const withdrawn = await asked()
    await withdrawn.gateway.decide(withdrawn.id)
    await withdrawn.gateway.people.cancel({ id: withdrawn.id, person: mina, reason: null })
    await withdrawn.gateway.resume(withdrawn.id)
    expect(kindOf(await withdrawn.now())).toBe('cancelled')
    expect(withdrawn.world.upstream.sent).toEqual([])

    const old = await asked()
    await old.gateway.decide(old.id)
    old.world.ledger.advance(defaultTimings.startByMs)
    await old.gateway.resume(old.id)
    await old.gateway.attend(old.id)
    expect(kindOf(await old.now())).toBe('lapsed')
    expect(old.world.upstream.sent).toEqual([])
  })

  test('an upstream that is away is tried again, also where the queue has lost the job', async () => {
    const { world, gateway, id, now } = await asked()
    const { described } = world.upstream
    world.upstream.described = { kind: 'unavailable', reason: 'connection refused' }
    await gateway.decide(id)
    await gateway.resume(id)
    expect(kindOf(await now())).toBe('approved')
    world.upstream.described = described
    const stop = new AbortController()
    const timings = { ...defaultTimings, loopMs: 5 }
    const { ledger } = world
    const ended = keepRunningAlone({
      ...{ ledger, resume: gateway.resume, clock, timings, stopping: stop.signal, log: silentLog },
    })
    await expect.poll(async () => kindOf(await now())).toBe('answered')
    stop.abort()
    await ended
    expect(world.upstream.sent).toHaveLength(1)
  })

  test('people are told so before they say yes', async () => {
    const { now } = await asked()
    const approval = await now()
    if (approval === undefined) throw new Error('it is there')
    const shown = present(approval, { nowMs: 0, isRequesterWaiting: false, startWithinMs: 0, when: String })
    expect(shown.fields.find(({ label }) => label === 'A yes now')?.text).toContain('without the agent')
  })

  test('a gateway that stops does not begin', async () => {
    const { world, gateway, id, now } = await asked()
    gateway.stop.abort()
    await gateway.decide(id)
    await gateway.resume(id)
    expect(kindOf(await now())).toBe('approved')
    expect(world.upstream.sent).toEqual([])
  })
})

test('without the rule nothing changes: it waits for its requester', async () => {
  const { world, gateway, id, now } = await asked('wait')
  await gateway.decide(id)
  await gateway.resume(id)
  expect(kindOf(await now())).toBe('approved')
  expect(world.upstream.sent).toEqual([])
  expect(await world.ledger.runnableAlone(10, null)).toEqual([])
})

describe('what an operator says of an agent', () => {
  test.each([
    ['holds where no rule says anything', 'default: require_approval', 'execute'],
    [
      'does not go before a rule that says otherwise',
      'rules: [{ tools: "*", action: require_approval, approval: { on_client_gone: wait } }]',
      'wait',
    ],
  ] as const)('%s, and is part of what people approve', async (_what, policy, expected) => {
    const world = aWorld()
    await world.putInForce(policy)
    const gateway = await aGateway(world, { onClientGoneOf: () => 'execute' })
    const made = await gateway.ask()
    if (!made.ok) throw new Error(JSON.stringify(made))
    const { approval } = made.value
    expect(approval.asking.onClientGone).toBe(expected)
    await gateway.decide(approval.id)
    await gateway.resume(approval.id)
    expect(world.upstream.sent).toHaveLength(expected === 'execute' ? 1 : 0)
  })
})

test('calls for a server that is down do not keep the ones behind them from being looked at', async () => {
  const ids = Array.from({ length: 120 }, (_, n) => approvalId(n)).sort()
  const looked = new Set<ApprovalId>()
  const stop = new AbortController()
  await keepRunningAlone({
    // All of them stay approved.
    ledger: {
      runnableAlone: async (limit, after) => ids.filter((id) => after === null || id > after).slice(0, limit),
    },
    async resume(id) {
      looked.add(id)
      if (looked.size === ids.length) stop.abort()
    },
    clock,
    timings: { ...defaultTimings, loopMs: 1 },
    stopping: AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]),
    log: silentLog,
  })
  expect([...looked].sort()).toEqual(ids)
})

function approvalId(n: number): ApprovalId {
  const id = parseApprovalId(`HP-${String(n).padStart(10, '0')}`)
  if (!id.ok) throw new Error('it is one')
  return id.value
}
