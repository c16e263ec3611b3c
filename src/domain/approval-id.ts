/** The ticket people and agents say aloud: `HP-` and ten characters without look-alikes. It names, it never authorises. */
import { err, ok, type Result } from './result.ts'

declare const brand: unique symbol
export type ApprovalId = string & { readonly [brand]: 'ApprovalId' }

/** Crockford's base 32: no I, L, O, U, so that a ticket survives being read over the phone. */
export const TICKET_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const TICKET_LENGTH = 10

const shape = new RegExp(`^HP-[${TICKET_ALPHABET}]{${TICKET_LENGTH}}$`)

/** Accepts what a person may type: lower case and surrounding blanks are forgiven, nothing else is. */
export function parseApprovalId(text: string): Result<ApprovalId, { reason: 'not_a_ticket'; text: string }> {
  const upper = text.trim().toUpperCase()
  return shape.test(upper) ? ok(upper as ApprovalId) : err({ reason: 'not_a_ticket', text })
}
