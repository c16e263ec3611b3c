/** What a requester is told when nothing can be said about a call: nothing is guessed, least of all that it did not run. */
import { NewerForm, type Unread } from '../../ports/ledger-faults.ts'
import { type Id, INTERNAL_ERROR, refusal, refusalResponse } from './rpc.ts'

/** How a refusal begins, where the same call is known not to run, nor to have run, from before. */
export const NOT_EXECUTED = 'NOT EXECUTED.'

/** How it begins where that cannot be looked up. */
export const NOTHING_HERE =
  'This request executed nothing; whether an earlier one of the same call did, cannot be looked up now.'

/** Gateways are replaced one after the other: soon every one of them reads it. */
export const newerFormText = ({ id, form }: Unread): string =>
  `Ticket ${id} was written by a newer Holdpoint (form ${form}), and this gateway does not touch it: nothing was executed ` +
  'by this request, and nothing is said about what became of the ticket. Call again later with identical arguments: a ' +
  'gateway of the newer version knows, and the call does not run twice.'

/**
 * What a request asks for. `call`: perhaps a new one, perhaps the repeat of one that runs at another gateway. `known`: one that
 * was accepted before, by its ticket, stream, task or requestState; its outcome may be there already.
 */
export type About = 'call' | 'known'

/** @param why what is in the way here, as a sentence */
export function unknownHere(why: string, about: About): string {
  return about === 'call'
    ? `${why} ${NOTHING_HERE} Retry later with identical arguments.`
    : `${why} What became of this call cannot be looked up now, and nothing is said about it. Ask again later.`
}

export function unavailable(error: unknown, id: Id, about: About): Response {
  return error instanceof NewerForm
    ? refusalResponse(refusal(503, INTERNAL_ERROR, newerFormText(error.unread), id))
    : closed('Approvals are unavailable right now.', about, id)
}

/** The gate stays shut, and says so. */
export function closed(why: string, about: About, id: Id): Response {
  return refusalResponse(refusal(503, INTERNAL_ERROR, unknownHere(why, about), id))
}
