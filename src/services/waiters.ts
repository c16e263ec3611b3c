/** The requests this gateway holds, by approval: whom to wake, and on whose session an approved call would run. */
import type { ApprovalId } from '../domain/approval-id.ts'
import type { UpstreamSession } from '../ports/upstream-session.ts'

export interface LocalWaiter {
  readonly session: UpstreamSession
  /** "Look again"; never throws. */
  wake(): void
  /** The version of the approval that it saw last; 0 before the first look. */
  seenVersion: number
  /** Its row in the ledger, once there is one. */
  row: string | null
}

export interface Waiters {
  add(id: ApprovalId, waiter: LocalWaiter): () => void
  wake(id: ApprovalId): void
  /** Wakes those that have not seen the given version yet. */
  wakeOutdated(versions: ReadonlyMap<ApprovalId, number>): void
  wakeAll(): void
  /** The one that has waited longest. */
  oldest(id: ApprovalId): LocalWaiter | null
  ids(): readonly ApprovalId[]
  /** Rows in the ledger of those held here. */
  rows(): readonly string[]
  /** These are not in the ledger any more: who waits adds itself anew. */
  forgetRows(missing: readonly string[]): void
  count(): number
}

export function createWaiters(): Waiters {
  const byApproval = new Map<ApprovalId, Set<LocalWaiter>>()
  let count = 0
  return {
    add(id, waiter) {
      const waiters = byApproval.get(id) ?? new Set()
      byApproval.set(id, waiters.add(waiter))
      count++
      return function remove() {
        if (!waiters.delete(waiter)) return
        count--
        if (waiters.size === 0 && byApproval.get(id) === waiters) byApproval.delete(id)
      }
    },
    wake(id) {
      for (const waiter of byApproval.get(id) ?? []) waiter.wake()
    },
    wakeOutdated(versions) {
      for (const [id, waiters] of byApproval) {
        for (const waiter of waiters) if (waiter.seenVersion !== versions.get(id)) waiter.wake()
      }
    },
    wakeAll() {
      for (const waiters of byApproval.values()) for (const waiter of waiters) waiter.wake()
    },
    oldest(id) {
      const [first] = byApproval.get(id) ?? []
      return first ?? null
    },
    ids: () => [...byApproval.keys()],
    rows: () => [...byApproval.values()].flatMap((waiters) => [...waiters].flatMap(({ row }) => row ?? [])),
    forgetRows(missing) {
      if (missing.length === 0) return
      const lost = new Set(missing)
      for (const waiters of byApproval.values()) {
        for (const waiter of waiters) {
          if (waiter.row === null || !lost.has(waiter.row)) continue
          waiter.row = null
          waiter.wake()
        }
      }
    },
    count: () => count,
  }
}
