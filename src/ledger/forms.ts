/** Which records this version reads. What a newer one wrote stays in its row, and every statement that looks for work passes by. */
import { NewerForm } from '../ports/ledger-faults.ts'
import { parseId } from './record.ts'

/** Written into statements, because a condition with a parameter could not use the index of later forms. */
export const FORM_MAX = 3

/** A record, and what can be said of it without reading it. */
export interface FormedRow {
  readonly id: string
  readonly form: number
  readonly server: string
  readonly principal: string
  readonly owner: string | null
  readonly record: unknown
}

/** Left out of the answer where it is of no use, because it may be large. */
export const FORMED = `id, form, server, principal, owner, CASE WHEN form <= ${FORM_MAX} THEN record END AS record`

/** @throws NewerForm */
export function assertReadable({ id, form, server, principal: name, owner }: FormedRow): void {
  if (form > FORM_MAX) throw new NewerForm({ id: parseId(id), form, server, requester: { name, owner } })
}
