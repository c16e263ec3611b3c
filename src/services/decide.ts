/** What people do with an approval: decide, withdraw, say afterwards what really happened. Each is checked at the moment of the act. */
import type { Approval, Door, InstantMs } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { authorise, mayDecideFromMs, type Unauthorised } from '../domain/authority.ts'
import { type GrantWish, mayGrant } from '../domain/grant.ts'
import type { Person } from '../domain/principal.ts'
import { type Standing, standingOf, turnFromMs, YESES_MAX } from '../domain/quorum.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Timings } from '../domain/timings.ts'
import type { ApprovalEvent } from '../domain/transition.ts'
import type { Directory } from '../ports/directory.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import { type AskAgain, createAskAgain, type NotAskable } from './ask-again.ts'
import type { Announce, Change, ChangeOptions } from './change.ts'
import { createEdit, type Edit, type EditRefusal } from './edit.ts'
import type { Judge } from './judge.ts'
import type { Rejudge } from './rejudge.ts'

/** Why an act of a person did not take effect. */
export type DecideRefusal =
  | EditRefusal
  | NotAskable
  /** In force is a policy that this process cannot read, so a yes could not be judged here. */
  | { readonly reason: 'rules_unreadable' }

export interface DecideRequest {
  readonly id: ApprovalId
  readonly person: Person
  readonly answer: 'approve' | 'reject'
  /** The digest that was on the screen when the person decided. */
  readonly digest: string
  readonly reason: string | null
  readonly via: Door
  /** What they allow besides, where the rule lets them. */
  readonly grant?: GrantWish
}

export interface People {
  decide(request: DecideRequest): Promise<Result<Approval, DecideRefusal>>
  /** By an approver who is not the owner of the requesting agent. */
  readonly edit: Edit
  /** Moves the deadline to a later time. By an approver, or by the owner of the requesting agent: it decides nothing. */
  extend(request: {
    id: ApprovalId
    person: Person
    expiresAtMs: InstantMs
    reason: string | null
    via: Door
  }): Promise<Result<Approval, DecideRefusal>>
  /** One's own yes, where the rule asks for several and they are not complete. */
  takeBack(request: {
    id: ApprovalId
    person: Person
    reason: string | null
    via: Door
  }): Promise<Result<Approval, DecideRefusal>>
  /** By an approver, or by the owner of the requesting agent. */
  cancel(request: {
    id: ApprovalId
    person: Person
    reason: string | null
  }): Promise<Result<Approval, DecideRefusal>>
  annotate(request: {
    id: ApprovalId
    person: Person
    finding: 'happened' | 'did_not_happen'
    note: string | null
  }): Promise<Result<Approval, DecideRefusal>>
  /** About a call whose end nobody knows. By whoever may say yes to it. @returns the new approval */
  readonly askAgain: AskAgain
}

/**
 * Revisions of a policy are made by people, and people who say yes at the same moment take turns: more rounds than this during
 * one click mean something else is wrong.
 */
const ROUNDS_MAX = 2 * YESES_MAX + 20

export function createPeople(deps: {
  ledger: Ledger
  change: Change
  directory: Directory
  judge: Judge
  rejudge: Rejudge
  announce: Announce
  timings: Timings
  random: Random
  log: Log
}): People {
  const { ledger, change, directory, rejudge, log } = deps
  const edit = createEdit(deps)
  const askAgain = createAskAgain(deps)

  const refuse = (id: ApprovalId, person: Person, because: Unauthorised) => {
    log.warn(
      { approval: id, person: person.id, because: because.reason },
      'a person without the right tried to act',
    )
    return err({ reason: 'unauthorised', because } as const)
  }

  /**
   * Where the rule asks for several yeses: what is known of everybody at this moment. Whoever is no approver of their stage any
   * more loses their yes first, in a step of its own that the audit shows. `null`: look again.
   */
  async function standing(
    id: ApprovalId,
    person: Person,
  ): Promise<(ChangeOptions & { standing?: Standing; mayFromMs?: InstantMs }) | null> {
    const reading = await ledger.get(id)
    const approval = reading?.approval
    if (reading === null || approval?.status !== 'pending' || approval.asking.stages.length === 0) return {}
    const { version, votes } = approval
    const found = standingOf(person, approval, directory, reading.nowMs)
    const fallen = votes.flatMap(({ by }) => (found.voters.includes(by) ? [] : [by]))
    if (fallen.length === 0) {
      return { standing: found, mayFromMs: turnFromMs(person, approval, reading.nowMs), version }
    }
    await change(id, { kind: 'void_votes', people: fallen }, { version })
    return null
  }

  /** A yes counts only under the rule that is in force at the moment it is written; what that rule ends, nobody decides. */
  async function sayYes(
    id: ApprovalId,
    person: Person,
    said: Extract<ApprovalEvent, { kind: 'decide' }>,
  ): Promise<Result<Approval, DecideRefusal>> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const judged = await rejudge(id)
      if (judged?.kind === 'unreadable') return err({ reason: 'rules_unreadable' })
      const inForce = judged?.kind === 'stands' ? { inForce: judged.revision } : {}
      const known = await standing(id, person)
      if (known === null) continue
      const { standing: found, mayFromMs = said.mayFromMs, ...guard } = known
      const since = mayFromMs === undefined ? {} : { mayFromMs }
      const event = found === undefined ? said : { ...said, ...since, standing: found }
      const decided = await change(id, event, { ...guard, ...inForce })
      if (decided.ok || decided.error.reason !== 'moved_on') return decided
    }
    throw new Error(`${id} or the policy that it asks under kept changing for ${ROUNDS_MAX} rounds`)
  }

  return {
    async decide({ id, person, answer, digest, reason, via, grant }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const { approval, nowMs } = reading
      const kind = authorise(person, answer, approval, nowMs)
      if (!kind.ok) return refuse(id, person, kind.error)
      const decision = { kind: kind.value, by: person.id, reason, digest, via }
      // The ledger compares it with its own clock once more as it writes.
      const mayFromMs = mayDecideFromMs(person, approval) ?? approval.createdAtMs
      if (grant !== undefined && !(answer === 'approve' && mayGrant(person, approval, nowMs)))
        return err({ reason: 'refused', refusal: { reason: 'no_grant' }, approval })
      const wish = grant === undefined ? {} : { grant }
      const event = { kind: 'decide', decision, mayFromMs, ...wish } as const
      return answer === 'reject' ? change(id, event) : sayYes(id, person, event)
    },

    async edit(request) {
      const edited = await edit(request)
      return !edited.ok && edited.error.reason === 'unauthorised'
        ? refuse(request.id, request.person, edited.error.because)
        : edited
    },

    async askAgain(request) {
      const asked = await askAgain(request)
      return !asked.ok && asked.error.reason === 'unauthorised'
        ? refuse(request.id, request.person, asked.error.because)
        : asked
    },

    async extend({ id, person, expiresAtMs, reason, via }) {
      const authority = await approverOrOwner(id, person)
      if (!authority.ok) return authority
      return change(id, { kind: 'extend', expiresAtMs, by: person.id, via, reason })
    },

    takeBack: ({ id, person, reason, via }) => change(id, { kind: 'take_back', by: person.id, via, reason }),

    async cancel({ id, person, reason }) {
      const authority = await approverOrOwner(id, person)
      if (!authority.ok) return authority
      return change(id, { kind: 'cancel', by: person.id, reason })
    },

    async annotate({ id, person, finding, note }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const authority = authorise(person, 'approve', reading.approval, reading.nowMs)
      if (!authority.ok) return refuse(id, person, authority.error)
      return change(id, { kind: 'annotate', annotation: { finding, by: person.id, note } })
    },
  }

  async function approverOrOwner(id: ApprovalId, person: Person): Promise<Result<null, DecideRefusal>> {
    const reading = await ledger.get(id)
    if (reading === null) return err({ reason: 'not_found' })
    const authority = authorise(person, 'reject', reading.approval, reading.nowMs)
    if (!authority.ok && authority.error.reason !== 'own_call') return refuse(id, person, authority.error)
    return ok(null)
  }
}
