/** A person asks again about a call whose end nobody knows: a new approval of the same call, which never runs by itself. */
import { describe, expect, test } from 'vitest'
import { unknownSend } from '../../src/domain/evidence.ts'
import { mina, owner } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

async function lost() {
  const world = aWorld()
  const gateway = await aGateway(world)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('it waits')
  const { id } = asked.value.approval
  const { answer } = world.upstream
  world.upstream.answer = async () => ({ kind: 'indeterminate', reason: 'reset', trace: unknownSend })
  const held = gateway.hold(id)
  await gateway.decide(id)
  await held
  world.upstream.answer = answer
  const again = (person = mina) => gateway.people.askAgain({ id, person, reason: null, via: 'api' })
  async function askedAgain() {
    const done = await again()
    if (!done.ok) throw new Error(JSON.stringify(done.error))
    return done.value
  }
  const now = async (ticket = id) => (await world.ledger.get(ticket))?.approval
  return { world, gateway, id, again, askedAgain, now }
}

test('the new one is pending, under a ticket and a digest of its own, and both name each other', async () => {
  const { id, askedAgain, now } = await lost()
  const successor = await askedAgain()
  const before = await now()
  expect(successor).toMatchObject({
    status: 'pending',
    version: 1,
    predecessor: { id, why: 'unknown_end' },
    asked: before?.asked,
  })
  expect(successor.proposed.canonicalParams).toBe(before?.proposed.canonicalParams)
  expect(successor.proposed.digest).not.toBe(before?.proposed.digest)
  expect(before).toMatchObject({ outcome: { kind: 'indeterminate', successor: successor.id } })
})

test('it does not run by itself, nor by the yes of before, nor without somebody there for the result', async () => {
  const { world, gateway, askedAgain, now } = await lost()
  const { id } = await askedAgain()
  await gateway.resume(id)
  await gateway.attend(id)
  expect(world.upstream.sent).toHaveLength(1)
  await gateway.decide(id)
  await gateway.resume(id)
  expect(world.upstream.sent).toHaveLength(1)
  expect(await now(id)).toMatchObject({ status: 'approved' })
  expect(await gateway.ask()).toMatchObject({
    ok: true,
    value: { kind: 'waiting', isNew: false, approval: { id } },
  })
  expect(await gateway.hold(id)).toMatchObject({
    kind: 'settled',
    approval: { outcome: { kind: 'answered' } },
  })
  expect(world.upstream.sent.map(({ approvalId }) => approvalId)).toEqual([expect.any(String), id])
})

describe('refused', () => {
  test('a second time, with the ticket of the first', async () => {
    const { gateway, again, askedAgain } = await lost()
    const successor = await askedAgain()
    expect(await again()).toMatchObject({
      error: { reason: 'not_askable', text: expect.stringContaining(successor.id) },
    })
    await gateway.decide(successor.id, 'reject')
    expect(await again()).toMatchObject({
      error: { refusal: { reason: 'asked_again', successor: successor.id } },
    })
  })

  test('where somebody has found that it happened', async () => {
    const { gateway, id, again } = await lost()
    await gateway.people.annotate({ id, person: mina, finding: 'happened', note: null })
    expect(await again()).toMatchObject({ error: { refusal: { reason: 'it_happened', by: 'mina' } } })
  })

  test('by the owner of the agent, who may not say yes to it', async () => {
    const { again } = await lost()
    expect(await again(owner)).toMatchObject({ error: { because: { reason: 'own_call' } } })
  })

  test('while the agent has asked again by itself', async () => {
    const { gateway, id, again } = await lost()
    await gateway.people.annotate({ id, person: mina, finding: 'did_not_happen', note: null })
    const asked = await gateway.ask()
    expect(asked).toMatchObject({ ok: true, value: { isNew: true } })
    expect(await again()).toMatchObject({ error: { reason: 'not_askable' } })
  })

  test('where the end is known', async () => {
    const { gateway, askedAgain } = await lost()
    const { id } = await askedAgain()
    await gateway.decide(id, 'reject')
    const done = await gateway.people.askAgain({ id, person: mina, reason: null, via: 'api' })
    expect(done).toMatchObject({ error: { refusal: { reason: 'wrong_status' } } })
  })
})

test('of two people who ask again at once, one does', async () => {
  const { world, again } = await lost()
  const both = await Promise.all([again(), again()])
  expect(both.map(({ ok }) => ok).sort()).toEqual([false, true])
  const open = await world.ledger.list({ statuses: ['pending'], principal: null, limit: 10, after: null })
  expect(open).toHaveLength(1)
})
