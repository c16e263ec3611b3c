/** A server that was taken out of every file: its calls end, and everybody is told why. */
import { expect, test } from 'vitest'
import { newsOf } from '../../src/domain/news.ts'
import { outcomeText } from '../../src/domain/present.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { settledAnswer } from '../../src/mcp/downstream/replies.ts'
import { aGateway, aWorld } from '../support/world.ts'

const { unservedMs } = defaultTimings

/** Gateways that are there all the time, and say each minute what they have. */
async function asked() {
  const world = aWorld()
  const gateway = await aGateway(world)
  const made = await gateway.ask()
  if (!made.ok || made.value.kind !== 'waiting') throw new Error(JSON.stringify(made))
  const { id } = made.value.approval
  const now = async () => (await world.ledger.get(id))?.approval
  async function pass(ms: number, has: Record<string, readonly string[]>): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= defaultTimings.loopMs) {
      world.ledger.advance(Math.min(leftMs, defaultTimings.loopMs))
      for (const [node, servers] of Object.entries(has)) {
        await world.ledger.renewLease(node, defaultTimings.nodeLeaseMs)
        await world.ledger.noteServing(node, servers)
      }
    }
  }
  return { world, gateway, id, now, pass }
}

test.each(['pending', 'approved'] as const)(
  'what is %s ends when no gateway has had its server for long',
  async (status) => {
    const { gateway, id, now, pass } = await asked()
    if (status === 'approved') await gateway.decide(id)
    await pass(60_000, { one: ['github'] })
    await pass(unservedMs - 1, { one: ['slack'] })
    expect(await gateway.voidUnserved()).toBe(0)
    await pass(1, { one: ['slack'] })
    expect(await gateway.voidUnserved()).toBe(1)
    const approval = await now()
    if (approval?.status !== 'settled') throw new Error('not ended')
    expect(outcomeText(approval.outcome)).toBe(
      'No longer valid: no gateway has had the server "github" for 1 h 0 min: it was taken out of holdpoint.yaml, or its gateway is gone. Nothing was sent.',
    )
    expect(newsOf(approval).map(({ person }) => person)).toEqual(['jun'])
    expect(settledAnswer(approval, null, 'legacy', 0).text).toContain('no gateway has had the server')
    expect(await gateway.decide(id)).toMatchObject({ ok: false })
  },
)

test('it waits on as long as one gateway of several has it, and when it comes back in time', async () => {
  const { gateway, now, pass } = await asked()
  await pass(2 * unservedMs, { one: ['slack'], two: ['github'] })
  expect(await gateway.voidUnserved()).toBe(0)
  await pass(unservedMs - 1, { one: ['slack'] })
  await pass(1, { one: ['slack'], two: ['github'] })
  expect(await gateway.voidUnserved()).toBe(0)
  expect(await now()).toMatchObject({ status: 'pending' })
})
