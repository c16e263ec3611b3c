/** Reminders and escalation: each once, at its time by the ledger's clock, never after the decision; who may decide, from when on. */
import { describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { silentLog } from '../../src/launch/log.ts'
import { type Channel, ChannelFault, type Nudging } from '../../src/ports/channels.ts'
import { createPostNudges } from '../../src/services/nudge.ts'
import { sora as lead, mina, owner } from '../support/builders.ts'
import { createMemoryNudges } from '../support/memory-nudges.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

const policy = `rules:
  - tools: "*"
    action: require_approval
    approval:
      timeout: 60m
      reminders: [10m, 30m]
      escalation: [{ after: 20m, groups: [leads] }, { after: 40m, people: [hana] }]`
const minutes = (count: number) => count * 60_000

async function asked(text = policy) {
  const world = aWorld()
  await world.putInForce(text)
  const gateway = await aGateway(world)
  const answered = await gateway.ask()
  if (!answered.ok || answered.value.kind !== 'waiting') throw new Error(JSON.stringify(answered))
  return { world, gateway, id: answered.value.approval.id }
}

async function nudgesOf(world: World, id: ApprovalId) {
  const approval = (await world.ledger.get(id))?.approval
  return approval?.nudges.map(({ kind, afterMs }) => `${kind} ${afterMs / 60_000}`)
}

/** Attends as an alarm does, again and again while something is due. */
async function attend({ world, gateway, id }: Awaited<ReturnType<typeof asked>>): Promise<void> {
  while ((await world.ledger.due(10)).includes(id)) await gateway.attend(id)
}

describe('in the record', () => {
  test('an escalation makes it form 2, so that older processes do not drop it; reminders alone do not', async () => {
    const formOf = async (text?: string) => {
      const { world, id } = await asked(text)
      return (await world.ledger.get(id))?.approval.v
    }
    expect(await formOf()).toBe(2)
    expect(await formOf(policy.slice(0, policy.indexOf('      escalation')))).toBe(1)
  })

  test('each comes at its time and once, however often somebody looks', async () => {
    const all = await asked()
    const { world, gateway, id } = all
    expect(await world.ledger.due(10)).toEqual([])
    await gateway.attend(id)
    expect(await nudgesOf(world, id)).toEqual([])
    for (const [after, expected] of [
      [10, ['reminder 10']],
      [20, ['reminder 10', 'escalation 20']],
      [30, ['reminder 10', 'escalation 20', 'reminder 30']],
      [40, ['reminder 10', 'escalation 20', 'reminder 30', 'escalation 40']],
    ] as const) {
      world.ledger.advance(minutes(10))
      await attend(all)
      await Promise.all(Array.from({ length: 5 }, () => gateway.attend(id)))
      expect(await nudgesOf(world, id), `after ${after} min`).toEqual(expected)
    }
    world.ledger.advance(minutes(20))
    await attend(all)
    expect((await world.ledger.get(id))?.approval).toMatchObject({
      status: 'settled',
      outcome: { kind: 'expired' },
    })
  })

  test('what nobody was there to do is done once for each kind, further people first', async () => {
    const all = await asked()
    all.world.ledger.advance(minutes(45))
    await attend(all)
    expect(await nudgesOf(all.world, all.id)).toEqual(['escalation 40', 'reminder 30'])
    const trail = await all.world.ledger.auditTrail(all.id)
    expect(trail.map(({ payload }) => JSON.parse(payload).details.called)).toEqual([
      undefined,
      'leads, hana',
      'ops, leads, hana',
    ])
  })

  test('nothing comes after the decision', async () => {
    const all = await asked()
    expect(await all.gateway.decide(all.id)).toMatchObject({ ok: true })
    all.world.ledger.advance(minutes(15))
    await attend(all)
    await all.gateway.attend(all.id)
    expect(await nudgesOf(all.world, all.id)).toEqual([])
  })

  test('a reminder leaves the digest alone: a yes to what was shown before it counts', async () => {
    const all = await asked()
    const digest = (await all.world.ledger.get(all.id))?.approval.proposed.digest ?? ''
    all.world.ledger.advance(minutes(10))
    await attend(all)
    const said = { id: all.id, person: mina, answer: 'approve', digest, reason: null, via: 'api' } as const
    expect(await all.gateway.people.decide(said)).toMatchObject({ ok: true, value: { status: 'approved' } })
  })
})

describe('whom an escalation names', () => {
  test('is told when they may, until then; and then may, without anybody having looked', async () => {
    const { world, gateway, id } = await asked()
    world.ledger.advance(minutes(20) - 1)
    expect(await gateway.decide(id, 'approve', lead)).toMatchObject({
      ok: false,
      error: { reason: 'unauthorised', because: { reason: 'not_yet', fromMs: 1_000_000 + minutes(20) } },
    })
    expect(await gateway.decide(id, 'reject', lead)).toMatchObject({ ok: false })
    world.ledger.advance(1)
    expect(await gateway.decide(id, 'approve', lead)).toMatchObject({
      ok: true,
      value: { status: 'approved', decision: { kind: 'approve', by: 'sora' } },
    })
    const last = (await world.ledger.auditTrail(id)).at(-1)
    expect(JSON.parse(last?.payload ?? '{}').details.mayFrom).toBe(
      new Date(1_000_000 + minutes(20)).toISOString(),
    )
  })

  test('those who were asked first may still decide, and the owner never', async () => {
    const first = await asked()
    first.world.ledger.advance(minutes(25))
    expect(await first.gateway.decide(first.id, 'approve', mina)).toMatchObject({ ok: true })
    const second = await asked()
    second.world.ledger.advance(minutes(25))
    expect(await second.gateway.decide(second.id, 'approve', { ...owner, groups: ['leads'] })).toMatchObject({
      ok: false,
      error: { because: { reason: 'own_call' } },
    })
  })

  test('has no part in what ended before their time', async () => {
    const { world, gateway, id } = await asked()
    await gateway.decide(id, 'reject', mina)
    world.ledger.advance(minutes(30))
    expect(
      await gateway.people.annotate({ id, person: lead, finding: 'happened', note: null }),
    ).toMatchObject({
      ok: false,
      error: { because: { reason: 'not_an_approver' } },
    })
  })

  test('a rule that names other people later is another rule', async () => {
    const { world, gateway, id } = await asked()
    await world.putInForce(policy.replace('leads', 'others'))
    await gateway.rejudge(id)
    expect((await world.ledger.get(id))?.approval).toMatchObject({
      outcome: { kind: 'invalidated', change: expect.stringContaining('escalation: after 1200 s leads') },
    })
  })

  test('other reminders are the same rule', async () => {
    const { world, gateway, id } = await asked()
    await world.putInForce(policy.replace('[10m, 30m]', '[5m]'))
    expect(await gateway.rejudge(id)).toMatchObject({ kind: 'stands' })
  })
})

/** A channel that does what it is told to, and the store of what it has posted. */
function aChannel(world: World) {
  const posts: Nudging[] = []
  let fault: ChannelFault | null = null
  let isPostedAnyway = false
  const channel: Channel = {
    name: 'slack',
    show: async () => ({ place: 'here', renderDigest: '' }),
    tell: async () => true,
    async nudge(nudging) {
      if (fault === null || isPostedAnyway) posts.push(nudging)
      if (fault !== null) throw fault
      return nudging.people.map(({ id }) => id)
    },
  }
  const nudges = createMemoryNudges(world.ledger, () => 'here')
  const directory = { people: () => [mina, owner, lead, { id: 'hana', name: 'Hana', groups: [] }] }
  const deps = { ledger: world.ledger, nudges, directory, channels: [channel], log: silentLog }
  return {
    posts,
    nudges,
    deps,
    post: createPostNudges(deps),
    fails(with_: ChannelFault | null, anyway = false) {
      fault = with_
      isPostedAnyway = anyway
    },
  }
}

describe('in a channel', () => {
  async function due(afterMinutes: number, text?: string) {
    const all = await asked(text)
    all.world.ledger.advance(minutes(afterMinutes))
    await attend(all)
    return { ...all, ...aChannel(all.world) }
  }
  const calledIn = (posts: readonly Nudging[]) =>
    posts.map(({ nudge, people }) => `${nudge.kind}: ${people.map(({ id }) => id).join(', ')}`)

  test('a reminder calls those who may decide, never the owner; once, whoever posts', async () => {
    const { id, deps, posts } = await due(10)
    await Promise.all(Array.from({ length: 5 }, () => createPostNudges(deps)(id)))
    expect(calledIn(posts)).toEqual(['reminder: mina'])
  })

  test('an escalation calls the new ones only, a reminder after it all', async () => {
    const { id, post, posts, world, gateway } = await due(20)
    await post(id)
    world.ledger.advance(minutes(10))
    await attend({ world, gateway, id })
    await post(id)
    // The reminder of minute 10 came late as well, and those who may decide by then are more.
    expect(calledIn(posts)).toEqual(['escalation: sora', 'reminder: mina, sora', 'reminder: mina, sora'])
  })

  test('an escalation calls people of a later stage as well, who stand in for the one that is asked', async () => {
    const stages = '      stages: [{ groups: [ops] }, { groups: [leads] }]'
    const { id, post, posts } = await due(20, `${policy}\n${stages}`)
    await post(id)
    expect(calledIn(posts)).toContain('escalation: sora')
  })

  test('nobody is called who has decided meanwhile', async () => {
    const { id, post, posts, gateway } = await due(10)
    await gateway.decide(id)
    await post(id)
    expect(posts).toEqual([])
  })

  test('what certainly was not posted is posted later, and only the newest reminder', async () => {
    const all = await due(10)
    all.fails(new ChannelFault('away', true, null, { isCertainlyUnposted: true }))
    await expect(all.post(all.id)).rejects.toThrow('away')
    expect(await all.nudges.untaken('slack', 10)).toEqual([all.id])
    all.world.ledger.advance(minutes(20))
    await attend(all)
    all.fails(null)
    await all.post(all.id)
    await all.post(all.id)
    expect(calledIn(all.posts)).toEqual(['escalation: sora', 'reminder: mina, sora'])
  })

  test('what was refused, as with a token that was revoked, is posted once somebody has repaired the set-up', async () => {
    const all = await due(20)
    all.fails(new ChannelFault('token_revoked', false, null, { isCertainlyUnposted: true }))
    await all.post(all.id)
    expect(await all.nudges.untaken('slack', 10)).toEqual([all.id])
    all.fails(null)
    await all.post(all.id)
    await all.post(all.id)
    expect(calledIn(all.posts)).toEqual(['escalation: sora', 'reminder: mina, sora'])
  })

  test('what was perhaps posted is not posted again', async () => {
    const all = await due(10)
    all.fails(new ChannelFault('no answer', true, null), true)
    await all.post(all.id)
    all.fails(null)
    await all.post(all.id)
    expect(all.posts).toHaveLength(1)
    expect(await all.nudges.untaken('slack', 10)).toEqual([])
  })

  test('a process that dies between taking and posting leaves one unsaid, and nobody says it twice', async () => {
    const all = await due(10)
    expect(await all.nudges.take(all.id, 'slack', 1)).toBe('here')
    await all.post(all.id)
    expect(all.posts).toEqual([])
  })
})
