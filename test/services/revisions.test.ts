/** Another policy comes into force while calls wait: what they become, who follows, and what nobody can do any more. */
import { expect, test } from 'vitest'
import type { Approval, Settled } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { ApproverChain } from '../../src/domain/policy.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { Revisions } from '../../src/ports/revisions.ts'
import { keepJudged } from '../../src/services/rejudge.ts'
import { approvers, mina } from '../support/builders.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

const asks = 'default: require_approval'
const security: ApproverChain = { groups: ['security'], people: [], selfConfirm: false }
const sara = { id: 'sara', name: 'Sara', groups: ['security'] }

type Gateway = Awaited<ReturnType<typeof aGateway>>

async function waiting(options: Parameters<typeof aGateway>[1] = {}) {
  const world = aWorld()
  const gateway = await aGateway(world, options)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('nobody was asked')
  return { world, gateway, id: asked.value.approval.id }
}

async function recordOf({ ledger }: World, id: ApprovalId): Promise<Approval> {
  const reading = await ledger.get(id)
  if (reading === null) throw new Error(`${id} is not there`)
  return reading.approval
}

async function endedOf(world: World, id: ApprovalId): Promise<Settled> {
  const approval = await recordOf(world, id)
  if (approval.status !== 'settled') throw new Error(`${id} is ${approval.status}`)
  return approval
}

async function successorOf(world: World, id: ApprovalId): Promise<Approval> {
  const { outcome } = await endedOf(world, id)
  if (outcome.kind !== 'invalidated' || outcome.successor === null) throw new Error(`${id} has no successor`)
  return recordOf(world, outcome.successor)
}

/** The loop of a gateway, until everything is judged. */
async function judged(world: World, ...gateways: Gateway[]): Promise<void> {
  const stop = new AbortController()
  const loops = gateways.map(({ rejudge, rules }) =>
    keepJudged({
      ...{ ledger: world.ledger, rejudge, rules, servers: ['github'], clock, log: silentLog },
      ...{ timings: { ...defaultTimings, loopMs: 5 }, stopping: stop.signal },
    }),
  )
  await expect.poll(() => world.ledger.unjudged(['github'], 1)).toEqual([])
  stop.abort()
  await Promise.all(loops)
}

test.each([
  ['the same rule in other words', '# tidied up\ndefault: require_approval', approvers],
  ['a rule that allows it', 'default: allow', approvers],
])('%s keeps a waiting call and one that was approved, the decision included', async (_what, text, chain) => {
  const { world, gateway, id } = await waiting()
  await world.putInForce(text, chain)
  await judged(world, gateway)
  expect(await recordOf(world, id)).toMatchObject({ status: 'pending', version: 1 })
  expect(await gateway.decide(id)).toMatchObject({ ok: true })
  await world.putInForce(`${text}\n# again`, chain)
  await judged(world, gateway)
  expect(await recordOf(world, id)).toMatchObject({ status: 'approved', version: 2 })
  expect(await gateway.hold(id)).toMatchObject({ kind: 'settled', approval: { id } })
  expect(world.upstream.sent).toHaveLength(1)
})

test('a rule that asks others ends the call and asks anew, with the difference, in one step', async () => {
  const { world, gateway, id } = await waiting()
  const before = await recordOf(world, id)
  await gateway.decide(id)
  await world.putInForce('require_approval: { delete_repository: It cannot be undone. }', security)
  await judged(world, gateway)
  const successor = await successorOf(world, id)
  expect(successor).toMatchObject({
    status: 'pending',
    asked: before.asked,
    asking: { approvers: security, reason: 'It cannot be undone.' },
    predecessor: { id, difference: 'approvers: ops → security; reason: none → “It cannot be undone.”' },
  })
  expect(successor.id).not.toBe(id)
  expect(successor.nonce).not.toBe(before.nonce)
  expect(successor.proposed.digest).not.toBe(before.proposed.digest)
  expect((await endedOf(world, id)).outcome).toMatchObject({
    change: 'the rule changed: approvers: ops → security; reason: none → “It cannot be undone.”',
  })
  expect(world.jobs).toContain(`deliver ${successor.id}.1`)
  expect(world.upstream.sent).toEqual([])
})

test('the one who waits waits on for the successor, is told at once, and gets its outcome', async () => {
  const { world, gateway, id } = await waiting()
  const seen: ApprovalId[] = []
  const { signal } = new AbortController()
  const held = gateway.awaitOutcome({
    ...{ id, session: world.upstream, holdMs: 5_000, signal },
    onLook: (approval) => seen.push(approval.id),
  })
  await world.putInForce(asks, security)
  await judged(world, gateway)
  const successor = await successorOf(world, id)
  await expect.poll(() => seen).toContain(successor.id)
  expect(await world.ledger.waitingNodes(successor.id)).toEqual(['gateway-1'])
  expect(await gateway.decide(successor.id, 'approve', mina)).toMatchObject({ ok: false })
  expect(await gateway.decide(successor.id, 'approve', sara)).toMatchObject({ ok: true })
  expect(await held).toMatchObject({
    kind: 'settled',
    approval: { id: successor.id, outcome: { kind: 'answered' } },
    replyText: '{"content":[]}',
  })
  expect(world.upstream.sent.map(({ approvalId }) => approvalId)).toEqual([successor.id])
})

test('whoever comes with the old ticket follows a chain of successors to its end', async () => {
  const { world, gateway, id } = await waiting()
  for (let round = 0; round < 5; round++) {
    await world.putInForce(`require_approval: { delete_repository: reason ${round} }`)
    await judged(world, gateway)
  }
  let last = await recordOf(world, id)
  while (last.status === 'settled') last = await successorOf(world, last.id)
  await gateway.decide(last.id, 'reject')
  expect(await gateway.hold(id)).toMatchObject({ approval: { id: last.id, outcome: { kind: 'rejected' } } })
})

test('a repeat of the call attaches to the successor, also under its idempotency key', async () => {
  const world = aWorld()
  const gateway = await aGateway(world, { limits: { pendingPerPrincipalMax: 1 } })
  const first = await gateway.ask({ idempotencyKey: 'k' })
  if (!first.ok || first.value.kind !== 'waiting') throw new Error('nobody was asked')
  await world.putInForce(asks, security)
  await judged(world, gateway)
  const { id } = await successorOf(world, first.value.approval.id)
  const again = await gateway.ask({ idempotencyKey: 'k' })
  expect(again).toMatchObject({ ok: true, value: { isNew: false, approval: { id } } })
  // One call, counted once.
  expect(await gateway.ask({ idempotencyKey: 'other' })).toMatchObject({
    error: { reason: 'too_many_pending', pending: 1 },
  })
})

test.each([
  ['deny', 'deny: { delete_repository: Repositories are archived. }', /archived/],
  ['hide', "hide: ['*']", /hides/],
])('a rule that says %s ends what waits, and the agent is told why', async (_what, text, why) => {
  const { world, gateway, id } = await waiting()
  const held = gateway.hold(id)
  await world.putInForce(text)
  await judged(world, gateway)
  expect(await held).toMatchObject({
    approval: { id, outcome: { kind: 'invalidated', successor: null, forbidden: true } },
  })
  const { outcome } = await endedOf(world, id)
  expect(outcome.kind === 'invalidated' && outcome.change).toMatch(why)
})

test('a yes under a rule that is not in force any more is refused, and says where it goes on', async () => {
  const { world, gateway, id } = await waiting()
  // Before any loop has looked.
  await world.putInForce(asks, security)
  const refused = await gateway.decide(id, 'approve', mina)
  const { id: successor } = await successorOf(world, id)
  expect(refused).toMatchObject({
    ok: false,
    error: { reason: 'refused', approval: { outcome: { kind: 'invalidated', successor } } },
  })
})

test('a no counts under any rule', async () => {
  const { world, gateway, id } = await waiting()
  await world.putInForce(asks, security)
  expect(await gateway.decide(id, 'reject', mina)).toMatchObject({ ok: true })
})

test('of a click and a revision that come together, the click counts before it or is refused', async () => {
  const kinds = new Set<string>()
  for (let round = 0; round < 40; round++) {
    const { world, gateway, id } = await waiting()
    const pause = async () => {
      for (let tick = 0; tick < round; tick++) await Promise.resolve()
    }
    const [decided] = await Promise.all([
      gateway.decide(id),
      pause().then(() => world.putInForce(asks, security)),
    ])
    kinds.add(decided.ok ? 'counted' : 'refused')
    await judged(world, gateway)
    await gateway.resume(id)
    expect(await successorOf(world, id)).toMatchObject({ status: 'pending' })
    expect(world.upstream.sent).toEqual([])
  }
  expect([...kinds].sort()).toEqual(['counted', 'refused'])
})

test('an approved call does not run under the old rule, whatever its gateway remembers', async () => {
  const { world, gateway, id } = await waiting()
  await gateway.decide(id)
  const deaf = await aGateway(world, {
    node: 'gateway-2',
    revisions: { ...world.ledger.revisions, onChange: () => () => {} },
  })
  await world.putInForce('default: deny')
  expect(deaf.rules.of('github')?.revision).toBe(1)
  await deaf.hold(id)
  expect((await endedOf(world, id)).outcome).toMatchObject({ kind: 'invalidated', forbidden: true })
  expect(world.upstream.sent).toEqual([])
})

test('a stricter rule that comes into force while the upstream is being asked still stops the call', async () => {
  const { world, gateway, id } = await waiting()
  await gateway.decide(id)
  const { describe } = world.upstream
  const late = {
    ...world.upstream,
    async describe(tool: string) {
      await world.putInForce(asks, security)
      return describe(tool)
    },
  }
  const held = gateway.hold(id, 500, new AbortController().signal, late)
  await expect.poll(async () => (await recordOf(world, id)).status).toBe('settled')
  expect(await successorOf(world, id)).toMatchObject({ asking: { approvers: security } })
  expect(await held).toMatchObject({ kind: 'still_waiting' })
  expect(world.upstream.sent).toEqual([])
})

test('several gateways judge at once, and each call gets one successor', async () => {
  const world = aWorld()
  const gateways = [await aGateway(world), await aGateway(world, { node: 'gateway-2' })]
  const ids: ApprovalId[] = []
  for (let n = 0; n < 12; n++) {
    const asked = await gateways[n % 2]?.ask({ arguments: { n } })
    if (asked?.ok && asked.value.kind === 'waiting') ids.push(asked.value.approval.id)
  }
  await world.putInForce(asks, security)
  await judged(world, ...gateways)
  const successors = await Promise.all(ids.map((id) => successorOf(world, id)))
  expect(new Set(successors.map(({ id }) => id)).size).toBe(12)
  const open = await world.ledger.list({ statuses: ['pending'], principal: null, limit: 100, after: null })
  expect(open).toHaveLength(12)
})

test('what a gateway left half-way when it died, another one finishes', async () => {
  const world = aWorld()
  const dying = await aGateway(world)
  const ids: ApprovalId[] = []
  for (let n = 0; n < 4; n++) {
    const asked = await dying.ask({ arguments: { n } })
    if (asked.ok && asked.value.kind === 'waiting') ids.push(asked.value.approval.id)
  }
  await world.putInForce(asks, security)
  // It has done two of four when it dies.
  for (const id of ids.slice(0, 2)) await dying.rejudge(id)
  expect(await world.ledger.unjudged(['github'], 10)).toEqual(ids.slice(2))
  await judged(world, await aGateway(world, { node: 'gateway-2' }))
  for (const id of ids) expect(await successorOf(world, id)).toMatchObject({ status: 'pending' })
})

test('a text that this version cannot read shuts the gate: nothing asks, nobody says yes, nothing runs', async () => {
  const { world, gateway, id } = await waiting()
  const { id: other } = await gateway.ask({ arguments: { other: true } }).then((asked) => {
    if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('nobody was asked')
    return asked.value.approval
  })
  await gateway.decide(other)
  await world.putInForce('default: ask_the_oracle')
  await gateway.rules.refresh()
  expect(gateway.rules.of('github')).toBeNull()
  expect(gateway.rules.unreadable()).toMatchObject([{ server: 'github', problem: /ask_the_oracle/ }])
  expect(await gateway.decide(id)).toMatchObject({ ok: false, error: { reason: 'rules_unreadable' } })
  expect(await gateway.hold(other, 50)).toMatchObject({
    kind: 'still_waiting',
    approval: { status: 'approved' },
  })
  expect(await world.ledger.unsentReason(other)).toMatch(/cannot read/)
  expect(world.upstream.sent).toEqual([])
  // Whoever can read it brings everything back to life.
  await world.putInForce(asks)
  await gateway.rules.refresh()
  expect(await gateway.hold(other)).toMatchObject({ kind: 'settled' })
  expect(world.upstream.sent).toHaveLength(1)
})

test('while the ledger is away the last known rules go on, and afterwards the new ones are seen', async () => {
  const world = aWorld()
  await world.putInForce('default: allow')
  let isAway = false
  const away: Revisions = {
    ...world.ledger.revisions,
    async inForce() {
      if (isAway) throw new Error('connection refused')
      return world.ledger.revisions.inForce()
    },
    onChange: () => () => {},
  }
  const gateway = await aGateway(world, { revisions: away })
  const stop = new AbortController()
  const fresh = gateway.rules.keepFresh(stop.signal)
  isAway = true
  await world.putInForce('default: deny')
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(gateway.rules.of('github')).toMatchObject({ revision: 1 })
  isAway = false
  await expect.poll(() => gateway.rules.of('github')?.revision).toBe(2)
  stop.abort()
  await fresh
})
