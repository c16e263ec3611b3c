/** What is kept about a call whose end nobody knows: before, at the sending, afterwards, and what came later. */
import { expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import { evidenceLines } from '../../src/domain/evidence-text.ts'
import { toldOutcome } from '../../src/mcp/downstream/replies.ts'
import type { Sent } from '../../src/ports/upstream-session.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

async function sentInto(world: World, answer: () => Promise<Sent>) {
  const gateway = await aGateway(world)
  const asked = await gateway.ask()
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('it waits')
  const { id } = asked.value.approval
  world.upstream.answer = answer
  const held = gateway.hold(id)
  await gateway.decide(id)
  return { gateway, id, held, now: async () => (await world.ledger.get(id))?.approval }
}

const evidenceOf = (approval: Approval | undefined) =>
  approval?.status === 'settled' && approval.outcome.kind === 'indeterminate'
    ? approval.outcome.evidence
    : null

const lost: Sent = {
  kind: 'indeterminate',
  reason: 'github answered HTTP 502 without a JSON-RPC answer',
  trace: { progress: 'response', httpStatus: 502, error: 'bad gateway' },
}

test('the pre-flight, how far the sending came, and the upstream afterwards', async () => {
  const world = aWorld()
  const { held, now } = await sentInto(world, async () => lost)
  await held
  await expect.poll(async () => evidenceOf(await now())?.after).not.toBeNull()
  expect(evidenceOf(await now())).toEqual({
    before: { atMs: expect.any(Number), toolDefinitionDigest: 'd'.repeat(64) },
    send: { progress: 'response', httpStatus: 502, error: 'bad gateway' },
    after: { atMs: expect.any(Number), isReachable: true, said: 'it answers, and still offers this tool' },
    lateReplies: [],
    unsent: null,
    lookupsAfter: [],
  })
})

test('an upstream that is away afterwards is said to be, with its reason', async () => {
  const world = aWorld()
  const { held, now } = await sentInto(world, async () => {
    world.upstream.described = { kind: 'unavailable', reason: 'connection refused' }
    return lost
  })
  await held
  await expect
    .poll(async () => evidenceOf(await now())?.after)
    .toMatchObject({
      isReachable: false,
      said: 'connection refused',
    })
})

test('of a gateway that died, what it had noted with its claim is kept', async () => {
  const world = aWorld()
  const { gateway, id, now } = await sentInto(world, () => new Promise(() => {}))
  await expect.poll(async () => (await now())?.status).toBe('executing')
  await world.ledger.dropLease('gateway-1')
  await gateway.attend(id)
  expect(evidenceOf(await now())).toMatchObject({
    before: { toolDefinitionDigest: 'd'.repeat(64) },
    send: { progress: 'unknown' },
  })
})

test('what comes later is kept with digest, size and text; the outcome stays what it is', async () => {
  const world = aWorld()
  let answer = (_sent: Sent) => {}
  const { gateway, id, held, now } = await sentInto(
    world,
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  )
  await expect.poll(async () => (await now())?.status).toBe('executing')
  await world.ledger.dropLease('gateway-1')
  await gateway.attend(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  const text = '{"content":[{"type":"text","text":"늦은 답"}]}'
  answer({ kind: 'answered', reply: { kind: 'result', text, isError: false } })
  await expect.poll(async () => evidenceOf(await now())?.lateReplies).toHaveLength(1)
  expect(evidenceOf(await now())?.lateReplies).toEqual([
    {
      kind: 'result',
      isError: false,
      digest: sha256(text),
      bytes: Buffer.byteLength(text),
      atMs: expect.any(Number),
    },
  ])
  expect(await world.ledger.lateReplies(id)).toEqual([{ atMs: expect.any(Number), text }])
  expect(await now()).toMatchObject({ outcome: { kind: 'indeterminate', annotations: [] } })
  expect(await world.ledger.replyText(id)).toBeNull()
})

test('a gateway that comes back and knows that it sent nothing says so: kept, shown and in the audit; the outcome stays', async () => {
  const world = aWorld()
  let answer = (_sent: Sent) => {}
  const { gateway, id, held, now } = await sentInto(
    world,
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  )
  await expect.poll(async () => (await now())?.status).toBe('executing')
  await world.ledger.dropLease('gateway-1')
  await gateway.attend(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  expect(evidenceOf(await now())?.unsent).toBeNull()
  answer({ kind: 'not_sent', reason: 'the gateway stood still' })
  await expect
    .poll(async () => evidenceOf(await now())?.unsent)
    .toEqual({ reason: 'the gateway stood still', atMs: expect.any(Number) })
  const approval = await now()
  if (approval?.status !== 'settled') throw new Error('it has ended')
  expect(approval).toMatchObject({ outcome: { kind: 'indeterminate', annotations: [] } })
  const evidence = evidenceOf(approval)
  if (evidence === null) throw new Error('nobody knows how it ended')
  expect(evidenceLines(evidence, String).at(-1)).toMatchObject({
    label: 'Came later',
    text: expect.stringMatching(/came back and knows that it sent nothing \(the gateway stood still\)/),
  })
  const trail = await world.ledger.auditTrail(id)
  expect(trail).toHaveLength(approval.version)
  expect(JSON.parse(trail.at(-1)?.payload ?? '')).toMatchObject({
    event: 'prove_unsent',
    details: { reason: 'the gateway stood still' },
  })
  const { text } = toldOutcome(approval, 0)
  expect(text).toMatch(/MAY OR MAY NOT.*came back to say that it had sent nothing.*Do not repeat it/)
})
