/** What people do with an approval: decide, withdraw, say afterwards what really happened. Each is checked at the moment of the act. */
import type { Approval, Door } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { authorise, type Unauthorised } from '../domain/authority.ts'
import type { Person } from '../domain/principal.ts'
import { err, type Result } from '../domain/result.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Change, ChangeRefusal } from './change.ts'

export type DecideRefusal =
  | ChangeRefusal
  | { readonly reason: 'unauthorised'; readonly because: Unauthorised }

export interface DecideRequest {
  readonly id: ApprovalId
  readonly person: Person
  readonly answer: 'approve' | 'reject'
  /** The digest that was on the screen when the person decided. */
  readonly digest: string
  readonly reason: string | null
  readonly via: Door
}

export interface People {
  decide(request: DecideRequest): Promise<Result<Approval, DecideRefusal>>
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
}

export function createPeople(deps: { ledger: Ledger; change: Change; log: Log }): People {
  const { ledger, change, log } = deps

  const refuse = (id: ApprovalId, person: Person, because: Unauthorised) => {
    log.warn(
      { approval: id, person: person.id, because: because.reason },
      'a person without the right tried to act',
    )
    return err({ reason: 'unauthorised', because } as const)
  }

  return {
    async decide({ id, person, answer, digest, reason, via }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const { asked, asking } = reading.approval
      const kind = authorise(person, answer, asked, asking)
      if (!kind.ok) return refuse(id, person, kind.error)
      return change(id, {
        kind: 'decide',
        decision: { kind: kind.value, by: person.id, reason, digest, via },
      })
    },

    async cancel({ id, person, reason }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const { asked, asking } = reading.approval
      const authority = authorise(person, 'reject', asked, asking)
      if (!authority.ok && authority.error.reason !== 'own_call') return refuse(id, person, authority.error)
      return change(id, { kind: 'cancel', by: person.id, reason })
    },

    async annotate({ id, person, finding, note }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const authority = authorise(person, 'approve', reading.approval.asked, reading.approval.asking)
      if (!authority.ok) return refuse(id, person, authority.error)
      return change(id, { kind: 'annotate', annotation: { finding, by: person.id, note } })
    },
  }
}
