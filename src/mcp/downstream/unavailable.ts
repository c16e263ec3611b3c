/** What a requester is told when the ledger gives no answer about a call: nothing is guessed, and what to do is said. */
import { NewerForm, type Unread } from '../../ports/ledger-faults.ts'
import { closed } from './held-call.ts'
import { type Id, INTERNAL_ERROR, refusal, refusalResponse } from './rpc.ts'

/** Gateways are replaced one after the other: soon every one of them reads it. */
export const newerFormText = ({ id, form }: Unread): string =>
  `Ticket ${id} was written by a newer Holdpoint (form ${form}), and this gateway does not touch it: nothing was executed ` +
  'by this request, and nothing is said about what became of the ticket. Call again later with identical arguments: a ' +
  'gateway of the newer version knows, and the call does not run twice.'

export function unavailable(error: unknown, id: Id): Response {
  return error instanceof NewerForm
    ? refusalResponse(refusal(503, INTERNAL_ERROR, newerFormText(error.unread), id))
    : closed('Approvals are unavailable right now.', id)
}
