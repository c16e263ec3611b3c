/** Why the ledger gives no record. Both fail closed: nothing is decided, sent or said about it. */
import type { ApprovalId } from '../domain/approval-id.ts'

/** The ledger does not answer. Nothing was asked of it, or its answer is not waited for any more; the gate stays shut. */
export class LedgerAway extends Error {
  constructor(reason: string) {
    super(`the ledger does not answer: ${reason}`)
    this.name = 'LedgerAway'
  }
}

/** What can be said of a record without reading it. */
export interface Unread {
  readonly id: ApprovalId
  readonly form: number
  readonly server: string
  /** Who asked. `owner`: `null`, where it was never noted. */
  readonly requester: { readonly name: string; readonly owner: string | null }
}

/** The record is there, in a form that only a newer version can read: this process leaves it alone, whatever is asked. */
export class NewerForm extends Error {
  readonly unread: Unread

  constructor(unread: Unread) {
    super(`${unread.id} was ${writtenByNewer(unread)}`)
    this.name = 'NewerForm'
    this.unread = unread
  }
}

/** For people, after "It was" or the like. */
export const writtenByNewer = ({ form }: Pick<Unread, 'form'>) =>
  `written by a newer Holdpoint (form ${form}); this process does not touch it`

/** Whether it is theirs, as far as can be told. */
export const isUnreadOf = (
  { requester }: Unread,
  { name, owner }: { readonly name: string; readonly owner: string },
): boolean => requester.name === name && requester.owner === owner
