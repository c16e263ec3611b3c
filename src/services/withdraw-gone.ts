/**
 * Withdraws calls whose rule says `on_client_gone: cancel` and for which nobody waits any more. Level-triggered: anybody may do
 * it, at any time. Whoever is told to come back, changes gateways or polls late has `timings.return` to be there again.
 */

import { ruleActor } from '../domain/actor.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { spanText } from '../domain/present.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Change } from './change.ts'

/** Withdrawn in one round; the rest follows in the next. */
const PER_ROUND_MAX = 200

/** @returns how many were withdrawn */
export type WithdrawGone = () => Promise<number>

export function createWithdrawGone(deps: {
  ledger: Pick<Ledger, 'abandoned' | 'get'>
  change: Change
  timings: Pick<Timings, 'returnMs'>
  log: Log
}): WithdrawGone {
  const { ledger, change, timings, log } = deps
  const reason = `on_client_gone: cancel, and nobody has waited for it for ${spanText(timings.returnMs)}`

  return async function withdrawGone() {
    let withdrawn = 0
    for (const id of await ledger.abandoned(timings.returnMs, PER_ROUND_MAX)) {
      if (await withdrawOne(id)) withdrawn++
    }
    return withdrawn
  }

  /** One record that this process cannot read or change must not keep the others. */
  async function withdrawOne(id: ApprovalId): Promise<boolean> {
    try {
      const reading = await ledger.get(id)
      if (reading === null) return false
      const { version, asking } = reading.approval
      const event = { kind: 'cancel', by: ruleActor(asking.rule), reason } as const
      // It may be the last of many: somebody may be there for it again, or it moved on. Then it is looked at in the next round.
      const done = await change(id, event, { version, goneForMs: timings.returnMs })
      return done.ok
    } catch (error) {
      log.warn({ err: error, approval: id }, 'a call could not be withdrawn; it is looked at again')
      return false
    }
  }
}

/** Every two seconds, until `stopping` aborts; never rejects. */
export async function keepWithdrawingGone(deps: {
  withdrawGone: WithdrawGone
  clock: Clock
  timings: Pick<Timings, 'loopMs'>
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { withdrawGone, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      await withdrawGone()
    } catch (error) {
      log.warn({ err: error }, 'calls that nobody waits for could not be looked for; the next round follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }
}
