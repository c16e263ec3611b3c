/** Several yeses: how many different people, of whom, in which order; what ends them, and what a race can make of them. */
import { describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { present, yesOf } from '../../src/domain/present.ts'
import type { Person } from '../../src/domain/principal.ts'
import { progressText } from '../../src/domain/quorum-text.ts'
import { refusedStep } from '../../src/domain/refused-step.ts'
import type { Deadline } from '../../src/domain/transition.ts'
import { waitingInWords } from '../../src/mcp/downstream/waiting-words.ts'
import { owner } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

const aPerson = (id: string, ...groups: string[]): Person => ({ id, name: id, groups })
const mina = aPerson('mina', 'ops')
const lee = aPerson('lee', 'ops', 'security')
const park = aPerson('park', 'ops')
const sora = aPerson('sora', 'security')
const han = aPerson('han', 'security', 'ops')
const everybody = [mina, lee, park, sora, han, owner]

const rule = (approval: string) => `rules: [{ tools: "*", action: require_approval, approval: ${approval} }]`
const TWO = rule('{ groups: [ops], quorum: 2 }')
const STAGES = rule('{ stages: [{ groups: [ops], quorum: 2 }, { groups: [security] }] }')

async function asked(policy = TWO, people: Person[] = [...everybody]) {
  const world = aWorld()
  await world.putInForce(policy)
  const gateway = await aGateway(world, { people })
  const made = await gateway.ask()
  if (!made.ok || made.value.kind !== 'waiting') throw new Error(JSON.stringify(made))
  const { id } = made.value.approval
  async function now(): Promise<Approval> {
    const reading = await world.ledger.get(id)
    if (reading === null) throw new Error('gone')
    return reading.approval
  }
  const yes = (person: Person) => gateway.decide(id, 'approve', person)
  const no = (person: Person) => gateway.decide(id, 'reject', person)
  const takeBack = (person: Person) => gateway.people.takeBack({ id, person, reason: null, via: 'api' })
  const by = async () => (await now()).votes.map((vote) => vote.by)
  return { world, gateway, id, people, now, yes, no, takeBack, by }
}
const refusedFor = (reason: string) => ({ ok: false, error: { reason: 'refused', refusal: { reason } } })
const decisionOf = (approval: Approval) =>
  approval.status === 'approved'
    ? approval.decision
    : approval.status === 'settled' && approval.outcome.kind === 'rejected'
      ? approval.outcome.decision
      : null

test('who stands in for a stage by an escalation has that right since then, for the audit and the ledger', async () => {
  const { world, id, yes } = await asked(
    rule(
      '{ stages: [{ groups: [ops] }, { groups: [security] }], timeout: 60m, escalation: [{ after: 20m, groups: [security] }] }',
    ),
  )
  const { save } = world.ledger
  const deadlines: Deadline[] = []
  world.ledger.save = (change) => {
    deadlines.push(change.deadline)
    return save(change)
  }
  expect(await yes(sora)).toMatchObject(refusedFor('not_your_turn'))
  const fromMs = 1_000_000 + 20 * 60_000
  world.ledger.advance(20 * 60_000)
  expect(await yes(sora)).toMatchObject({ ok: true, value: { votes: [{ by: 'sora', stage: 0 }] } })
  expect(await yes(lee)).toMatchObject({ ok: true, value: { status: 'approved' } })
  const trail = (await world.ledger.auditTrail(id)).map(({ payload }) => JSON.parse(payload).details)
  expect(trail.slice(-2).map(({ by, mayFrom }) => [by, mayFrom])).toEqual([
    ['sora', new Date(fromMs).toISOString()],
    ['lee', undefined],
  ])
  expect(deadlines.slice(-2)).toMatchObject([{ kind: 'within', fromMs }, { kind: 'before' }])
})

describe('two of a group', () => {
  test('one yes is kept and told, the second decides, and both stand in the record', async () => {
    const { world, id, yes, now } = await asked()
    expect(await yes(mina)).toMatchObject({ ok: true, value: { status: 'pending' } })
    const half = await now()
    expect(progressText(half.asking.stages, half.votes)).toBe(
      '1 of 2 approved (mina); waiting for one more of ops.',
    )
    expect(waitingInWords(half, 60_000)).toContain('1 of 2 approved (mina); waiting for one more of ops.')
    expect(await yes(lee)).toMatchObject({ ok: true, value: { status: 'approved' } })
    expect(decisionOf(await now())).toMatchObject({ by: 'lee', with: ['mina'] })
    const audit = (await world.ledger.auditTrail(id)).map(({ payload }) => JSON.parse(payload))
    expect(audit.map(({ event, details }) => [event, details.by, details.yeses])).toEqual([
      ['ask', undefined, undefined],
      ['decide', 'mina', 1],
      ['decide', 'lee', 2],
    ])
    expect((await now()).v).toBe(2)
  })

  test('nothing is sent before it is complete, and then once, also after many yeses', async () => {
    const { world, gateway, id, yes } = await asked()
    const held = gateway.hold(id)
    await yes(mina)
    await gateway.resume(id)
    expect(world.upstream.sent).toEqual([])
    await yes(lee)
    await yes(park)
    expect(await held).toMatchObject({ kind: 'settled', approval: { outcome: { kind: 'answered' } } })
    expect(world.upstream.sent).toHaveLength(1)
  })

  test('nobody counts twice, through whichever door and for whichever group', async () => {
    const { gateway, id, now, yes, by } = await asked()
    const both = rule('{ groups: [ops, security], quorum: 2 }')
    await yes(han)
    const { digest } = (await now()).proposed
    for (const via of ['slack', 'console', 'cli'] as const) {
      const again = await gateway.people.decide({
        id,
        person: han,
        answer: 'approve',
        digest,
        reason: null,
        via,
      })
      expect(again).toMatchObject(refusedFor('voted_already'))
    }
    expect(await by()).toEqual(['han'])
    const two = await asked(both)
    await two.yes(han)
    expect(await two.yes(han)).toMatchObject(refusedFor('voted_already'))
    expect(await two.now()).toMatchObject({ status: 'pending' })
  })

  test('one no denies it at once, also by somebody who had said yes', async () => {
    for (const person of [lee, mina]) {
      const { yes, no, now } = await asked()
      await yes(mina)
      await no(person)
      expect(await now()).toMatchObject({ outcome: { kind: 'rejected', decision: { by: person.id } } })
    }
  })

  test('a yes can be taken back while it decides nothing, by the one who said it', async () => {
    const { yes, takeBack, by, now } = await asked()
    await yes(mina)
    expect(await takeBack(lee)).toMatchObject(refusedFor('no_vote'))
    expect(await takeBack(mina)).toMatchObject({ ok: true })
    expect(await by()).toEqual([])
    await yes(lee)
    expect(await now()).toMatchObject({ status: 'pending' })
    await yes(mina)
    expect(await now()).toMatchObject({ status: 'approved' })
    expect(await takeBack(mina)).toMatchObject(refusedFor('wrong_status'))
  })

  test('neither the owner nor somebody of no group counts, and a confirmation is no yes', async () => {
    const { yes, now } = await asked(rule('{ groups: [ops], people: [jun], quorum: 2 }'), [
      ...everybody,
      { ...owner, groups: ['ops'] },
    ])
    expect(await yes({ ...owner, groups: ['ops'] })).toMatchObject({
      error: { reason: 'unauthorised', because: { reason: 'own_call' } },
    })
    expect(await yes(sora)).toMatchObject({ error: { because: { reason: 'not_an_approver' } } })
    expect(await now()).toMatchObject({ version: 1 })

    const world = aWorld()
    await world.putInForce(TWO, { groups: ['ops'], people: [], selfConfirm: true })
    const gateway = await aGateway(world, { people: everybody })
    const made = await gateway.ask()
    if (!made.ok || made.value.kind !== 'waiting') throw new Error('not asked')
    expect(made.value.approval.asking.approvers.selfConfirm).toBe(false)
    expect(await gateway.decide(made.value.approval.id, 'approve', owner)).toMatchObject({
      error: { because: { reason: 'own_call' } },
    })
  })

  test('an edit voids the yeses, and yeses to the earlier arguments are refused', async () => {
    const { gateway, id, yes, now, by } = await asked()
    await yes(mina)
    const { digest } = (await now()).proposed
    const edited = await gateway.people.edit({
      ...{ id, person: lee, argumentsText: '{"name":"acme/test"}', digest, reason: null, via: 'api' },
    })
    expect(edited.ok).toBe(true)
    expect(await by()).toEqual([])
    const late = { id, person: park, answer: 'approve', digest, reason: null, via: 'api' } as const
    expect(await gateway.people.decide(late)).toMatchObject(refusedFor('digest_differs'))
    await yes(lee)
    await yes(mina)
    expect(decisionOf(await now())).toMatchObject({ with: ['lee'], by: 'mina' })
  })

  test('who leaves the group before it is complete does not count, and the audit says so', async () => {
    const { world, id, people, yes, now, by } = await asked()
    await yes(mina)
    people.splice(people.indexOf(mina), 1, aPerson('mina', 'interns'))
    expect(await yes(lee)).toMatchObject({ ok: true, value: { status: 'pending' } })
    expect(await by()).toEqual(['lee'])
    const events = (await world.ledger.auditTrail(id)).map(({ payload }) => JSON.parse(payload))
    expect(events.map(({ event }) => event)).toEqual(['ask', 'decide', 'void_votes', 'decide'])
    expect(events[2].details).toMatchObject({ people: ['mina'], yeses: 0, of: 2 })
    await yes(park)
    expect(decisionOf(await now())).toMatchObject({ with: ['lee'], by: 'park' })
  })

  test('who is not in the directory any more does not count either', async () => {
    const { people, yes, by } = await asked()
    await yes(mina)
    people.splice(people.indexOf(mina), 1)
    await yes(lee)
    expect(await by()).toEqual(['lee'])
  })

  test('the same rule keeps the yeses, another one asks anew without them', async () => {
    const { world, gateway, id, yes, now, by } = await asked()
    await yes(mina)
    await world.putInForce(`# said otherwise\n${TWO}`)
    await gateway.rules.refresh()
    await gateway.rejudge(id)
    expect(await by()).toEqual(['mina'])
    await world.putInForce(rule('{ groups: [ops], quorum: 3 }'))
    await gateway.rules.refresh()
    await gateway.rejudge(id)
    const ended = await now()
    expect(ended).toMatchObject({
      outcome: { kind: 'invalidated', change: 'the rule changed: yeses: 2 of ops → 3 of ops' },
    })
    const successor =
      ended.status === 'settled' && ended.outcome.kind === 'invalidated' ? ended.outcome.successor : null
    if (successor === null) throw new Error('nobody is asked again')
    expect((await world.ledger.get(successor))?.approval).toMatchObject({
      votes: [],
      asking: { stages: [{ quorum: 3 }] },
    })
  })

  test('the deadline is for all of them', async () => {
    const { world, gateway, id, yes, now } = await asked()
    await yes(mina)
    world.ledger.advance(4 * 60 * 60_000)
    expect(await yes(lee)).toMatchObject(refusedFor('too_late'))
    await gateway.attend(id)
    expect(await now()).toMatchObject({ outcome: { kind: 'expired' } })
  })

  test('who said yes is told that, and nobody is offered a yes that would not count', async () => {
    const { yes, now } = await asked()
    await yes(mina)
    const approval = await now()
    expect(yesOf(approval, mina, approval.createdAtMs)).toMatchObject({
      kind: 'withheld',
      because: expect.stringContaining('You have said yes already'),
    })
    expect(yesOf(approval, lee, approval.createdAtMs)).toEqual({ kind: 'offered', word: 'Approve' })
    const shown = present(approval, {
      ...{ nowMs: approval.createdAtMs, isRequesterWaiting: true, startWithinMs: 1, when: String },
    })
    expect(shown.state).toBe('1 of 2 approved (mina); waiting for one more of ops.')
    const meaning = (of: Approval) =>
      present(of, {
        nowMs: of.createdAtMs,
        isRequesterWaiting: true,
        startWithinMs: 1,
        when: String,
      }).fields.find(({ label }) => label === 'A yes now')?.text
    expect(meaning({ ...approval, votes: [] })).toBe(
      'it counts as one of 2; nothing runs before 1 more is there',
    )
    expect(meaning(approval)).toBe('it runs at once, exactly as shown')
    expect(shown.fields.find(({ label }) => label === 'Who may decide')?.text).toBe(
      '2 of anyone in ops; each a different person, never the owner of the agent; one no denies it',
    )
  })
})

describe('at the same moment', () => {
  test('of n yeses on three gateways n are kept, each once, and one transition decides', async () => {
    const crowd = Array.from({ length: 20 }, (_one, n) => aPerson(`p${n}`, 'ops'))
    const world = aWorld()
    await world.putInForce(rule('{ groups: [ops], quorum: 20 }'))
    const gateways = await Promise.all(
      ['a', 'b', 'c'].map((node) => aGateway(world, { node, people: [...crowd, owner] })),
    )
    const made = await gateways[0]?.ask()
    if (made?.ok !== true || made.value.kind !== 'waiting') throw new Error('not asked')
    const { id } = made.value.approval
    const said = await Promise.all(
      crowd.flatMap((person, n) =>
        // Everybody twice, through two gateways.
        [0, 1].map(async (more) => gateways[(n + more) % 3]?.decide(id, 'approve', person)),
      ),
    )
    expect(said.filter((one) => one?.ok)).toHaveLength(20)
    const approval = (await world.ledger.get(id))?.approval
    expect(approval).toMatchObject({ status: 'approved', version: 21 })
    expect(new Set(approval?.votes.map(({ by }) => by)).size).toBe(20)
    expect(await world.ledger.auditTrail(id)).toHaveLength(21)
  })

  test('a yes that would complete it and a no: one outcome', async () => {
    for (let round = 0; round < 10; round++) {
      const { yes, no, now } = await asked()
      await yes(mina)
      const [a, b] = await Promise.all(round % 2 === 0 ? [yes(lee), no(park)] : [no(park), yes(lee)])
      expect([a.ok, b.ok].filter(Boolean)).toHaveLength(1)
      expect(['approved', 'settled']).toContain((await now()).status)
    }
  })
})

describe('stages', () => {
  test('the second is asked when the first is complete; before, its people are told so and a no counts', async () => {
    const { yes, no, now } = await asked(STAGES)
    const first = await now()
    expect(progressText(first.asking.stages, first.votes)).toBe(
      'Stage 1 of 2: 0 of 2 approved; waiting for two of ops; then 1 of security.',
    )
    expect(await yes(sora)).toMatchObject(refusedFor('not_your_turn'))
    expect(yesOf(first, sora, first.createdAtMs)).toMatchObject({
      because: expect.stringContaining('It is not your turn yet. Stage 1 of 2'),
    })
    await yes(mina)
    await yes(park)
    const second = await now()
    expect(progressText(second.asking.stages, second.votes)).toBe(
      'Stage 2 of 2: 0 of 1 approved; waiting for one of security.',
    )
    await yes(sora)
    expect(decisionOf(await now())).toMatchObject({ by: 'sora', with: ['mina', 'park'] })

    const denied = await asked(STAGES)
    await denied.no(sora)
    expect(await denied.now()).toMatchObject({ outcome: { kind: 'rejected', decision: { by: 'sora' } } })
    expect(no).toBeTypeOf('function')
  })

  test('whoever said yes in one stage does not count in another; a complete stage takes no more', async () => {
    const { yes, now } = await asked(STAGES)
    await yes(lee)
    await yes(mina)
    expect(await yes(lee)).toMatchObject(refusedFor('voted_already'))
    expect(await yes(park)).toMatchObject(refusedFor('not_needed'))
    expect(await now()).toMatchObject({ status: 'pending' })
    await yes(han)
    expect(await now()).toMatchObject({
      status: 'approved',
      votes: [{ stage: 0 }, { stage: 0 }, { stage: 1 }],
    })
  })

  test('a yes that would leave a later stage without anybody is refused, and says whose it is', async () => {
    const two = '{ stages: [{ groups: [ops] }, { people: [lee] }, { groups: [security] }] }'
    const { people, yes, takeBack, now } = await asked(rule(two))
    const kept = await yes(lee)
    expect(kept).toMatchObject({
      error: { reason: 'refused', refusal: { reason: 'kept_for_later', stage: 1 } },
    })
    if (kept.ok || kept.error.reason !== 'refused') throw new Error('counted')
    if (kept.error.refusal.reason !== 'kept_for_later') throw new Error('another reason')
    expect(refusedStep(kept.error.refusal, String).text).toBe(
      'Nothing was changed. Your yes is needed in stage 2 (1 of lee), which could not be completed without you, and nobody counts twice: somebody else has to say this one. Stage 1 of 3: 0 of 1 approved; waiting for one of ops; then 1 of lee, then 1 of security.',
    )
    // Of several for the last stage nobody is kept for it; the last of them is.
    await yes(han)
    await takeBack(han)
    people.splice(people.indexOf(sora), 1)
    expect(await yes(han)).toMatchObject(refusedFor('kept_for_later'))
    await yes(mina)
    await yes(lee)
    await yes(han)
    expect(await now()).toMatchObject({ status: 'approved' })
  })

  test('where it could not be completed anyway, a yes counts; who is called later stands in', async () => {
    const nobody = await asked(rule('{ stages: [{ groups: [ops] }, { people: [lee] }, { people: [gone] }] }'))
    expect(await nobody.yes(lee)).toMatchObject({ ok: true })
    const later = await asked(
      rule(
        '{ stages: [{ people: [lee] }, { people: [lee] }], timeout: 60m, escalation: [{ after: 20m, people: [sora] }] }',
      ),
    )
    expect(await later.yes(lee)).toMatchObject({ ok: true })
    later.world.ledger.advance(20 * 60_000)
    expect(await later.yes(sora)).toMatchObject({ ok: true, value: { status: 'approved' } })
  })

  test('who is next is called once, also when the stage before is undone and done again', async () => {
    const { yes, takeBack, now } = await asked(STAGES)
    await yes(mina)
    await yes(park)
    for (let n = 0; n < 3; n++) {
      await takeBack(mina)
      await yes(mina)
    }
    expect((await now()).nudges.map(({ kind }) => kind)).toEqual(['stage'])
  })

  test('a yes taken back in the first stage opens it again', async () => {
    const { yes, takeBack, now } = await asked(STAGES)
    await yes(mina)
    await yes(park)
    await takeBack(mina)
    expect(await yes(sora)).toMatchObject(refusedFor('not_your_turn'))
    await yes(lee)
    await yes(sora)
    expect(await now()).toMatchObject({ status: 'approved' })
  })
})
