/** What people do with grants besides giving them: look at them, and end them. */
import type { Approval, InstantMs } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { authorise, type Unauthorised } from '../domain/authority.ts'
import { type Grant, mayGrant } from '../domain/grant.ts'
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Directory } from '../ports/directory.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Change, ChangeRefusal } from './change.ts'
import type { Rejudge } from './rejudge.ts'

export interface SeenGrant {
  readonly grant: Grant
  /** The approval that it was given with. */
  readonly approval: Approval
  /** Who gave it may not decide about such calls any more, so that it covers nothing. */
  readonly isOrphaned: boolean
}

export type EndGrantRefusal =
  | ChangeRefusal
  | { readonly reason: 'unauthorised'; readonly because: Unauthorised }

export interface Grants {
  list(filter: {
    isStanding: boolean
    limit: number
  }): Promise<{ readonly nowMs: InstantMs; readonly grants: readonly SeenGrant[] }>
  find(id: ApprovalId): Promise<{ readonly nowMs: InstantMs; readonly seen: SeenGrant } | null>
  usesOf(id: ApprovalId): Promise<readonly ApprovalId[]>
  /** By whoever may say no to such a call, the owner of the agent included. Nothing begins under it from then on. */
  end(request: {
    id: ApprovalId
    person: Person
    reason: string | null
  }): Promise<Result<Grant, EndGrantRefusal>>
}

/** As many as one grant can cover, and those that were given back. */
const USES_SHOWN_MAX = 200

export function createGrants(deps: {
  ledger: Ledger
  change: Change
  rejudge: Rejudge
  directory: Pick<Directory, 'person'>
  log: Log
}): Grants {
  const { ledger, change, rejudge, directory, log } = deps

  async function seen(grant: Grant, nowMs: InstantMs): Promise<SeenGrant | null> {
    const reading = await ledger.get(grant.id)
    if (reading === null) return null
    const giver = directory.person(grant.by)
    const isOrphaned = giver === null || !mayGrant(giver, reading.approval, nowMs)
    return { grant, approval: reading.approval, isOrphaned }
  }

  return {
    async list(filter) {
      const nowMs = await ledger.nowMs()
      const found = await Promise.all((await ledger.grants(filter)).map((grant) => seen(grant, nowMs)))
      return { nowMs, grants: found.filter((one) => one !== null) }
    },

    async find(id) {
      const grant = await ledger.grant(id)
      if (grant === null) return null
      const nowMs = await ledger.nowMs()
      const found = await seen(grant, nowMs)
      return found === null ? null : { nowMs, seen: found }
    },

    usesOf: (id) => ledger.usesOf(id, USES_SHOWN_MAX),

    async end({ id, person, reason }) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const right = authorise(person, 'reject', reading.approval, reading.nowMs)
      if (!right.ok && right.error.reason !== 'own_call') {
        log.warn({ grant: id, person: person.id }, 'a person without the right tried to end a grant')
        return err({ reason: 'unauthorised', because: right.error })
      }
      const ended = await change(id, { kind: 'end_grant', by: person.id, reason })
      if (!ended.ok) return ended
      // What it covered and was not begun cannot be sent any more; this tells whoever waits. Attending does so anyway.
      for (const use of await ledger.usesOf(id, USES_SHOWN_MAX)) {
        await rejudge(use).catch((error: unknown) =>
          log.warn({ err: error, approval: use }, 'a call under an ended grant is looked at again later'),
        )
      }
      const grant = await ledger.grant(id)
      return grant === null ? err({ reason: 'not_found' }) : ok(grant)
    },
  }
}
