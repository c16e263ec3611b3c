/**
 * How many child processes there may be, in all and for one principal. A principal at its limit gets room from its
 * own session that has been idle longest, never from one of somebody else's.
 */
import type { Limits } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'

/** A session in use by a client that thinks for a while is not idle yet. */
const IDLE_MS_MIN = 60_000

export interface SlotHolder {
  readonly principal: string
  /** How long without traffic and open streams; `null` while in use or ending. */
  idleMs(): number | null
  /** Resolves when the child is gone and its slot was released. */
  end(): Promise<void>
}

export interface Slots {
  /** The value gives the slot back; calling it again does nothing. */
  take(holder: SlotHolder): Promise<Result<() => void, string>>
}

/** One for all stdio upstreams of a gateway. */
export function createSlots({
  childrenMax,
  childrenPerPrincipalMax,
}: Pick<Limits, 'childrenMax' | 'childrenPerPrincipalMax'>): Slots {
  const holders = new Set<SlotHolder>()

  async function take(holder: SlotHolder): Promise<Result<() => void, string>> {
    for (;;) {
      const own = [...holders].filter(({ principal }) => principal === holder.principal)
      if (own.length < childrenPerPrincipalMax && holders.size < childrenMax) {
        holders.add(holder)
        return ok(() => void holders.delete(holder))
      }
      const idlest = own
        .map((candidate) => ({ candidate, idleMs: candidate.idleMs() ?? 0 }))
        .filter(({ idleMs }) => idleMs >= IDLE_MS_MIN)
        .sort((a, b) => b.idleMs - a.idleMs)[0]
      if (idlest === undefined) return err(full(own.length))
      await idlest.candidate.end()
    }
  }

  function full(ownCount: number): string {
    return ownCount >= childrenPerPrincipalMax
      ? `This principal already has ${ownCount} server processes, the most it may have (childrenPerPrincipalMax). ` +
          'End a session that is not needed any more, or wait until one has been idle for a minute.'
      : `This gateway already runs ${holders.size} server processes, the most it may run (childrenMax). Try again later.`
  }

  return { take }
}
