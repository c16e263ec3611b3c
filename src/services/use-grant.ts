/**
 * A call that has just been asked may be covered by a grant: then that stands in for the click, in the ledger as in the audit.
 * Whatever does not fit exactly, or cannot be found out, is left to people.
 */
import type { Approval } from '../domain/approval.ts'
import { type Grant, grantScope, isWithinBounds, mayGrant } from '../domain/grant.ts'
import type { Directory } from '../ports/directory.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Change } from './change.ts'

/** @returns the approved call; `null`: people have to decide */
export type UseGrant = (approval: Approval, revision: number) => Promise<Approval | null>

/** Of people who gave the same grant one after the other; each is used up before the next. */
const TRIED_MAX = 20

export function createUseGrant(deps: {
  ledger: Pick<Ledger, 'grantsFor' | 'nowMs'>
  change: Change
  directory: Pick<Directory, 'person'>
  log: Log
}): UseGrant {
  const { ledger, change, directory, log } = deps

  return async function useGrant(approval, revision) {
    const scope = grantScope(approval)
    if (scope === null || !isWithinBounds(approval)) return null
    try {
      for (const grant of await ledger.grantsFor(scope, TRIED_MAX)) {
        const used = await use(grant, approval, revision)
        if (used !== null) return used
      }
    } catch (error) {
      log.warn({ err: error, approval: approval.id }, 'grants could not be looked at; people are asked')
    }
    return null
  }

  async function use(grant: Grant, approval: Approval, revision: number): Promise<Approval | null> {
    // Whoever could not give it now has given nothing any more.
    const giver = directory.person(grant.by)
    if (giver === null || !mayGrant(giver, approval, await ledger.nowMs())) return null
    const guard = { version: approval.version, inForce: revision }
    const used = await change(approval.id, { kind: 'use_grant', grant }, guard)
    if (!used.ok) return null
    log.info({ approval: approval.id, grant: grant.id, by: grant.by }, 'a grant covers a call')
    return used.value
  }
}
