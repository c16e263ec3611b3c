/**
 * Looks for the same call from before when a call is about to be refused: it may be running, or have run, and then "not executed"
 * would be false or misread. Nothing is asked and nothing changes. Whatever is still open is cancelled, ended or judged again
 * before it is sent, as the stop, the policy or the limit that refuses the repeat wants it: following it sends nothing.
 */

import { err, ok, type Result } from '../domain/result.ts'
import { sameCallAgain } from '../domain/same-call-again.ts'
import type { Timings } from '../domain/timings.ts'
import { attachKey, callKey, type ToolCall } from '../domain/tool-call.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Answered, AskRefusal } from './ask.ts'

/**
 * What `ask` would say of it, as far as the call from before is open, has been answered or may have been executed. `null`: nothing
 * that a refusal would contradict.
 * @throws where the ledger does not answer, and `NewerForm`
 */
export type FindEarlier = (call: ToolCall) => Promise<Result<Answered, AskRefusal> | null>

export function createFindEarlier(deps: {
  ledger: Pick<Ledger, 'nowMs' | 'unsettledByAttachKey' | 'lastSettledByAttachKey' | 'refusingByCallKey'>
  timings: Timings
}): FindEarlier {
  const { ledger, timings } = deps

  return async function findEarlier(call) {
    const key = attachKey(call)
    // In this order: what settles between two looks is found by the second.
    const unsettled = await ledger.unsettledByAttachKey(key)
    if (unsettled !== null) return ok({ kind: 'waiting', approval: unsettled.approval, isNew: false })

    const own = await ledger.lastSettledByAttachKey(key)
    if (own !== null && own.approval.outcome.kind === 'answered') {
      const { approval, deliveredAtMs } = own
      const { kind } = sameCallAgain(approval, deliveredAtMs, await ledger.nowMs(), timings)
      if (kind === 'outcome') return ok({ kind: 'outcome', approval })
    }
    // Under any idempotency key and in any era. A no is left out: what refuses the call now is the nearer reason.
    const unknown = await ledger.refusingByCallKey(callKey(call), 0)
    return unknown?.outcome.kind === 'indeterminate' ? err({ reason: 'unresolved', approval: unknown }) : null
  }
}
