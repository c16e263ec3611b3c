/** One critical call from asking to outcome, on the real services. */

import { describe, expect, test } from 'vitest'
import type { Settled } from '../../src/domain/approval.ts'
import { unknownSend } from '../../src/domain/evidence.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { UpstreamSession } from '../../src/ports/upstream-session.ts'
import { keepWaitersTrue } from '../../src/services/watch.ts'
import { mina, owner } from '../support/builders.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

async function paused(world: World, options: Parameters<typeof aGateway>[1] = {}) {
  const gateway = await aGateway(world, options)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  return { gateway, id: asked.value.approval.id }
}

async function outcomeOf(world: World, id: Settled['id']) {
  const reading = await world.ledger.get(id)
  return reading?.approval.status === 'settled' ? reading.approval.outcome.kind : reading?.approval.status
}

test('an approved call is sent once, with the bytes that were shown, and every waiter gets its answer', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = Array.from({ length: 20 }, () => gateway.hold(id))
  expect(await gateway.decide(id)).toMatchObject({ ok: true })
  for (const awaited of await Promise.all(held)) {
    expect(awaited).toMatchObject({ kind: 'settled', replyText: '{"content":[]}' })
  }
  expect(world.upstream.sent).toMatchObject([
    {
      approvalId: id,
      canonicalParams: '{"arguments":{"name":"acme/shop"},"name":"delete_repository"}',
      idempotencyKey: null,
    },
  ])
})

test('who was slow to ask gets the outcome that the same call had elsewhere meanwhile, and nobody is asked anew', async () => {
  const world = aWorld()
  const gateway = await aGateway(world)
  let isDescribed = () => {}
  const described = new Promise<void>((done) => (isDescribed = done))
  const slow = gateway.ask(
    {},
    {
      ...world.upstream,
      async describe() {
        await described
        return world.upstream.described
      },
    },
  )
  const { id } = await paused(world)
  const held = gateway.hold(id)
  await gateway.decide(id)
  await held
  isDescribed()
  expect(await slow).toMatchObject({ ok: true, value: { kind: 'outcome', approval: { id } } })
})

describe('who stood still between the look and the record, while the same call had its whole life elsewhere,', () => {
  /** One request that stops right before its record, until `meanwhile` is over. */
  async function stopped(meanwhile: (world: World) => Promise<void>) {
    const world = aWorld()
    const gateway = await aGateway(world)
    const { create } = world.ledger
    world.ledger.create = async (proposal) => {
      world.ledger.create = create
      await meanwhile(world)
      return create(proposal)
    }
    const answer = await gateway.ask()
    const open = await world.ledger.list({ statuses: ['pending'], principal: null, limit: 10, after: null })
    return { answer, open }
  }

  test('gets its outcome, and nobody is asked anew', async () => {
    const { answer, open } = await stopped(async (world) => {
      const { gateway, id } = await paused(world)
      const held = gateway.hold(id)
      await gateway.decide(id)
      await held
    })
    expect(answer).toMatchObject({
      ok: true,
      value: { kind: 'outcome', approval: { outcome: { kind: 'answered' } } },
    })
    expect(open).toEqual([])
  })

  test('hears the no that it got there, also under another idempotency key', async () => {
    const { answer, open } = await stopped(async (world) => {
      const gateway = await aGateway(world)
      const asked = await gateway.ask({ idempotencyKey: 'another' })
      if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
      await gateway.decide(asked.value.approval.id, 'reject')
    })
    expect(answer).toMatchObject({ error: { reason: 'cool_down' } })
    expect(open).toEqual([])
  })

  test('is refused when that goes on and on', async () => {
    const world = aWorld()
    const gateway = await aGateway(world)
    let tries = 0
    world.ledger.create = async () => {
      tries++
      return { kind: 'moved_on' }
    }
    expect(await gateway.ask()).toMatchObject({ error: { reason: 'moved_on' } })
    expect(tries).toBe(5)
  })
})

test('a rejected call is never sent, and asking again is refused for the cool-down', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = gateway.hold(id)
  await gateway.decide(id, 'reject')
  expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'rejected' } } })
  expect(await gateway.ask()).toMatchObject({ ok: false, error: { reason: 'cool_down' } })
  world.ledger.advance(defaultTimings.coolDownMs)
  await world.ledger.markDelivered(id)
  world.ledger.advance(defaultTimings.replayMs)
  expect(await gateway.ask()).toMatchObject({ ok: true, value: { kind: 'waiting', isNew: true } })
  expect(world.upstream.sent).toEqual([])
})

test('time-out rejects and never approves; a click that comes after it changes nothing', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = gateway.hold(id)
  await gateway.attend(id)
  expect(await outcomeOf(world, id)).toBe('pending')
  world.ledger.advance(defaultTimings.decisionMs)
  expect(await gateway.decide(id)).toMatchObject({ ok: false, error: { refusal: { reason: 'too_late' } } })
  await gateway.attend(id)
  expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'expired' } } })
  expect(await gateway.decide(id)).toMatchObject({
    ok: false,
    error: { refusal: { reason: 'wrong_status' } },
  })
  expect(world.upstream.sent).toEqual([])
})

test('without a waiter an approved call stays, runs when the agent returns, and lapses when it does not', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  await gateway.decide(id)
  await gateway.resume(id)
  expect(await outcomeOf(world, id)).toBe('approved')
  expect(await gateway.ask()).toMatchObject({ ok: true, value: { kind: 'waiting', isNew: false } })
  expect(await gateway.hold(id)).toMatchObject({
    kind: 'settled',
    approval: { outcome: { kind: 'answered' } },
  })

  const second = await gateway.ask({ arguments: { name: 'other' } })
  if (!second.ok || second.value.kind !== 'waiting') throw new Error('not paused')
  const lapsing = second.value.approval.id
  await gateway.decide(lapsing)
  world.ledger.advance(defaultTimings.startByMs)
  await gateway.attend(lapsing)
  expect(await outcomeOf(world, lapsing)).toBe('lapsed')
  expect(world.upstream.sent).toHaveLength(1)
})

test('a requester that leaves ends its request, not its approval', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const leaving = new AbortController()
  const held = gateway.hold(id, 5_000, leaving.signal)
  leaving.abort()
  expect(await held).toEqual({ kind: 'left' })
  expect(await outcomeOf(world, id)).toBe('pending')
  expect(await world.ledger.waitingNodes(id)).toEqual([])
})

test('a requester that leaves while its call runs does not stop it; the repeat gets the result', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const leaving = new AbortController()
  let finish = () => {}
  world.upstream.answer = async () => {
    leaving.abort()
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    return { kind: 'answered', reply: { kind: 'result', text: '"done"', isError: false } }
  }
  const held = gateway.hold(id, 5_000, leaving.signal)
  await gateway.decide(id)
  expect(await held).toEqual({ kind: 'left' })
  const again = gateway.hold(id)
  finish()
  expect(await again).toMatchObject({ kind: 'settled', replyText: '"done"' })
  expect(world.upstream.sent).toHaveLength(1)
})

test('at the end of the hold the request is told to come back, and the approval goes on', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  expect(await gateway.hold(id, 10)).toMatchObject({ kind: 'still_waiting', approval: { status: 'pending' } })
  expect(await outcomeOf(world, id)).toBe('pending')
})

test('a stopping gateway lets its held requests go and starts nothing new', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = gateway.hold(id)
  gateway.stop.abort()
  expect(await held).toMatchObject({ kind: 'still_waiting' })
  await gateway.decide(id)
  expect(await gateway.hold(id)).toMatchObject({ kind: 'still_waiting', approval: { status: 'approved' } })
  expect(world.upstream.sent).toEqual([])
})

test.each([
  [
    'the upstream changed the tool',
    async (world: World) => {
      world.upstream.described = {
        kind: 'listed',
        definition: { digest: 'e'.repeat(64), title: null, description: null },
      }
    },
  ],
  [
    'the upstream dropped the tool',
    async (world: World) => {
      world.upstream.described = { kind: 'unlisted' }
    },
  ],
  [
    'the approvers changed',
    async (world: World) => {
      const approvers = { groups: ['security'], people: [], selfConfirm: false }
      await world.putInForce('default: require_approval', approvers)
    },
  ],
  [
    'the policy forbids it now',
    async (world: World) => {
      await world.putInForce("hide: ['*']")
    },
  ],
])('when %s between decision and send, the approval is void and nothing is sent', async (_what, change) => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  await gateway.decide(id)
  await change(world)
  void gateway.hold(id, 1_000)
  await expect.poll(() => outcomeOf(world, id)).toBe('invalidated')
  expect(world.upstream.sent).toEqual([])
})

test('an upstream that is away is tried again until the yes is too old, then the call is certainly not sent', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  world.upstream.described = { kind: 'unavailable', reason: 'connection refused' }
  await gateway.decide(id)
  expect(await gateway.hold(id, 50)).toMatchObject({
    kind: 'still_waiting',
    approval: { status: 'approved' },
  })
  world.ledger.advance(defaultTimings.startByMs)
  await gateway.attend(id)
  const reading = await world.ledger.get(id)
  expect(reading?.approval).toMatchObject({ outcome: { kind: 'not_sent', reason: 'connection refused' } })
  expect(world.upstream.sent).toEqual([])
})

test('when nobody can know, nobody says "failed", and the same call is refused until a person has looked', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  world.upstream.answer = async () => ({
    kind: 'indeterminate',
    reason: 'connection reset',
    trace: unknownSend,
  })
  const held = gateway.hold(id)
  await gateway.decide(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  await world.ledger.markDelivered(id)
  world.ledger.advance(defaultTimings.keepOutcomeMs * 10)
  expect(await gateway.ask()).toMatchObject({ ok: false, error: { reason: 'unresolved' } })
  const annotated = await gateway.people.annotate({
    id,
    person: mina,
    finding: 'did_not_happen',
    note: 'looked',
  })
  expect(annotated).toMatchObject({ ok: true })
  expect(await gateway.ask()).toMatchObject({ ok: true, value: { isNew: true } })
  expect(world.upstream.sent).toHaveLength(1)
})

test('a gateway that dies after its claim leaves "nobody knows"; its late answer is evidence, not a transition', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  let finish = () => {}
  const started = new Promise<void>((resolve) => {
    world.upstream.answer = async () => {
      resolve()
      await new Promise<void>((done) => {
        finish = done
      })
      return { kind: 'answered', reply: { kind: 'result', text: '"late"', isError: false } }
    }
  })
  const held = gateway.hold(id)
  await gateway.decide(id)
  await started
  const other = await aGateway(world, { node: 'gateway-2' })
  await other.attend(id)
  expect(await outcomeOf(world, id)).toBe('executing')
  world.ledger.advance(defaultTimings.nodeLeaseMs)
  expect(await world.ledger.due(10)).toContain(id)
  await other.attend(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  finish()
  await gateway.resume.drained()
  expect(await outcomeOf(world, id)).toBe('indeterminate')
  expect(world.ledger.evidence(id)).toEqual(['"late"'])
})

test('of two gateways only the one of the oldest live waiter sends', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const other = await aGateway(world, { node: 'gateway-2' })
  const otherSession = { ...world.upstream, send: async () => Promise.reject(new Error('must not send')) }
  const first = gateway.hold(id)
  await expect.poll(() => world.ledger.waitingNodes(id)).toEqual(['gateway-1'])
  const second = other.hold(id, 5_000, new AbortController().signal, otherSession)
  await gateway.decide(id)
  for (const awaited of await Promise.all([first, second])) expect(awaited).toMatchObject({ kind: 'settled' })
  expect(world.upstream.sent).toHaveLength(1)
})

test('when the gateway of the oldest waiter is dead, the next one sends', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  await world.ledger.addWaiter(id, 'gateway-dead')
  await world.ledger.renewLease('gateway-dead', 1_000)
  await gateway.decide(id)
  const held = gateway.hold(id)
  await gateway.resume(id)
  expect(world.upstream.sent).toHaveLength(0)
  world.ledger.advance(1_000)
  expect(await held).toMatchObject({ kind: 'settled' })
  expect(world.upstream.sent).toHaveLength(1)
})

test('neither the owner of the agent nor a stranger decides', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  expect(await gateway.decide(id, 'approve', owner)).toMatchObject({
    error: { because: { reason: 'own_call' } },
  })
  const stranger = { id: 'kim', name: 'Kim', groups: ['sales'] }
  expect(await gateway.decide(id, 'approve', stranger)).toMatchObject({
    error: { because: { reason: 'not_an_approver' } },
  })
  expect(await gateway.people.cancel({ id, person: owner, reason: 'mine, and wrong' })).toMatchObject({
    ok: true,
  })
  expect(await outcomeOf(world, id)).toBe('cancelled')
})

test('where the rule says so the owner confirms, and it is never called an approval', async () => {
  const world = aWorld()
  await world.putInForce('default: require_approval', { groups: ['ops'], people: [], selfConfirm: true })
  const { gateway, id } = await paused(world)
  expect(await gateway.decide(id, 'approve', owner)).toMatchObject({
    value: { decision: { kind: 'confirm' } },
  })
})

test('an idempotency key makes a new call of the same one, and belongs to one call only', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const fresh = await gateway.ask({ idempotencyKey: 'k1' })
  expect(fresh).toMatchObject({ ok: true, value: { isNew: true } })
  if (fresh.ok) expect(fresh.value.approval.id).not.toBe(id)
  expect(await gateway.ask({ idempotencyKey: 'k1', arguments: { name: 'other' } })).toMatchObject({
    error: { reason: 'idempotency_key_reused' },
  })
})

describe('a sibling under another idempotency key that ends later hides', () => {
  async function siblings() {
    const world = aWorld()
    const gateway = await aGateway(world)
    const ask = async (idempotencyKey: string) => {
      const asked = await gateway.ask({ idempotencyKey })
      if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(`${idempotencyKey} should wait`)
      return asked.value.approval.id
    }
    const [first, second] = [await ask('k1'), await ask('k2')]
    async function withdrawSecond(): Promise<void> {
      world.ledger.advance(1_000)
      const done = await gateway.people.cancel({ id: second, person: owner, reason: null })
      expect(done.ok).toBe(true)
    }
    return { world, gateway, first, withdrawSecond }
  }

  test('no rejection', async () => {
    const { world, gateway, first, withdrawSecond } = await siblings()
    await gateway.decide(first, 'reject')
    await withdrawSecond()
    expect(await gateway.ask({ idempotencyKey: 'k3' })).toMatchObject({
      error: { reason: 'cool_down', approval: { id: first }, untilMs: 1_000_000 + defaultTimings.coolDownMs },
    })
    world.ledger.advance(defaultTimings.coolDownMs)
    expect(await gateway.ask({ idempotencyKey: 'k4' })).toMatchObject({ ok: true, value: { isNew: true } })
  })

  test('no end that nobody knows, until a person has looked', async () => {
    const { world, gateway, first, withdrawSecond } = await siblings()
    world.upstream.answer = async () => ({ kind: 'indeterminate', reason: 'reset', trace: unknownSend })
    const held = gateway.hold(first)
    await gateway.decide(first)
    await held
    await withdrawSecond()
    expect(await gateway.ask({ idempotencyKey: 'k3' })).toMatchObject({
      error: { reason: 'unresolved', approval: { id: first } },
    })
    await gateway.people.annotate({ id: first, person: mina, finding: 'did_not_happen', note: null })
    expect(await gateway.ask({ idempotencyKey: 'k4' })).toMatchObject({ ok: true, value: { isNew: true } })
  })
})

test('a ledger that is briefly away after the send does not lose the answer', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const { save } = world.ledger
  let failures = 3
  world.ledger.save = async (change) => {
    if (change.next.status === 'settled' && failures-- > 0) throw new Error('connection terminated')
    return save(change)
  }
  const held = gateway.hold(id)
  await gateway.decide(id)
  expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
  expect(world.upstream.sent).toHaveLength(1)
})

test('a call whose only requester left during the pre-flight is not run', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const leaving = new AbortController()
  const slow: UpstreamSession = {
    ...world.upstream,
    async describe() {
      leaving.abort()
      await new Promise((resolve) => setTimeout(resolve, 20))
      return world.upstream.described
    },
  }
  const held = gateway.hold(id, 5_000, leaving.signal, slow)
  await gateway.decide(id)
  expect(await held).toEqual({ kind: 'left' })
  await gateway.resume.drained()
  expect(await outcomeOf(world, id)).toBe('approved')
  expect(world.upstream.sent).toEqual([])
})

test('a gateway that may be taken for dead claims nothing, and goes on once it is known to live', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world, { timings: { nodeLeaseMs: 600 } })
  // Past what this gateway knows of its lease; the ledger has not noticed yet.
  await new Promise((resolve) => setTimeout(resolve, 150))
  const held = gateway.hold(id, 200)
  await gateway.decide(id)
  expect(await held).toMatchObject({ kind: 'still_waiting', approval: { status: 'approved' } })
  expect(world.upstream.sent).toEqual([])
})

test('a gateway that stood still after its claim does not send, although it has a new lease', async () => {
  const world = aWorld()
  const nodeLeaseMs = 60_000
  const { gateway, id } = await paused(world, { timings: { nodeLeaseMs } })
  const asked: boolean[] = []
  world.upstream.answer = async ({ mayStillStart }) => {
    asked.push(mayStillStart())
    // The lease it had is over by now, and then there is another one.
    gateway.lease.renewed(performance.now() - nodeLeaseMs)
    gateway.lease.renewed(performance.now())
    asked.push(mayStillStart())
    return { kind: 'not_sent', reason: 'stood still' }
  }
  gateway.lease.renewed(performance.now())
  const held = gateway.hold(id)
  await gateway.decide(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'not_sent' } } })
  expect(asked).toEqual([true, false])
})

test.each([
  ['a fresh idempotency key', { idempotencyKey: 'another' }],
  ['the other era', { era: 'modern' as const }],
])('%s does not get around a no', async (_what, change) => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  await gateway.decide(id, 'reject')
  expect(await gateway.ask(change)).toMatchObject({ ok: false, error: { reason: 'cool_down' } })
})

test('a no that comes while the upstream is asked holds for the repeat that asked it', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const slow: UpstreamSession = {
    ...world.upstream,
    async describe() {
      await gateway.decide(id, 'reject')
      return world.upstream.described
    },
  }
  expect(await gateway.ask({ idempotencyKey: 'k9' }, slow)).toMatchObject({ error: { reason: 'cool_down' } })
})

test('metadata that is sent makes another call of it', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const params = canonicalParams('delete_repository', { name: 'acme/shop' }, { 'com.corp/dry-run': true })
  const other = await gateway.ask({ canonicalParams: params })
  expect(other).toMatchObject({ ok: true, value: { isNew: true } })
  if (other.ok) expect(other.value.approval.id).not.toBe(id)
})

test('an agent whose name moved to another owner is another agent', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = gateway.hold(id)
  await gateway.decide(id)
  await held
  const moved = await gateway.ask({ principal: { name: 'night-agent', owner: 'ann' } })
  expect(moved).toMatchObject({ ok: true, value: { kind: 'waiting', isNew: true } })
})

test('a waiter that could not be removed is not waited for', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const { removeWaiter } = world.ledger
  world.ledger.removeWaiter = async () => {
    throw new Error('connection terminated')
  }
  const leaving = new AbortController()
  const left = gateway.hold(id, 5_000, leaving.signal)
  await expect.poll(() => world.ledger.waitingNodes(id)).toEqual(['gateway-1'])
  leaving.abort()
  await left
  world.ledger.removeWaiter = removeWaiter
  expect(await world.ledger.waitingNodes(id)).toEqual(['gateway-1'])
  world.ledger.advance(15_000)
  await world.ledger.renewLease('gateway-1', 10_000)
  await world.ledger.keepWaiters('gateway-1', gateway.waiters.rows())
  expect(await world.ledger.waitingNodes(id)).toEqual([])
})

test('a client that is still held is a waiter again after its gateway was taken for dead, and its call runs', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const held = gateway.hold(id, 60_000)
  await expect.poll(() => world.ledger.waitingNodes(id)).toEqual(['gateway-1'])
  world.ledger.advance(2 * 60 * 60_000)
  await world.ledger.renewLease('gateway-2', 10_000)
  await world.ledger.renewLease('gateway-1', 10_000)
  expect(await world.ledger.waitingNodes(id)).toEqual([])
  const stop = new AbortController()
  const keeping = keepWaitersTrue({
    ...{ ledger: world.ledger, node: 'gateway-1', waiters: gateway.waiters, clock, log: silentLog },
    timings: { ...defaultTimings, loopMs: 5 },
    stopping: stop.signal,
  })
  await expect.poll(() => world.ledger.waitingNodes(id), { timeout: 10_000 }).toEqual(['gateway-1'])
  await gateway.decide(id)
  expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
  stop.abort()
  await keeping
})

test('an outcome is pressed on a ledger that is away for a long time', async () => {
  const world = aWorld()
  const { gateway, id } = await paused(world)
  const { save } = world.ledger
  let isAway = false
  world.ledger.save = async (change) => {
    if (isAway) throw new Error('connection terminated')
    return save(change)
  }
  world.upstream.answer = async () => {
    isAway = true
    return { kind: 'answered', reply: { kind: 'result', text: '"done"', isError: false } }
  }
  const held = gateway.hold(id)
  await gateway.decide(id)
  await expect.poll(() => world.upstream.sent.length).toBe(1)
  // Others have given it up by then; what the upstream said is kept all the same.
  world.ledger.advance(defaultTimings.nodeLeaseMs)
  isAway = false
  await (await aGateway(world, { node: 'gateway-2' })).attend(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  await gateway.resume.drained()
  expect(world.ledger.evidence(id)).toEqual(['"done"'])
})
