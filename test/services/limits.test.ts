/** Limits of calls that wait for people: nobody is asked in vain, and what counts is what was sent. */
import { expect, test } from 'vitest'
import { unknownSend } from '../../src/domain/evidence.ts'
import type { Sent, UpstreamSession } from '../../src/ports/upstream-session.ts'
import { aGateway, aWorld } from '../support/world.ts'

const policy = (max: number) => `
tools:
  delete_repository:
    action: require_approval
    rate_limit: { max: ${max}, window: 3600, reason: Only so many an hour. }
`

async function aLimitedWorld(max: number) {
  const world = aWorld()
  await world.putInForce(policy(max))
  const gateway = await aGateway(world)
  const ask = async (name: string) => {
    const asked = await gateway.ask({ arguments: { name } })
    return asked.ok && asked.value.kind === 'waiting' ? asked.value.approval.id : JSON.stringify(asked)
  }
  const run = async (name: string, session?: UpstreamSession) => {
    const asked = await gateway.ask({ arguments: { name } }, session)
    if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
    const { id } = asked.value.approval
    const held = gateway.hold(id, 5_000, undefined, session)
    await gateway.decide(id)
    await held
    const reading = await world.ledger.get(id)
    return reading?.approval.status === 'settled' ? reading.approval.outcome.kind : reading?.approval.status
  }
  return { world, gateway, ask, run }
}

test('what waits is not counted, what ran is, and then nobody is asked any more', async () => {
  const { world, gateway, ask, run } = await aLimitedWorld(1)
  const waiting = await ask('first')
  expect(waiting).toMatch(/^HP-/)
  expect(world.counters.entries).toHaveLength(0)
  expect(await run('second')).toBe('answered')
  expect(world.counters.entries).toHaveLength(1)
  expect(await gateway.ask({ arguments: { name: 'third' } })).toEqual({
    ok: false,
    error: {
      reason: 'limited',
      rule: expect.stringContaining('#/tools/delete_repository/rate_limit'),
      because: 'Only so many an hour.',
    },
  })
  // A repeat of what waits already is never turned away.
  expect(await ask('first')).toBe(waiting)
})

test('a call that was approved while there was room waits when there is none, and says why', async () => {
  const { world, gateway, run } = await aLimitedWorld(1)
  const asked = await gateway.ask({ arguments: { name: 'first' } })
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  const { id } = asked.value.approval
  expect(await run('second')).toBe('answered')
  const held = gateway.hold(id, 300)
  await gateway.decide(id)
  expect(await held).toMatchObject({ kind: 'still_waiting' })
  expect(await world.ledger.unsentReason(id)).toBe('a limit holds it back: Only so many an hour.')
  expect(world.upstream.sent).toHaveLength(1)
  expect(world.counters.entries).toHaveLength(1)
})

test.each([
  [{ kind: 'not_sent', reason: 'refused' }, 0],
  [{ kind: 'indeterminate', reason: 'it broke', trace: unknownSend }, 1],
] as const)('after %j there are %i counted', async (sent, counted) => {
  const { world, run } = await aLimitedWorld(1)
  const session: UpstreamSession = { ...world.upstream, send: async (): Promise<Sent> => sent }
  expect(await run('first', session)).toBe(sent.kind)
  expect(world.counters.entries).toHaveLength(counted)
})

test('while the counters are away nobody is asked and nothing is sent', async () => {
  const { world, gateway, run } = await aLimitedWorld(5)
  expect(await run('first')).toBe('answered')
  const asked = await gateway.ask({ arguments: { name: 'second' } })
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  const { id } = asked.value.approval
  world.counters.isAway = true
  expect(await gateway.ask({ arguments: { name: 'third' } })).toEqual({
    ok: false,
    error: { reason: 'limits_unavailable' },
  })
  const held = gateway.hold(id, 300)
  await gateway.decide(id)
  await held
  expect(await world.ledger.unsentReason(id)).toBe('its limits could not be counted')
  expect(world.upstream.sent).toHaveLength(1)
})

test('a rule names its own approvers and deadline', async () => {
  const world = aWorld()
  await world.putInForce(
    'tools: { delete_repository: { action: require_approval, approval: { people: [mina], timeout: 10m, self_confirm: false } } }',
  )
  const gateway = await aGateway(world)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  const { asking, createdAtMs, expiresAtMs } = asked.value.approval
  expect(asking.approvers).toEqual({ groups: [], people: ['mina'], selfConfirm: false })
  expect(expiresAtMs - createdAtMs).toBe(600_000)
})
