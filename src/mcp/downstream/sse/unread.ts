/**
 * What lies in memory for HTTP+SSE clients: answers that are being gathered, and whole ones that wait until the stream takes
 * them. A client that reads slower than it asks is cut before it fills this gateway.
 */
import type { Principal } from '../../../domain/principal.ts'

/** One message, or the part of it that is there. */
export interface Unread {
  /** From now on so much of it is held; more than is allowed cuts a stream: this one, the fullest of the same agent, or of the agent that holds most. */
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
  /** Whose it is. */
  readonly owned: string
  bytes: number
  isCut: boolean
  readonly cut: () => void
}

export function createUnreadBudget({
  perStreamMax,
  perPrincipalMax,
  perGatewayMax,
}: {
  readonly perStreamMax: number
  readonly perPrincipalMax: number
  readonly perGatewayMax: number
}): UnreadBudget {
  /** Streams that hold anything, also when they are ending: what waits goes when it is written, or cannot be. */
  const byPrincipal = new Map<string, Set<Holding>>()
  /** Of all that are not cut. */
  let total = 0

  function change(holding: Holding, by: number): void {
    holding.bytes += by
    if (holding.isCut) return
    total += by
    const own = byPrincipal.get(holding.owned) ?? new Set()
    if (holding.bytes > 0) byPrincipal.set(holding.owned, own.add(holding))
    else leave(holding)
    if (by <= 0) return
    if (holding.bytes > perStreamMax) cut(holding)
    // The one that holds most is the one that is not read; another process with the same token goes on.
    if (sumOf(own) > perPrincipalMax) cutMost(own)
    if (total > perGatewayMax) cutMost(mostOf([...byPrincipal.values()], sumOf) ?? new Set())
  }

  function cutMost(holdings: ReadonlySet<Holding>): void {
    const most = mostOf([...holdings], ({ bytes }) => bytes)
    if (most !== null) cut(most)
  }

  /** What it holds is let go in a moment, and is no reason to cut another. */
  function cut(holding: Holding): void {
    holding.isCut = true
    total -= holding.bytes
    leave(holding)
    holding.cut()
  }

  function leave(holding: Holding): void {
    const own = byPrincipal.get(holding.owned)
    own?.delete(holding)
    if (own?.size === 0) byPrincipal.delete(holding.owned)
  }

  return {
    stream({ name, owner }, cut) {
      const owned = JSON.stringify([name, owner])
      const holding: Holding = { owned, bytes: 0, isCut: false, cut }
      return {
        message() {
          let held = 0
          return {
            hold(bytes) {
              const by = bytes - held
              held = bytes
              change(holding, by)
            },
          }
        },
      }
    },
  }
}

const sumOf = (holdings: ReadonlySet<Holding>) => [...holdings].reduce((sum, { bytes }) => sum + bytes, 0)

function mostOf<T>(all: readonly T[], sizeOf: (one: T) => number): T | null {
  return all.reduce<T | null>((most, one) => (most === null || sizeOf(one) > sizeOf(most) ? one : most), null)
}
