/** The requests this gateway holds open, so that they can be counted and cancelled by whoever made them. */
import type { Id } from './rpc.ts'

export interface HeldRequests {
  /** @returns what releases it, or `null` when no more can be held */
  add(key: string, end: () => void): (() => void) | null
  /** Ends what is held under this key. @returns whether there was anything */
  cancel(key: string): boolean
}

/** JSON-RPC ids mean something only to one client: a session of one principal. `1` and `"1"` are different ids. */
export function heldKey(principal: string, server: string, session: string | null, id: Id): string {
  return JSON.stringify([principal, server, session, id])
}

export function createHeldRequests(heldMax: number): HeldRequests {
  const byKey = new Map<string, Set<() => void>>()
  let count = 0
  return {
    add(key, end) {
      if (count >= heldMax) return null
      // An entry of its own, because one function may be added twice.
      const entry = () => end()
      const held = byKey.get(key) ?? new Set()
      byKey.set(key, held.add(entry))
      count++
      return function release() {
        if (!held.delete(entry)) return
        count--
        if (held.size === 0 && byKey.get(key) === held) byKey.delete(key)
      }
    },
    cancel(key) {
      const held = byKey.get(key)
      for (const end of held ?? []) end()
      return held !== undefined
    },
  }
}
