/** `reason_required`: neither a yes nor a no counts without a reason, whichever door it comes through. */
import { describe, expect, test } from 'vitest'
import { REASON_LENGTH_MAX } from '../../src/domain/limits.ts'
import { settledInWords } from '../../src/mcp/downstream/replies.ts'
import { mina } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

const RULE = 'rules: [{ tools: "*", action: require_approval, approval: { reason_required: true } }]'

async function asked(policy = RULE) {
  const world = aWorld()
  await world.putInForce(policy)
  const gateway = await aGateway(world)
  const made = await gateway.ask()
  if (!made.ok || made.value.kind !== 'waiting') throw new Error(JSON.stringify(made))
  const { id, proposed } = made.value.approval
  const say = (answer: 'approve' | 'reject', reason: string | null) =>
    gateway.people.decide({ id, person: mina, answer, digest: proposed.digest, reason, via: 'api' })
  return { world, gateway, id, say, now: async () => (await world.ledger.get(id))?.approval }
}
const refusedFor = (reason: string) => ({ ok: false, error: { reason: 'refused', refusal: { reason } } })

describe('where the rule asks for a reason', () => {
  test.each(['approve', 'reject'] as const)('%s without one changes nothing', async (answer) => {
    const { say, now } = await asked()
    for (const nothing of [null, '', ' \n\t', '...', '\u200b\u2060', '🙏']) {
      expect(await say(answer, nothing)).toMatchObject(refusedFor('reason_required'))
    }
    expect(await now()).toMatchObject({ status: 'pending', version: 1 })
  })

  test('with one it counts, and the agent and the audit are told', async () => {
    const { world, id, say, now } = await asked()
    expect(await say('reject', '고객이 이미 취소함')).toMatchObject({ ok: true })
    const approval = await now()
    if (approval?.status !== 'settled') throw new Error('not rejected')
    expect(settledInWords(approval, 0)).toContain('said: "고객이 이미 취소함"')
    expect((await world.ledger.auditTrail(id)).at(-1)?.payload).toContain('고객이 이미 취소함')
  })

  test('a record of such a rule is of form 2, so that older processes leave it alone', async () => {
    expect((await (await asked()).now())?.v).toBe(2)
    expect((await (await asked('default: require_approval')).now())?.v).toBe(1)
  })

  test('an owner who confirms says why as well', async () => {
    const world = aWorld()
    await world.putInForce(RULE, { groups: [], people: ['mina'], selfConfirm: true })
    const gateway = await aGateway(world)
    const made = await gateway.ask({ principal: { name: 'night-agent', owner: 'mina' } })
    if (!made.ok || made.value.kind !== 'waiting') throw new Error('not asked')
    expect(await gateway.decide(made.value.approval.id)).toMatchObject(refusedFor('reason_required'))
  })

  test('turning it on asks the calls that wait anew, and says so', async () => {
    const { world, gateway, id, now } = await asked('default: require_approval')
    await world.putInForce(RULE)
    await gateway.rules.refresh()
    await gateway.rejudge(id)
    expect(await now()).toMatchObject({
      outcome: { kind: 'invalidated', change: expect.stringContaining('people give a reason: no → yes') },
    })
  })
})

test('no reason is longer than the limit, whatever the surface let through', async () => {
  const { say, now } = await asked('default: require_approval')
  expect(await say('reject', 'x'.repeat(REASON_LENGTH_MAX + 1))).toMatchObject(refusedFor('reason_too_long'))
  expect(await now()).toMatchObject({ status: 'pending' })
  expect(await say('reject', 'x'.repeat(REASON_LENGTH_MAX))).toMatchObject({ ok: true })
})
