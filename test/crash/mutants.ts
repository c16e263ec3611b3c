/** Broken designs around the real services of real processes. The checker must catch every one. */
import type { Approval, Settled } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { Decorate } from '../../src/launch/decorate.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import {
  brokenIsNotSent,
  claimAfterSend,
  limitBeforeAttaching,
  newestAnswer,
  sendsAgain,
  stalledMeansAgain,
  timeoutApproves,
  withChanged,
} from '../support/broken-designs.ts'

export type Mutant = Partial<Pick<Decorate, 'stores' | 'session'>> & { readonly name: string }

const withLedger = (change: (ledger: Ledger) => Ledger): Pick<Mutant, 'stores'> => ({
  stores: (stores) => ({ ...stores, store: { ...stores.store, ledger: change(stores.store.ledger) } }),
})

export const mutants: readonly Mutant[] = [
  { name: 'the claim is taken after the send', ...withLedger(claimAfterSend) },
  { name: 'the HTTP client sends again', session: sendsAgain },
  { name: 'a broken connection is called not sent', session: brokenIsNotSent },
  {
    name: 'a repeat of what runs is turned away as not executed',
    ...withLedger(limitBeforeAttaching),
  },
  { name: 'time-out approves', ...withLedger(timeoutApproves) },
  {
    name: 'a stalled sender means that nothing was sent',
    ...withLedger((ledger) =>
      withChanged(ledger, {
        save: (change) => ledger.save({ ...change, next: asNotSent(change.next) }),
      }),
    ),
  },
  { name: 'a stalled sender means that it is sent again', ...withLedger(stalledMeansAgain) },
  {
    name: 'the queue is trusted: nobody looks by themselves',
    ...withLedger((ledger) =>
      withChanged(ledger, { due: async () => [], versionsOf: async () => new Map<ApprovalId, number>() }),
    ),
  },
  {
    name: 'a dead gateway is taken for alive',
    ...withLedger((ledger) => withChanged(ledger, { hasLiveLease: async () => true })),
  },
  {
    name: 'the answer is noted before it came',
    session: (session) => ({
      ...session,
      async send(request) {
        void session.send(request)
        const text = '{"content":[{"type":"text","text":"done"}]}'
        return { kind: 'answered', reply: { kind: 'result', text, isError: false } }
      },
    }),
  },
  {
    name: 'a process that stood still sends all the same',
    session: (session) => ({
      ...session,
      send: (request) => session.send({ ...request, mayStillStart: () => true }),
    }),
  },
  {
    name: 'other bytes are sent than were decided on',
    session: (session) => ({
      ...session,
      send: (request) =>
        session.send({
          ...request,
          canonicalParams: request.canonicalParams.replace('"note":"', '"note":" '),
        }),
    }),
  },
  { name: 'whoever waits gets the newest answer', ...withLedger(newestAnswer) },
]

function asNotSent(next: Approval): Approval {
  if (next.status !== 'settled' || next.outcome.kind !== 'indeterminate') return next
  const { decision, reason } = next.outcome
  return { ...next, outcome: { kind: 'not_sent', decision, reason } } satisfies Settled
}
