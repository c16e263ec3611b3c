/** The kill switch: what becomes of calls that wait, are approved or are being sent when somebody pulls it. */
import { expect, test } from 'vitest'
import { everything, type StopScope } from '../../src/domain/stop.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { Stops } from '../../src/ports/stops.ts'
import { keepStopped } from '../../src/services/cancel-stopped.ts'
import { createStopChanges } from '../../src/services/stop-changes.ts'
import { createStopsInForce } from '../../src/services/stops-in-force.ts'
import { agent, mina, owner } from '../support/builders.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

async function stopped({ ledger }: World, scope: Partial<StopScope> = {}) {
  const put = await ledger.stops.put({
    ...{ scope: { ...everything, ...scope }, reason: '밤새 지웠어요', by: 'mina' },
  })
  if (put === null) throw new Error('too many')
  return put.stop
}
async function waiting(gateway: Awaited<ReturnType<typeof aGateway>>, tool = 'delete_repository') {
  const asked = await gateway.ask({ tool, arguments: { tool } })
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('nobody was asked')
  return asked.value.approval.id
}
const outcomeOf = async ({ ledger }: World, id: Awaited<ReturnType<typeof waiting>>) => {
  const approval = (await ledger.get(id))?.approval
  return approval?.status === 'settled' ? approval.outcome : approval?.status
}
const cancelled = { kind: 'cancelled', by: 'mina', reason: 'stopped: 밤새 지웠어요' }

test('a loop of whoever is alive cancels what waits, at the hint and without one, and its waiter is told', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const [first, other] = [await waiting(gateway), await waiting(gateway, 'other_tool')]
  const held = gateway.hold(first)
  const end = new AbortController()
  const loop = keepStopped({
    ...{ cancelStopped: gateway.cancelStopped, stops: world.ledger.stops, clock, log: silentLog },
    ...{ timings: { loopMs: 600_000 }, stopping: end.signal },
  })
  await stopped(world, { server: 'github', tool: 'delete_repository' })
  await expect(held).resolves.toMatchObject({ kind: 'settled', approval: { outcome: cancelled } })
  expect(await outcomeOf(world, other)).toBe('pending')
  end.abort()
  await loop

  // Nobody heard of the second one.
  await stopped(world, { agent: agent.name })
  const deaf: Pick<Stops, 'onChange'> = { onChange: () => () => {} }
  const again = new AbortController()
  const looking = keepStopped({
    ...{ cancelStopped: gateway.cancelStopped, stops: deaf, clock, log: silentLog },
    ...{ timings: { loopMs: 5 }, stopping: again.signal },
  })
  await expect.poll(() => outcomeOf(world, other)).toEqual(cancelled)
  again.abort()
  await looking
})

test('an approved call that nobody has claimed is cancelled, and never sent', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const id = await waiting(gateway)
  await gateway.decide(id)
  await stopped(world)
  // The waiter comes before any loop.
  const held = await gateway.hold(id)
  expect(held).toMatchObject({ kind: 'settled', approval: { outcome: cancelled } })
  expect(world.upstream.sent).toEqual([])
})

test('a stop between the pre-flight and the claim: nothing is sent', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const id = await waiting(gateway)
  await gateway.decide(id)
  const { upstream } = world
  const { describe } = upstream
  upstream.describe = async (tool) => {
    await stopped(world)
    return describe(tool)
  }
  const held = await gateway.hold(id)
  expect(held).toMatchObject({ kind: 'settled', approval: { outcome: cancelled } })
  expect(upstream.sent).toEqual([])
})

test('what is being sent is not called back: its real outcome is told', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const id = await waiting(gateway)
  await gateway.decide(id)
  const { upstream } = world
  const answer = upstream.answer
  upstream.answer = async (request) => {
    await stopped(world)
    await gateway.cancelStopped()
    return answer(request)
  }
  const held = await gateway.hold(id)
  expect(held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
})

test('a yes to a stopped call is refused with how it ended, also while nobody else has cancelled it', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const id = await waiting(gateway)
  await stopped(world, { agent: agent.name, owner: agent.owner })
  const decided = await gateway.decide(id)
  expect(decided).toMatchObject({
    ok: false,
    error: { reason: 'refused', approval: { status: 'settled', outcome: cancelled } },
  })
})

test('a call that comes after the stop was lifted is asked about as before', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const { number } = await stopped(world)
  await world.ledger.stops.lift(number, 'mina')
  const id = await waiting(gateway)
  expect(await gateway.cancelStopped()).toEqual({ cancelled: 0, isMore: false })
  await gateway.decide(id)
  expect(await gateway.hold(id)).toMatchObject({ approval: { outcome: { kind: 'answered' } } })
})

test('one record that cannot be changed does not keep the others waiting', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const [broken, fine] = [await waiting(gateway), await waiting(gateway, 'other_tool')]
  const { save } = world.ledger
  world.ledger.save = async (change) => {
    if (change.previous.id === broken) throw new Error('cannot be written')
    return save(change)
  }
  await stopped(world)
  expect(await gateway.cancelStopped()).toMatchObject({ cancelled: 1 })
  expect(await outcomeOf(world, fine)).toEqual(cancelled)
})

test('the memory is read again at the hint, keeps the last known while the ledger is away, and forgets what is lifted', async () => {
  const world = aWorld()
  const { stops } = world.ledger
  let isAway = false
  const brittle: Stops = {
    ...stops,
    async inForce() {
      if (isAway) throw new Error('the ledger is away')
      return stops.inForce()
    },
  }
  const inForce = createStopsInForce({ stops: brittle, clock, log: silentLog })
  const call = { server: 'github', tool: 'delete_repository', principal: agent }
  await inForce.refresh()
  expect(inForce.over(call)).toBeNull()
  const end = new AbortController()
  const keeping = inForce.keepFresh(end.signal)
  const { number } = await stopped(world, { server: 'github', tool: 'delete_repository' })
  await expect.poll(() => inForce.over(call)?.number).toBe(number)
  expect(inForce.over({ ...call, tool: null })).toBeNull()
  expect(inForce.over({ ...call, server: 'pay' })).toBeNull()
  isAway = true
  await stops.lift(number, 'mina')
  expect(inForce.over(call)?.number).toBe(number)
  isAway = false
  await expect.poll(() => inForce.all()).toEqual([])
  end.abort()
  await keeping
})

test('operators stop and lift; what was cancelled is counted; names that are not there are said', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  const inForce = createStopsInForce({ stops: world.ledger.stops, clock, log: silentLog })
  const changes = createStopChanges({
    ...{ stops: world.ledger.stops, inForce, cancelStopped: gateway.cancelStopped, log: silentLog },
    ...{
      servers: ['github'],
      isKnownAgent: (name) => name === agent.name,
      isOperator: ({ id }) => id === 'mina',
    },
  })
  await waiting(gateway)
  const scope = { ...everything, agent: agent.name }
  expect(await changes.put(scope, 'why', owner)).toEqual({ ok: false, error: { reason: 'not_an_operator' } })
  expect(await changes.put({ ...everything, server: 'githb' }, 'why', mina)).toEqual({
    ok: false,
    error: { reason: 'no_such_server', servers: ['github'] },
  })
  const put = await changes.put(scope, 'why', mina)
  expect(put).toMatchObject({ ok: true, value: { isNew: true, cancelled: 1, isKnownAgent: true } })
  expect(inForce.all()).toHaveLength(1)
  expect(await changes.put(scope, 'again', mina)).toMatchObject({
    value: { isNew: false, cancelled: 0, stop: { reason: 'why' } },
  })
  expect(await changes.put({ ...scope, agent: 'nobody' }, 'why', mina)).toMatchObject({
    value: { isKnownAgent: false },
  })
  const number = put.ok ? put.value.stop.number : 0
  expect(await changes.lift(number, owner)).toEqual({ ok: false, error: { reason: 'not_an_operator' } })
  expect(await changes.lift(number, mina)).toMatchObject({ ok: true, value: { lifted: { by: 'mina' } } })
  expect(await changes.lift(number, mina)).toMatchObject({ error: { reason: 'lifted_before' } })
  expect(await changes.lift(99, mina)).toEqual({ ok: false, error: { reason: 'no_such_stop', number: 99 } })
})
