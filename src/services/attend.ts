/** Looks at one approval and does what is due now. Level-triggered: early, late, doubled and outdated calls do no harm. */
import type { ApprovalId } from '../domain/approval-id.ts'
import { dueNudge } from '../domain/nudges.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Change } from './change.ts'

export type Attend = (id: ApprovalId) => Promise<void>

export function createAttend(deps: { ledger: Ledger; change: Change }): Attend {
  const { ledger, change } = deps
  return async function attend(id) {
    const reading = await ledger.get(id)
    if (reading === null) return
    const { approval, nowMs } = reading
    const version = approval.version
    switch (approval.status) {
      case 'pending':
        if (nowMs >= approval.expiresAtMs) await change(id, { kind: 'expire' }, { version })
        // Where more is due, the alarm of the next version follows at once.
        else if (dueNudge(approval, nowMs) !== null) await change(id, { kind: 'nudge' }, { version })
        return
      case 'approved': {
        if (nowMs < approval.startByMs) return
        const reason = await ledger.unsentReason(id)
        // Somebody waited and the upstream did not let us in, or nobody was there to receive the result.
        await change(id, reason === null ? { kind: 'lapse' } : { kind: 'fail_unsent', reason }, { version })
        return
      }
      case 'executing': {
        if (await ledger.hasLiveLease(approval.claim.node)) return
        const reason = 'the gateway that had claimed this call died before it noted how far it came'
        await change(id, { kind: 'lose_track', reason }, { version })
        return
      }
      case 'settled':
        return
    }
  }
}
