/** Posted reminders and escalations in memory, beside a ledger in memory. */
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Nudges } from '../../src/ports/nudges.ts'

export interface MemoryNudges extends Nudges {
  /** Everything that was taken and not given back, in order. */
  readonly taken: readonly string[]
}

/** @param placeOf where the card is; `null`: there is none yet */
export function createMemoryNudges(
  ledger: Pick<Ledger, 'get' | 'list'>,
  placeOf: (id: ApprovalId) => string | null,
): MemoryNudges {
  const taken: string[] = []
  const keyOf = (id: ApprovalId, channel: string, number: number) => `${channel} ${id} ${number}`
  return {
    taken,
    async take(id, channel, number) {
      const approval = (await ledger.get(id))?.approval
      const key = keyOf(id, channel, number)
      const place = placeOf(id)
      if (approval?.status !== 'pending' || approval.nudges.length < number || taken.includes(key))
        return null
      if (place !== null) taken.push(key)
      return place
    },
    async giveBack(id, channel, number) {
      const at = taken.indexOf(keyOf(id, channel, number))
      if (at !== -1) taken.splice(at, 1)
    },
    async posted() {},
    async untaken(channel, limit) {
      const pending = await ledger.list({
        statuses: ['pending'],
        principal: null,
        limit: 10_000,
        after: null,
      })
      return pending
        .filter(
          ({ id, nudges }) =>
            placeOf(id) !== null && nudges.some((_, index) => !taken.includes(keyOf(id, channel, index + 1))),
        )
        .map(({ id }) => id)
        .reverse()
        .slice(0, limit)
    },
  }
}
