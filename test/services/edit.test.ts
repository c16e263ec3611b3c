/** A person changes a call while nobody has decided: who may, what is taken, and that nothing but the new call can run. */
import { describe, expect, test } from 'vitest'
import { askedParams } from '../../src/domain/approval.ts'
import type { Person } from '../../src/domain/principal.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { mina, owner } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

const sora: Person = { id: 'sora', name: '이소라', groups: ['ops'] }
const stranger: Person = { id: 'stranger', name: 'Stranger', groups: [] }
const other = canonicalParams('delete_repository', { name: 'acme/other' }, {})

async function waiting() {
  const world = aWorld()
  const gateway = await aGateway(world)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  const { approval } = asked.value
  const { id } = approval
  const edit = async (argumentsText: string, person = mina, digest?: string) => {
    const now = (await world.ledger.get(id))?.approval.proposed.digest ?? ''
    return gateway.people.edit({ id, person, argumentsText, digest: digest ?? now, reason: null, via: 'api' })
  }
  return { world, gateway, approval, id, edit, now: async () => (await world.ledger.get(id))?.approval }
}

test('what was edited and approved is what is sent, once, and what was asked stays readable', async () => {
  const { world, gateway, approval, id, edit, now } = await waiting()
  const held = gateway.hold(id)
  expect(await edit('{"name":"acme/other"}')).toMatchObject({
    ok: true,
    value: { status: 'pending', version: 2 },
  })
  const late = await gateway.people.decide({
    id,
    person: sora,
    answer: 'approve',
    digest: approval.proposed.digest,
    reason: null,
    via: 'slack',
  })
  expect(late).toMatchObject({ ok: false, error: { refusal: { reason: 'digest_differs' } } })
  expect(await gateway.decide(id, 'approve', sora)).toMatchObject({ ok: true })
  expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
  expect(world.upstream.sent.map((sent) => sent.canonicalParams)).toEqual([other])
  const settled = await now()
  expect(settled && askedParams(settled)).toBe(approval.proposed.canonicalParams)
  expect(settled?.asked).toEqual(approval.asked)
})

test('whoever has edited may approve afterwards', async () => {
  const { gateway, id, edit } = await waiting()
  await edit('{"name":"acme/other"}')
  expect(await gateway.decide(id, 'approve', mina)).toMatchObject({ ok: true, value: { status: 'approved' } })
})

test('the same call as it was asked still attaches, and is not a new one', async () => {
  const { gateway, id, edit } = await waiting()
  await edit('{"name":"acme/other"}')
  expect(await gateway.ask()).toMatchObject({ ok: true, value: { isNew: false, approval: { id } } })
})

describe('refused, and the call stays as it was:', () => {
  test.each([
    ['the owner of the agent', owner, 'own_call'],
    ['who is no approver', stranger, 'not_an_approver'],
  ] as const)('%s', async (_who, person, reason) => {
    const { approval, edit, now } = await waiting()
    expect(await edit('{"name":"acme/other"}', person)).toMatchObject({
      error: { reason: 'unauthorised', because: { reason } },
    })
    expect(await now()).toEqual(approval)
  })

  test('the owner also where they may confirm', async () => {
    const world = aWorld()
    await world.putInForce('default: require_approval', { groups: ['ops'], people: [], selfConfirm: true })
    const gateway = await aGateway(world)
    const asked = await gateway.ask()
    if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('it waits')
    const { id, proposed } = asked.value.approval
    const request = { id, argumentsText: '{}', digest: proposed.digest, reason: null, via: 'api' } as const
    expect(await gateway.people.edit({ ...request, person: owner })).toMatchObject({
      error: { because: { reason: 'own_call' } },
    })
  })

  test.each([
    ['no JSON', 'name: acme'],
    ['a list', '["acme/other"]'],
    ['nothing', ''],
    ['a key twice', '{"name":"acme/shop","name":"acme/other"}'],
    ['an integer that rounds', '{"n":9007199254740993}'],
    ['a lone surrogate', '{"n":"\\ud800"}'],
    ['more than anybody reads', JSON.stringify({ n: 'x'.repeat(300_000) })],
    ['deeper than arguments are', `{"n":${'['.repeat(70)}${']'.repeat(70)}}`],
  ])('%s', async (_what, text) => {
    const { approval, edit, now } = await waiting()
    expect(await edit(text)).toMatchObject({ error: { because: 'invalid_arguments' } })
    expect(await now()).toEqual(approval)
  })

  test('what the editor looked at was not the latest', async () => {
    const { approval, edit, now } = await waiting()
    await edit('{"name":"acme/other"}')
    expect(await edit('{"name":"acme/third"}', mina, approval.proposed.digest)).toMatchObject({
      error: { refusal: { reason: 'digest_differs' } },
    })
    expect((await now())?.edits).toHaveLength(1)
  })

  test('a call under another rule, by now or with these arguments', async () => {
    const { world, gateway, edit } = await waiting()
    await world.putInForce('default: require_approval', {
      ...{ groups: ['security'], people: [], selfConfirm: false },
    })
    await gateway.rules.refresh()
    expect(await edit('{"name":"acme/other"}')).toMatchObject({ error: { because: 'other_rule' } })
  })

  test('once it is decided', async () => {
    const { gateway, id, edit } = await waiting()
    await gateway.decide(id)
    expect(await edit('{"name":"acme/other"}')).toMatchObject({
      error: { refusal: { reason: 'wrong_status' } },
    })
  })
})

test('of two edits at the same moment the second is refused: it is about another text', async () => {
  const { id, gateway, approval } = await waiting()
  const request = { id, person: mina, digest: approval.proposed.digest, reason: null, via: 'api' } as const
  const both = await Promise.all([
    gateway.people.edit({ ...request, argumentsText: '{"name":"a"}' }),
    gateway.people.edit({ ...request, argumentsText: '{"name":"b"}' }),
  ])
  expect(both.map(({ ok }) => ok).sort()).toEqual([false, true])
})

describe('more time', () => {
  test.each([
    ['an approver', mina, true],
    ['the owner, for whom it decides nothing', owner, true],
    ['nobody else', stranger, false],
  ] as const)('is given by %s', async (_who, person, may) => {
    const { gateway, approval, id } = await waiting()
    const expiresAtMs = approval.expiresAtMs + 60 * 60_000
    const extended = await gateway.people.extend({ id, person, expiresAtMs, reason: null, via: 'api' })
    expect(extended.ok).toBe(may)
  })

  test('sets the alarm anew; the earlier one comes and does no harm', async () => {
    const { world, gateway, approval, id, now } = await waiting()
    const expiresAtMs = approval.expiresAtMs + 60 * 60_000
    await gateway.people.extend({ id, person: mina, expiresAtMs, reason: null, via: 'api' })
    expect(world.jobs).toContain(`alarm ${id}.2`)
    world.ledger.advance(approval.expiresAtMs - approval.createdAtMs)
    await gateway.attend(id)
    expect(await now()).toMatchObject({ status: 'pending', expiresAtMs })
    world.ledger.advance(60 * 60_000)
    await gateway.attend(id)
    expect(await now()).toMatchObject({ outcome: { kind: 'expired' } })
  })
})
