/** Outcomes of a person's agents, read from a ledger in memory. */
import type { Settled } from '../../src/domain/approval.ts'
import type { Outcomes } from '../../src/ports/outcomes.ts'
import type { MemoryLedger } from './memory-ledger.ts'

export function memoryOutcomes(ledger: Pick<MemoryLedger, 'list'>): Outcomes {
  const seen = new Set<string>()
  async function ended(owner: string): Promise<readonly Settled[]> {
    const all = await ledger.list({
      statuses: ['settled'],
      principal: null,
      owner,
      limit: 10_000,
      after: null,
    })
    return all.flatMap((one) => (one.status === 'settled' ? [one] : []))
  }
  return {
    async of(owner, limit, after) {
      const all = await ended(owner)
      const start = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1
      return all.slice(start, start + limit).map((approval) => ({ approval, isSeen: seen.has(approval.id) }))
    },
    async unseen(owner, max) {
      return Math.min(max, (await ended(owner)).filter(({ id }) => !seen.has(id)).length)
    },
    async markSeen(owner, ids) {
      for (const { id } of await ended(owner)) if (ids.includes(id)) seen.add(id)
    },
  }
}
