/** Who can say which of several yeses, against every possible order and seating of the people. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Pending, Vote } from '../../src/domain/approval.ts'
import type { Stage } from '../../src/domain/policy/rule.ts'
import type { Person } from '../../src/domain/principal.ts'
import { canBeMet, isIn, stageNow, standingOf, turnOf } from '../../src/domain/quorum.ts'
import { anApproval } from '../support/builders.ts'

const ids = ['a', 'b', 'c', 'd', 'e', 'boss']
const groups = ['ops', 'finance', 'security']
const person = (id: string): fc.Arbitrary<Person> =>
  fc.subarray(id === 'boss' ? [] : groups).map((own) => ({ id, name: id, groups: own }))
const stage: fc.Arbitrary<Stage> = fc.record({
  groups: fc.subarray(groups, { minLength: 1 }),
  people: fc.subarray(['a', 'b'], { maxLength: 1 }),
  quorum: fc.integer({ min: 1, max: 2 }),
})
const stages = fc.array(stage, { minLength: 1, maxLength: 3 })
const people = fc.tuple(...ids.map(person))
/** Who may also say every yes: from the start, later, or never. */
const escalation = fc.constantFrom(null, 0, 1)

/** Every way to let one person after another take one place. */
function canSeat(left: readonly Stage[], able: readonly Person[]): boolean {
  const [first, ...others] = left.filter(({ quorum }) => quorum > 0)
  if (first === undefined) return true
  const rest = [{ ...first, quorum: first.quorum - 1 }, ...others]
  return able.some(
    (who) =>
      isIn(first, who) &&
      canSeat(
        rest,
        able.filter(({ id }) => id !== who.id),
      ),
  )
}

test('whether the people suffice', () => {
  fc.assert(
    fc.property(stages, people, (wanted, all) => {
      expect(canBeMet(wanted, all)).toBe(canSeat(wanted, all))
    }),
    { numRuns: 1_000 },
  )
})

test('a yes counts unless it takes away the last one that a later stage could have, so that nobody gets stuck', () => {
  let refused = 0
  let complete = 0
  fc.assert(
    fc.property(
      stages,
      people,
      escalation,
      fc.array(fc.nat(ids.length - 1), { maxLength: 25 }),
      (wanted, all, afterMs, order) => {
        const base = anApproval().approval
        const steps = afterMs === null ? [] : [{ afterMs, groups: [], people: ['boss'] }]
        const able = all.filter(({ id }) => id !== base.asked.requester.owner)
        let votes: readonly Vote[] = []
        const open = () =>
          wanted.map((one, at) => ({
            ...one,
            people: [...one.people, ...steps.flatMap((step) => step.people)],
            quorum: one.quorum - votes.filter((vote) => vote.stage === at).length,
          }))
        const canBeDone = () =>
          canSeat(
            open(),
            able.filter(({ id }) => !votes.some(({ by }) => by === id)),
          )
        // Those who try in this order, and after them everybody as often as it could take.
        for (const at of [...order, ...ids.flatMap(() => ids.map((_id, index) => index))]) {
          const who = all[at]
          if (who === undefined || stageNow(wanted, votes) === wanted.length) continue
          const approval: Pending = {
            ...base,
            votes,
            asking: { ...base.asking, stages: wanted, escalation: steps },
          }
          const known = { person: () => null, people: () => all }
          const nowMs = base.createdAtMs
          const turn = turnOf(wanted, votes, who.id, standingOf(who, approval, known, nowMs))
          const could = canBeDone()
          const before = votes
          if (turn.kind === 'kept') {
            refused++
            expect(turn.stage).toBeGreaterThan(stageNow(wanted, votes))
          }
          if (turn.kind !== 'counts' && turn.kind !== 'kept') continue
          const counted = [...votes, aVote(who.id, stageNow(wanted, votes))]
          votes = counted
          const canStill = canBeDone()
          // With those who may now; where they could not complete it anyway, with whom an escalation calls later.
          if (turn.kind === 'counts') expect(canStill || !could).toBe(true)
          else if (afterMs !== 1) expect([could, canStill]).toEqual([true, false])
          if (turn.kind === 'kept') votes = before
        }
        if (canSeat(wanted.map(withBoss), able)) {
          expect(stageNow(wanted, votes) === wanted.length || afterMs === 1).toBe(true)
          complete++
        }

        function withBoss(one: Stage): Stage {
          return { ...one, people: [...one.people, ...steps.flatMap((step) => step.people)] }
        }
      },
    ),
    { numRuns: 1_000 },
  )
  expect(refused).toBeGreaterThan(20)
  expect(complete).toBeGreaterThan(20)
})

const aVote = (by: string, at: number): Vote => ({
  ...{ stage: at, by, reason: null, digest: 'd', via: 'api', atMs: 0 },
})
