/** Grants through the real services on a ledger in memory: given by whom, covering what, counted how often, ended by what. */
import { describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import type { Person } from '../../src/domain/principal.ts'
import { everything } from '../../src/domain/stop.ts'
import { agent, mina, owner, sora } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

const HOUR_MS = 3_600_000
const policy = (grants: string, more = '') => `rules:
  - tools: "*"
    action: require_approval
    approval: { people: [mina, jun], ${more} grants: ${grants} }`
const usual =
  '{ max_uses: 3, max_duration: 1h, may_differ: [{ path: args.amount, gte: 0, lte: 50 }, args.note] }'
const refund = { charge: 'ch_1', amount: 20, note: 'first' }

async function aPlace(text = policy(usual)) {
  const world = aWorld()
  const gateway = await aGateway(world, { people: [mina, owner, sora] })
  await world.putInForce(text)
  await gateway.rules.refresh()
  const { ledger } = world
  const ask = async (args: JsonObject, more: object = {}): Promise<Approval> => {
    const asked = await gateway.ask({ arguments: args, ...more })
    if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
    return asked.value.approval
  }
  const give = async (
    approval: Approval,
    uses = 3,
    { person = mina, durationMs = HOUR_MS }: { person?: Person; durationMs?: number } = {},
  ) =>
    gateway.people.decide({
      ...{ id: approval.id, person, answer: 'approve', digest: approval.proposed.digest },
      ...{ reason: null, via: 'api', grant: { uses, durationMs } },
    })
  /** An approved call with a grant. */
  const granted = async (args: JsonObject = refund, uses = 3) => {
    const first = await ask(args)
    const given = await give(first, uses)
    if (!given.ok) throw new Error(JSON.stringify(given.error))
    return given.value
  }
  return { world, gateway, ledger, ask, give, granted }
}

describe('a grant', () => {
  test('stands in for the click as often as it says, each call an approval of its own with its own audit', async () => {
    const { ledger, ask, granted } = await aPlace()
    const first = await granted(refund, 2)
    const second = await ask({ ...refund, amount: 50 })
    expect(second).toMatchObject({
      status: 'approved',
      v: 3,
      decision: { kind: 'approve', by: 'mina', via: 'grant', under: first.id, gives: null },
    })
    if (second.status === 'approved') expect(second.decision.digest).toBe(second.proposed.digest)
    const events = (await ledger.auditTrail(second.id)).map(({ payload }) => JSON.parse(payload))
    expect(events.map(({ event }) => event)).toEqual(['ask', 'use_grant'])
    expect(events[1].details).toMatchObject({ by: 'mina', grant: first.id })
    expect((await ask({ ...refund, amount: 0.5, note: 'other' })).status).toBe('approved')
    expect(await ledger.grant(first.id)).toMatchObject({ used: 2, usesMax: 2, by: 'mina', ended: null })
    expect((await ask({ ...refund, amount: 1 })).status).toBe('pending')
    expect(await ledger.usesOf(first.id, 10)).toHaveLength(2)
  })

  test('lets the call run once, with the bytes that it covers, and its agent gets the real answer', async () => {
    const { world, gateway, ask, granted } = await aPlace()
    await granted()
    const second = await ask({ ...refund, amount: 2 })
    const awaited = await Promise.all([gateway.hold(second.id), gateway.hold(second.id)])
    for (const one of awaited)
      expect(one).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
    const sent = world.upstream.sent.filter(({ approvalId }) => approvalId === second.id)
    expect(sent.map(({ canonicalParams }) => canonicalParams)).toEqual([second.proposed.canonicalParams])
    // The same call again collects that outcome, and uses nothing.
    const again = await gateway.ask({ arguments: { ...refund, amount: 2 } })
    expect(again).toMatchObject({ value: { kind: 'outcome', approval: { id: second.id } } })
  })

  test.each<[string, JsonObject]>([
    ['another fixed argument', { ...refund, charge: 'ch_2' }],
    ['a look-alike', { ...refund, charge: 'сh_1' }],
    ['a trailing blank', { ...refund, charge: 'ch_1 ' }],
    ['an argument more', { ...refund, reverse_transfer: true }],
    ['an argument more that is null', { ...refund, reverse_transfer: null }],
    ['a missing fixed argument', { amount: 20, note: 'x' }],
    ['a missing free argument', { charge: 'ch_1', amount: 20 }],
    ['a free argument that is null', { ...refund, note: null }],
    ['a bounded argument that is missing', { charge: 'ch_1', note: 'x' }],
    ['too much', { ...refund, amount: 50.01 }],
    ['too little', { ...refund, amount: -1 }],
    ['a number as text', { ...refund, amount: '20' }],
    ['a list in its place', { ...refund, amount: [20] }],
    ['a map in its place', { ...refund, note: { text: 'x', also: 'y' } }],
    ['another kind', { ...refund, note: 7 }],
    ['the name of the argument in another case', { charge: 'ch_1', Amount: 20, note: 'x' }],
    ['a key that JavaScript knows', { ...refund, ['__proto__']: { amount: 20 } }],
  ])('does not cover %s', async (_what, args) => {
    const { ledger, ask, granted } = await aPlace()
    const first = await granted()
    expect((await ask(args)).status).toBe('pending')
    expect((await ledger.grant(first.id))?.used).toBe(0)
  })

  test.each<[string, JsonObject]>([
    ['the order of arguments', { note: 'first', amount: 21, charge: 'ch_1' }],
    ['1.0 for 1', JSON.parse('{"charge":"ch_1","amount":1.0,"note":"x"}')],
    ['the same once more, as another call', { ...refund }],
  ])('covers %s', async (_what, args) => {
    const { ask, granted } = await aPlace()
    await granted()
    expect((await ask(args, { idempotencyKey: 'another' })).status).toBe('approved')
  })

  test('covers neither another agent, nor another owner, nor another tool, nor another definition', async () => {
    const { world, ask, granted } = await aPlace()
    await granted()
    const call = { ...refund, amount: 21 }
    expect((await ask(call, { principal: { ...agent, name: 'other' } })).status).toBe('pending')
    expect((await ask(call, { principal: { ...agent, owner: 'sora' } })).status).toBe('pending')
    expect((await ask(call, { tool: 'transfer' })).status).toBe('pending')
    world.upstream.described = {
      kind: 'listed',
      definition: { digest: 'e'.repeat(64), title: null, description: null },
    }
    expect((await ask({ ...refund, amount: 22 })).status).toBe('pending')
  })

  test('begins only after it was given: what waited already is decided by itself', async () => {
    const { ask, give } = await aPlace()
    const waiting = await ask({ ...refund, amount: 3 })
    expect((await give(await ask(refund))).ok).toBe(true)
    const again = await ask({ ...refund, amount: 3 })
    expect(again).toMatchObject({ id: waiting.id, status: 'pending' })
  })

  test('counts what was not sent not, and gives it back once', async () => {
    const { ledger, gateway, ask, granted } = await aPlace()
    const first = await granted(refund, 1)
    const second = await ask({ ...refund, amount: 2 })
    expect((await ledger.grant(first.id))?.used).toBe(1)
    const cancelled = await gateway.people.cancel({ id: second.id, person: mina, reason: null })
    expect(cancelled.ok).toBe(true)
    expect((await ledger.grant(first.id))?.used).toBe(0)
    expect((await ask({ ...refund, amount: 4 })).status).toBe('approved')
    expect((await ask({ ...refund, amount: 5 })).status).toBe('pending')
  })

  test('counts what was sent, also if nobody knows its end', async () => {
    const { ledger, gateway, ask, granted } = await aPlace()
    const first = await granted(refund, 1)
    const second = await ask({ ...refund, amount: 2 })
    await gateway.change(second.id, { kind: 'claim', node: 'gateway-1' })
    await gateway.change(second.id, { kind: 'lose_track', reason: 'connection reset' })
    expect((await ledger.grant(first.id))?.used).toBe(1)
    expect((await ask({ ...refund, amount: 4 })).status).toBe('pending')
  })

  test('covers nothing after its time, and what it covered begins by then or not at all', async () => {
    const { ledger, ask, granted } = await aPlace()
    const first = await granted()
    ledger.advance(HOUR_MS - 60_000)
    const late = await ask({ ...refund, amount: 2 })
    const grant = await ledger.grant(first.id)
    expect(late).toMatchObject({ status: 'approved', startByMs: grant?.untilMs })
    ledger.advance(60_000)
    expect((await ask({ ...refund, amount: 3 })).status).toBe('pending')
  })

  test('is of two gateways that use it up at the same moment counted by one statement', async () => {
    const { world, ledger, ask, granted } = await aPlace()
    const first = await granted(refund, 2)
    const other = await aGateway(world, { people: [mina, owner], node: 'gateway-2' })
    const asked = await Promise.all([
      ...[1, 2, 3].map((amount) => ask({ ...refund, amount })),
      ...[4, 5, 6].map(async (amount) => {
        const answer = await other.ask({ arguments: { ...refund, amount } })
        if (!answer.ok) throw new Error(answer.error.reason)
        return answer.value.approval
      }),
    ])
    expect(asked.filter(({ status }) => status === 'approved')).toHaveLength(2)
    expect((await ledger.grant(first.id))?.used).toBe(2)
  })
})

describe('a grant is given', () => {
  test('by nobody where the rule does not say so', async () => {
    const { ask, give } = await aPlace('default: require_approval')
    const answer = await give(await ask(refund))
    expect(answer).toMatchObject({ ok: false, error: { reason: 'refused', refusal: { reason: 'no_grant' } } })
  })

  test('within what the rule says, and by an approver who is not the owner', async () => {
    const { ledger, ask, give } = await aPlace()
    const first = await ask(refund)
    const beyond = { ok: false, error: { refusal: { reason: 'grant_beyond' } } }
    expect(await give(first, 4)).toMatchObject(beyond)
    expect(await give(first, 1.5)).toMatchObject(beyond)
    expect(await give(first, 0)).toMatchObject(beyond)
    expect(await give(first, 1, { durationMs: HOUR_MS + 1 })).toMatchObject(beyond)
    expect(await give(first, 1, { durationMs: Number.NaN })).toMatchObject(beyond)
    expect((await give(first, 1, { person: owner })).ok).toBe(false)
    expect((await give(first, 1, { person: sora })).ok).toBe(false)
    expect((await ledger.get(first.id))?.approval.status).toBe('pending')
    expect((await give(first)).ok).toBe(true)
  })

  test('not with a confirmation of the owner, nor by whom an escalation called', async () => {
    const confirming = await aPlace(policy(usual, 'self_confirm: true,'))
    const own = await confirming.ask(refund)
    expect(await confirming.give(own, 1, { person: owner })).toMatchObject({
      error: { refusal: { reason: 'no_grant' } },
    })
    const escalating = await aPlace(policy(usual, 'escalation: [{ after: 1m, people: [sora] }],'))
    const call = await escalating.ask(refund)
    escalating.ledger.advance(120_000)
    expect(await escalating.give(call, 1, { person: sora })).toMatchObject({
      error: { refusal: { reason: 'no_grant' } },
    })
  })

  test('with a reason where the rule asks for one, which goes with every use', async () => {
    const { gateway, ask, give } = await aPlace(policy(usual, 'reason_required: true,'))
    const first = await ask(refund)
    expect(await give(first)).toMatchObject({ error: { refusal: { reason: 'reason_required' } } })
    const said = await gateway.people.decide({
      ...{ id: first.id, person: mina, answer: 'approve', digest: first.proposed.digest },
      ...{ reason: 'the batch of today', via: 'api', grant: { uses: 1, durationMs: HOUR_MS } },
    })
    expect(said.ok).toBe(true)
    expect(await ask({ ...refund, amount: 3 })).toMatchObject({ decision: { reason: 'the batch of today' } })
  })

  test('not with a no', async () => {
    const { gateway, ask } = await aPlace()
    const { id, proposed } = await ask(refund)
    const said = { id, person: mina, digest: proposed.digest, reason: null, via: 'api' } as const
    const grant = { uses: 1, durationMs: HOUR_MS }
    expect((await gateway.people.decide({ ...said, answer: 'reject', grant })).ok).toBe(false)
  })
})

describe('a grant ends', () => {
  test('when a person takes it back; what it covered and was not begun ends too, and the audit says who', async () => {
    const { ledger, gateway, ask, granted } = await aPlace()
    const first = await granted()
    const covered = await ask({ ...refund, amount: 2 })
    const stranger = await gateway.grants.end({ id: first.id, person: sora, reason: null })
    expect(stranger).toMatchObject({ ok: false, error: { reason: 'unauthorised' } })
    const ended = await gateway.grants.end({ id: first.id, person: owner, reason: 'enough' })
    expect(ended).toMatchObject({ ok: true, value: { ended: { by: 'jun' } } })
    expect((await ledger.get(covered.id))?.approval).toMatchObject({
      outcome: { kind: 'cancelled', by: 'jun' },
    })
    expect((await ask({ ...refund, amount: 3 })).status).toBe('pending')
    const events = (await ledger.auditTrail(first.id)).map(({ payload }) => JSON.parse(payload))
    expect(events.at(-1)).toMatchObject({ event: 'end_grant', details: { by: 'jun', reason: 'enough' } })
    const twice = await gateway.grants.end({ id: first.id, person: mina, reason: null })
    expect(twice).toMatchObject({ ok: false, error: { refusal: { reason: 'no_grant' } } })
  })

  test('also while the call it was given with is being sent, which takes nothing from its outcome', async () => {
    const { ledger, gateway, granted } = await aPlace()
    const first = await granted()
    await gateway.change(first.id, { kind: 'claim', node: 'gateway-1' })
    expect((await gateway.grants.end({ id: first.id, person: mina, reason: null })).ok).toBe(true)
    const reply = { kind: 'result', isError: false, digest: 'd', bytes: 2 } as const
    expect((await gateway.change(first.id, { kind: 'answer', reply })).ok).toBe(true)
    expect((await ledger.get(first.id))?.approval).toMatchObject({
      outcome: { kind: 'answered', decision: { gives: { ended: { by: 'mina' } } } },
    })
  })

  test('when the call it was given with is withdrawn', async () => {
    const { gateway, ask, granted } = await aPlace()
    const first = await granted()
    await gateway.people.cancel({ id: first.id, person: owner, reason: null })
    expect((await ask({ ...refund, amount: 3 })).status).toBe('pending')
  })

  test('with the kill switch, for good', async () => {
    const { world, ask, granted } = await aPlace()
    await granted()
    const { stops } = world.ledger
    const put = await stops.put({ scope: { ...everything, server: 'github' }, reason: 'wild', by: 'mina' })
    await stops.lift(put?.stop.number ?? 0, 'mina')
    expect((await ask({ ...refund, amount: 3 })).status).toBe('pending')
  })

  test('when its rule is another one', async () => {
    const { world, gateway, ask, granted } = await aPlace()
    await granted()
    await world.putInForce(policy(usual.replace('lte: 50', 'lte: 60')))
    await gateway.rules.refresh()
    expect((await ask({ ...refund, amount: 3 })).status).toBe('pending')
  })

  test('when who gave it may not decide any more', async () => {
    const { world, granted } = await aPlace()
    await granted()
    const later = await aGateway(world, { people: [owner, sora], node: 'gateway-2' })
    const asked = await later.ask({ arguments: { ...refund, amount: 3 } })
    expect(asked).toMatchObject({ value: { approval: { status: 'pending' } } })
    const { grants } = await later.grants.list({ isStanding: true, limit: 10 })
    expect(grants).toMatchObject([{ isOrphaned: true }])
  })

  test('before a no: what was denied stays denied for its time', async () => {
    const { gateway, ask, give, granted } = await aPlace()
    const denied = await ask({ ...refund, amount: 7 })
    await gateway.decide(denied.id, 'reject')
    await granted()
    const again = await gateway.ask({ arguments: { ...refund, amount: 7 }, idempotencyKey: 'fresh' })
    expect(again).toMatchObject({ ok: false, error: { reason: 'cool_down' } })
    expect(give).toBeDefined()
  })
})

test('a limit goes before a grant', async () => {
  const text = `${policy(usual)}
    spend_limit: { path: args.amount, max: 30, window: 3600 }`
  const { gateway, ask, granted } = await aPlace(text)
  await granted()
  expect((await ask({ ...refund, amount: 29 })).status).toBe('approved')
  const beyond = await gateway.ask({ arguments: { ...refund, amount: 31 } })
  expect(beyond).toMatchObject({ ok: false, error: { reason: 'limited' } })
})

test('of several rules that ask, the narrowest of what all of them let people grant', async () => {
  const two = (first: string, second: string) => `rules:
  - { tools: "*", action: require_approval, approval: { people: [mina], grants: ${first} } }
  - { tools: "delete_*", action: require_approval, approval: { people: [mina]${second} } }`
  const narrow = await aPlace(
    two(usual, ', grants: { max_uses: 1, max_duration: 10m, may_differ: [args.note] }'),
  )
  const first = await narrow.ask(refund)
  expect(first.asking.grants).toMatchObject({
    usesMax: 1,
    durationMsMax: 600_000,
    mayDiffer: [{ path: 'args.note' }],
  })
  const none = await aPlace(two(usual, ''))
  expect((await none.ask(refund)).asking.grants).toBeNull()
})
