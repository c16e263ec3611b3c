/**
 * What lies in memory for HTTP+SSE clients: answers that are being gathered, and whole ones that wait until the stream takes
 * them. A client that reads slower than it asks is cut before it fills this gateway.
 */
import type { Principal } from '../../../domain/principal.ts'

/** One message, or the part of it that is there. */
export interface Unread {
  /** From now on so much of it is held; more than is allowed cuts a stream, this one or another of the same agent. */
  hold(bytes: number): void
}

/** Of one stream. */
export interface UnreadOfStream {
  message(): Unread
}

export interface UnreadBudget {
  /** @param cut ends the stream at once, without what waits */
  stream(principal: Principal, cut: () => void): UnreadOfStream
}

interface Holding {
  bytes: number
  isCut: boolean
  readonly cut: () => void
}

export function createUnreadBudget({
  perStreamMax,
  perPrincipalMax,
}: {
  readonly perStreamMax: number
  readonly perPrincipalMax: number
}): UnreadBudget {
  /** Streams that hold anything, also when they are ending: what waits goes when it is written, or cannot be. */
  const byPrincipal = new Map<string, Set<Holding>>()

  function change(owned: string, holding: Holding, by: number): void {
    const own = byPrincipal.get(owned) ?? new Set()
    holding.bytes += by
    if (holding.isCut) return
    if (holding.bytes > 0) byPrincipal.set(owned, own.add(holding))
    else leave(owned, own, holding)
    if (by <= 0) return
    if (holding.bytes > perStreamMax) cut(owned, own, holding)
    // The one that holds most is the one that is not read; another process with the same token goes on.
    const [most] = [...own].sort((a, b) => b.bytes - a.bytes)
    const bytes = [...own].reduce((sum, each) => sum + each.bytes, 0)
    if (most !== undefined && bytes > perPrincipalMax) cut(owned, own, most)
  }

  /** What it holds is let go in a moment, and is no reason to cut another. */
  function cut(owned: string, own: Set<Holding>, holding: Holding): void {
    holding.isCut = true
    leave(owned, own, holding)
    holding.cut()
  }

  function leave(owned: string, own: Set<Holding>, holding: Holding): void {
    own.delete(holding)
    if (own.size === 0) byPrincipal.delete(owned)
  }

  return {
    stream({ name, owner }, cut) {
      const owned = JSON.stringify([name, owner])
      const holding: Holding = { bytes: 0, isCut: false, cut }
      return {
        message() {
          let held = 0
          return {
            hold(bytes) {
              const by = bytes - held
              held = bytes
              change(owned, holding, by)
            },
          }
        },
      }
    },
  }
}
