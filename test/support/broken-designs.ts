/** Designs that look right and are not, as decorators of one port: the simulation and the crash harness put them on real services. */
import type { Approval, Executing } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { Change, Ledger } from '../../src/ports/ledger.ts'
import type { UpstreamSession } from '../../src/ports/upstream-session.ts'

export const executing = (approval: Approval): approval is Executing => approval.status === 'executing'

/** The ledger with some of its methods replaced. */
export function withChanged(ledger: Ledger, changed: Partial<Ledger>): Ledger {
  return new Proxy(ledger, {
    get: (target, name, receiver) => Reflect.get(changed, name) ?? Reflect.get(target, name, receiver),
  })
}

/**
 * The claim is written when the call has been sent, together with what came of it.
 * @param isMeant of which calls; otherwise of all
 */
export function claimAfterSend(
  ledger: Ledger,
  isMeant: (claimed: Executing) => Promise<boolean> = async () => true,
): Ledger {
  const claims = new Map<string, Change>()
  return withChanged(ledger, {
    async save(change) {
      if (executing(change.next) && !executing(change.previous) && (await isMeant(change.next))) {
        claims.set(change.next.id, change)
        return true
      }
      const claim = claims.get(change.next.id)
      if (claim !== undefined) {
        claims.delete(change.next.id)
        if (!(await ledger.save(claim))) return false
      }
      return ledger.save(change)
    },
    async get(id) {
      const claim = claims.get(id)
      const reading = await ledger.get(id)
      return claim === undefined || reading === null ? reading : { ...reading, approval: claim.next }
    },
  })
}

/** As a job queue does it: what its worker left unfinished is there to be taken once more. */
export function stalledMeansAgain(ledger: Ledger): Ledger {
  const taken = new Map<ApprovalId, Approval>()
  return withChanged(ledger, {
    async get(id) {
      const reading = await ledger.get(id)
      const again = taken.get(id)
      if (reading === null || !executing(reading.approval)) return reading
      if (again !== undefined) return { ...reading, approval: again }
      const { claim, ...rest } = reading.approval
      if (await ledger.hasLiveLease(claim.node)) return reading
      return { ...reading, approval: { ...rest, status: 'approved', startByMs: reading.nowMs + 30_000 } }
    },
    async save(change) {
      const now = await ledger.get(change.previous.id)
      if (now === null || !executing(now.approval) || executing(change.previous)) return ledger.save(change)
      taken.set(change.next.id, change.next)
      return true
    },
  })
}

/** What nobody decided about in time counts as approved. */
export function timeoutApproves(ledger: Ledger): Ledger {
  return withChanged(ledger, {
    save(change) {
      const { previous, next } = change
      if (next.status !== 'settled' || next.outcome.kind !== 'expired') return ledger.save(change)
      const decision = {
        kind: 'approve',
        by: 'nobody',
        reason: null,
        digest: previous.proposed.digest,
        via: 'api',
        atMs: next.settledAtMs,
        with: [],
        gives: null,
        under: null,
      } as const
      const { outcome: _outcome, settledAtMs, ...header } = next
      return ledger.save({
        ...change,
        next: { ...header, status: 'approved', decision, startByMs: settledAtMs + 30_000 },
      })
    },
  })
}

/** There is no room for a repeat of what runs: the limit is looked at before anybody knows that it is a repeat. */
export function limitBeforeAttaching(ledger: Ledger): Ledger {
  return withChanged(ledger, {
    async unsettledByAttachKey(key) {
      const found = await ledger.unsettledByAttachKey(key)
      return found !== null && executing(found.approval) ? null : found
    },
    async create(proposal) {
      const same = await ledger.unsettledByAttachKey(proposal.approval.asked.attachKey)
      return same === null || !executing(same.approval)
        ? ledger.create(proposal)
        : { kind: 'too_many_pending', pending: proposal.pendingPerPrincipalMax }
    },
  })
}

/** The HTTP client sends again when the connection breaks. */
export const sendsAgain = (session: UpstreamSession): UpstreamSession => ({
  ...session,
  async send(request) {
    const first = await session.send(request)
    return first.kind === 'indeterminate' ? session.send(request) : first
  },
})

/** A broken connection is called "not sent". */
export const brokenIsNotSent = (session: UpstreamSession): UpstreamSession => ({
  ...session,
  async send(request) {
    const sent = await session.send(request)
    return sent.kind === 'indeterminate' ? { kind: 'not_sent', reason: sent.reason } : sent
  },
})

/** Answers are kept by themselves, and whoever waits takes what came last. */
export const newestAnswer = (ledger: Ledger): Ledger =>
  withChanged(ledger, {
    async replyText(id) {
      const settled = await ledger.list({ statuses: ['settled'], principal: null, limit: 20, after: null })
      const newest = settled.find((one) => one.status === 'settled' && one.outcome.kind === 'answered')
      return ledger.replyText(newest?.id ?? id)
    },
  })
