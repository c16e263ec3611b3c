/**
 * The requests this gateway holds open, so that they can be counted and cancelled by whoever made them. No agent can take
 * all places, and no ticket all places of its agent.
 */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Id } from './rpc.ts'

/** Whose limit is reached. */
export type Full = 'gateway' | 'principal'

export interface HeldPlace {
  /** Says which approval is waited for. `false`: as many requests as may wait for it already. */
  waitFor(approvalId: string): boolean
  /** Gives the place back; calling it again does nothing. */
  release(): void
}

export interface HeldRequests {
  add(principal: Principal, key: string, end: () => void): Result<HeldPlace, Full>
  /** Ends what is held under this key. @returns whether there was anything */
  cancel(key: string): boolean
  /** How many are open, or have an answer that was not taken yet. */
  count(): number
}

/**
 * JSON-RPC ids mean something only to one client: a session of one principal, who is an agent together with its owner. `1`
 * and `"1"` are different ids.
 */
export function heldKey({ name, owner }: Principal, server: string, session: string | null, id: Id): string {
  return JSON.stringify([name, owner, server, session, id])
}

export function createHeldRequests({
  heldRequestsMax,
  heldPerPrincipalMax,
  heldPerApprovalMax,
}: Pick<Limits, 'heldRequestsMax' | 'heldPerPrincipalMax' | 'heldPerApprovalMax'>): HeldRequests {
  const byKey = createGroups()
  const byPrincipal = createGroups()
  const byApproval = createGroups()
  let count = 0
  return {
    add(principal, key, end) {
      const owned = JSON.stringify([principal.name, principal.owner])
      if (count >= heldRequestsMax) return err('gateway')
      if (byPrincipal.size(owned) >= heldPerPrincipalMax) return err('principal')
      // An entry of its own, because one function may be added twice.
      const entry = () => end()
      const leaveGroups = [byKey.join(key, entry), byPrincipal.join(owned, entry)]
      count++
      let isReleased = false
      return ok({
        waitFor(approvalId) {
          if (byApproval.size(approvalId) >= heldPerApprovalMax) return false
          leaveGroups.push(byApproval.join(approvalId, entry))
          return true
        },
        release() {
          if (isReleased) return
          isReleased = true
          count--
          for (const leave of leaveGroups) leave()
        },
      })
    },
    count: () => count,
    cancel(key) {
      const held = byKey.of(key)
      for (const end of held) end()
      return held.length > 0
    },
  }
}

type Entry = () => void

function createGroups() {
  const groups = new Map<string, Set<Entry>>()
  return {
    of: (name: string): readonly Entry[] => [...(groups.get(name) ?? [])],
    size: (name: string): number => groups.get(name)?.size ?? 0,
    join(name: string, entry: Entry): () => void {
      const group = groups.get(name) ?? new Set()
      groups.set(name, group.add(entry))
      return function leave() {
        group.delete(entry)
        if (group.size === 0 && groups.get(name) === group) groups.delete(name)
      }
    },
  }
}
