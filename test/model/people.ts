/**
 * Several people in the model, of whom two have to say yes: each says it, takes it back, and leaves the group, in steps of their
 * own. Who means yes at the moment is kept beside the record, by what people did, so that the record can be held against it.
 */
import type { Approval } from '../../src/domain/approval.ts'
import type { Stage } from '../../src/domain/policy/rule.ts'
import type { Person } from '../../src/domain/principal.ts'
import { standingOf } from '../../src/domain/quorum.ts'
import type { ApprovalEvent } from '../../src/domain/transition.ts'
import { approveEvent } from '../support/builders.ts'

/** All of the group that may decide. */
export const people = ['mina', 'sora', 'ari']
const QUORUM = 2
export const twoYeses: readonly Stage[] = [{ groups: ['ops'], people: [], quorum: QUORUM }]

export interface Meant {
  /** Who means yes to what stands there now, and is one of the group. */
  readonly yeses: readonly string[]
  /** Without a bound there would be no end of states. */
  readonly takenBack: number
  readonly left: readonly string[]
}
export const nobodyYet: Meant = { yeses: [], takenBack: 0, left: [] }

const TAKEN_BACK_MAX = 1
const LEFT_MAX = 1
const NOW_MS = 10

/** What a person does; `event` is `null` where nothing of it is written. */
export interface Deed {
  readonly name: string
  readonly event: ((approval: Approval) => ApprovalEvent) | null
  readonly meant: Meant
}

/** @param isBlind nobody looks whether those whose yes is there are still of the group */
export function* deedsOn(approval: Approval, meant: Meant, isBlind: boolean): Generator<Deed> {
  if (approval.status !== 'pending') return
  const { yeses, takenBack, left } = meant
  const personOf = (id: string): Person => ({ id, name: id, groups: left.includes(id) ? [] : ['ops'] })
  const known = { person: personOf, people: () => people.map(personOf) }
  for (const id of people) {
    const standing = standingOf(personOf(id), approval, known, NOW_MS)
    const voters = isBlind ? approval.votes.map(({ by }) => by) : standing.voters
    yield {
      // Who has left counts in what is asked, and not in how it is called.
      name: `${id} says yes${left.join()}`,
      event: (record) => ({ ...approveEvent(record, id), standing: { ...standing, voters } }),
      meant: { ...meant, yeses: [...yeses, id].sort() },
    }
    const others = yeses.filter((other) => other !== id)
    if (takenBack < TAKEN_BACK_MAX)
      yield {
        name: `${id} takes it back`,
        event: () => ({ kind: 'take_back', by: id, via: 'api', reason: null }),
        meant: { ...meant, yeses: others, takenBack: takenBack + 1 },
      }
    if (left.length < LEFT_MAX)
      yield {
        name: `${id} leaves the group`,
        event: null,
        meant: { ...meant, yeses: others, left: [...left, id] },
      }
  }
  const fallen = approval.votes.flatMap(({ by }) => (left.includes(by) ? [by] : []))
  if (fallen.length > 0)
    yield {
      name: `${fallen.join()} counts no more`,
      event: () => ({ kind: 'void_votes', people: fallen }),
      meant,
    }
}

/** An edit is another question: nobody has said yes to it. */
export const meantAfter = (before: Approval, after: Approval, meant: Meant): Meant =>
  after.edits.length > before.edits.length ? { ...meant, yeses: [] } : meant

/** People are alike: what matters is who of them said yes first, means it, and is there, not how they are called. */
export function nameOfMeant(approval: Approval, meant: Meant): string {
  if (meant === nobodyYet) return ''
  const { yeses, takenBack, left } = meant
  const votes = approval.status === 'pending' ? approval.votes.map(({ by }) => by) : []
  const each = people.map(
    (id) => `${votes.indexOf(id)}${yeses.includes(id) ? 'y' : ''}${left.includes(id) ? 'l' : ''}`,
  )
  return `${takenBack}(${each.sort().join()})`
}

/** What a record says with fewer yeses than its rule asks for, or with those of others; `null`: nothing. */
export function brokenYeses(approval: Approval, { yeses }: Meant): string | null {
  const decision =
    approval.status === 'approved' || approval.status === 'executing'
      ? approval.decision
      : approval.status === 'settled' && 'decision' in approval.outcome
        ? approval.outcome.decision
        : null
  if (decision?.kind !== 'approve') return null
  if (yeses.length < QUORUM) return `I6: approved by ${yeses.length} of ${QUORUM} people who mean it`
  const named = [...new Set([decision.by, ...decision.with])].sort()
  return named.join() === yeses.join()
    ? null
    : `I6: the decision names ${named.join()}, and ${yeses.join()} said yes`
}
