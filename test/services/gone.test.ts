/** `on_client_gone: cancel`: when nobody has waited for it for a while, the rule withdraws the call, and everybody is told. */
import { describe, expect, test } from 'vitest'
import { unknownSend } from '../../src/domain/evidence.ts'
import { newsOf } from '../../src/domain/news.ts'
import { outcomeText } from '../../src/domain/present.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { settledAnswer } from '../../src/mcp/downstream/replies.ts'
import { mina } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

const { returnMs } = defaultTimings

const rule = (way: string) =>
  `rules: [{ tools: "*", action: require_approval, approval: { on_client_gone: ${way} } }]`

async function asked(way = 'cancel') {
  const world = aWorld()
  await world.putInForce(rule(way))
  const gateway = await aGateway(world)
  const made = await gateway.ask()
  if (!made.ok || made.value.kind !== 'waiting') throw new Error(JSON.stringify(made))
  const { id } = made.value.approval
  const now = async () => (await world.ledger.get(id))?.approval
  /** With gateways there all the time. */
  async function pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= defaultTimings.loopMs) {
      world.ledger.advance(Math.min(leftMs, defaultTimings.loopMs))
      await world.ledger.renewLease('gateway-1', defaultTimings.nodeLeaseMs)
    }
  }
  await pass(returnMs)
  return {
    ...{ world, gateway, id, now, pass },
    kind: async () => {
      const approval = await now()
      return approval?.status === 'settled' ? approval.outcome.kind : approval?.status
    },
    /** So much later somebody looks. */
    async later(ms: number) {
      await pass(ms)
      return gateway.withdrawGone()
    },
  }
}

describe('with the rule', () => {
  test.each(['pending', 'approved'] as const)('what is %s is withdrawn after the grace', async (status) => {
    const { world, gateway, id, kind, now, later } = await asked()
    if (status === 'approved') await gateway.decide(id)
    expect(await later(0)).toBe(0)
    expect(await later(returnMs - 1)).toBe(0)
    expect(await kind()).toBe(status)
    expect(await later(1)).toBe(1)
    const approval = await now()
    if (approval?.status !== 'settled') throw new Error('not withdrawn')
    expect(outcomeText(approval.outcome)).toBe(
      'Withdrawn by the rule policies/github.yaml#/rules/0: “on_client_gone: cancel, and nobody has waited for it for 1 min 0 s”. Nothing was sent.',
    )
    expect(newsOf(approval).map(({ person }) => person)).toEqual(['jun'])
    expect(settledAnswer(approval, null, 'legacy', 0).text).toContain(
      'call it again later, and people are asked anew',
    )
    expect((await world.ledger.auditTrail(id)).at(-1)?.payload).toContain(
      'rule:policies/github.yaml#/rules/0',
    )
    await gateway.resume(id)
    expect(world.upstream.sent).toEqual([])
    expect(await later(returnMs)).toBe(0)
  })

  test('somebody who waits keeps it, and one who comes back in time as well', async () => {
    const { gateway, id, kind, later } = await asked()
    const leaving = new AbortController()
    const held = gateway.hold(id, 60_000, leaving.signal)
    await expect.poll(() => gateway.waiters.rows().length).toBe(1)
    expect(await later(3 * returnMs)).toBe(0)
    leaving.abort()
    await held
    await later(0)
    await later(returnMs - 1)
    const back = new AbortController()
    const again = gateway.hold(id, 60_000, back.signal)
    await expect.poll(() => gateway.waiters.rows().length).toBe(1)
    expect(await later(returnMs)).toBe(0)
    back.abort()
    await again
    await later(0)
    expect(await later(returnMs)).toBe(1)
    expect(await kind()).toBe('cancelled')
  })

  test('who comes back after the list was made, and before its turn, keeps it', async () => {
    const { world, gateway, id, kind, later } = await asked()
    await later(0)
    await later(returnMs - 1)
    const { abandoned } = world.ledger
    world.ledger.abandoned = async (ms, limit) => {
      const found = await abandoned(ms, limit)
      expect(found).toEqual([id])
      await world.ledger.addWaiter(id, 'gateway-1')
      return found
    }
    expect(await later(1)).toBe(0)
    expect(await kind()).toBe('pending')
    expect(gateway.waiters.rows()).toEqual([])
  })

  test('after an outage of every gateway who waited has the whole time to be there again', async () => {
    const { world, gateway, kind, later } = await asked()
    await later(0)
    world.ledger.advance(10 * returnMs)
    expect(await gateway.withdrawGone()).toBe(0)
    await world.ledger.renewLease('gateway-1', defaultTimings.nodeLeaseMs)
    expect(await gateway.withdrawGone()).toBe(0)
    expect(await later(returnMs - 1)).toBe(0)
    expect(await kind()).toBe('pending')
    expect(await later(1)).toBe(1)
  })

  test('what a person asked for again after an unknown end is there until its deadline', async () => {
    const { world, gateway, id, later } = await asked()
    world.upstream.answer = async () => ({ kind: 'indeterminate', reason: 'reset', trace: unknownSend })
    const held = gateway.hold(id)
    await gateway.decide(id)
    await held
    const again = await gateway.people.askAgain({ id, person: mina, reason: null, via: 'api' })
    if (!again.ok) throw new Error(JSON.stringify(again.error))
    await later(0)
    expect(await later(2 * returnMs)).toBe(0)
    expect((await world.ledger.get(again.value.id))?.approval.status).toBe('pending')
  })

  test('two processes that look at the same moment withdraw it once', async () => {
    const { world, gateway, id, later, pass } = await asked()
    const other = await aGateway(world, { node: 'gateway-2' })
    await later(0)
    await pass(returnMs)
    const withdrawn = await Promise.all([gateway.withdrawGone(), other.withdrawGone()])
    expect(withdrawn.toSorted()).toEqual([0, 1])
    expect(await world.ledger.auditTrail(id)).toHaveLength(2)
  })

  test('its record is of form 2, so that older processes leave it alone', async () => {
    expect((await (await asked()).now())?.v).toBe(2)
  })
})

test.each(['wait', 'execute'])('a rule that says %s withdraws nothing', async (way) => {
  const { kind, later } = await asked(way)
  await later(0)
  expect(await later(10 * returnMs)).toBe(0)
  expect(await kind()).toBe('pending')
})
