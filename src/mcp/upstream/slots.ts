/**
 * How many child processes there may be: in all, of one server, for the agents of one person, for one agent. Whoever is at
 * a limit of their own gets room from their own session that has been idle longest, never from one of somebody else's.
 */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'

/** A session in use by a client that thinks for a while is not idle yet. */
const IDLE_MS_MIN = 60_000

export interface SlotHolder {
  readonly server: string
  readonly principal: Principal
  /** How long without traffic and open streams; `null` while in use or ending. */
  idleMs(): number | null
  /** Resolves when the child is gone and its slot was released. */
  end(): Promise<void>
}

export interface Slots {
  /** The value gives the slot back; calling it again does nothing. */
  take(holder: SlotHolder): Promise<Result<() => void, string>>
}

type SlotLimits = Pick<
  Limits,
  'childrenMax' | 'childrenPerServerMax' | 'childrenPerOwnerMax' | 'childrenPerPrincipalMax'
>

/** One for all stdio upstreams of a gateway. */
export function createSlots(limits: SlotLimits): Slots {
  const holders = new Set<SlotHolder>()

  async function take(holder: SlotHolder): Promise<Result<() => void, string>> {
    for (;;) {
      const full = fullFor(holder)
      if (full === null) {
        holders.add(holder)
        return ok(() => void holders.delete(holder))
      }
      const idlest = full.own
        .map((candidate) => ({ candidate, idleMs: candidate.idleMs() ?? 0 }))
        .filter(({ idleMs }) => idleMs >= IDLE_MS_MIN)
        .sort((a, b) => b.idleMs - a.idleMs)[0]
      if (idlest === undefined) return err(full.text)
      await idlest.candidate.end()
    }
  }

  /** The first limit that is reached, and which of the requester's own sessions would make room under it. */
  function fullFor({ server, principal }: SlotHolder): { own: readonly SlotHolder[]; text: string } | null {
    const { name, owner } = principal
    const all = [...holders]
    const ofPrincipal = all.filter((one) => one.principal.name === name && one.principal.owner === owner)
    const ofOwner = all.filter((one) => one.principal.owner === owner)
    const ofServer = all.filter((one) => one.server === server)
    const yours = 'End a session that is not needed any more, or wait until one has been idle for a minute.'
    const others = 'Try again later.'
    if (ofPrincipal.length >= limits.childrenPerPrincipalMax)
      return {
        own: ofPrincipal,
        text: `This agent already has ${ofPrincipal.length} server processes, the most it may have (limits.children_per_principal). ${yours}`,
      }
    if (ofOwner.length >= limits.childrenPerOwnerMax)
      return {
        own: ofOwner,
        text: `The agents of ${owner} already have ${ofOwner.length} server processes, the most they may have (limits.children_per_owner). ${yours}`,
      }
    if (ofServer.length >= limits.childrenPerServerMax)
      return {
        own: ofServer.filter((one) => ofPrincipal.includes(one)),
        text: `${server} already runs ${ofServer.length} times, the most it may (limits.children_per_server). ${others}`,
      }
    if (all.length >= limits.childrenMax)
      return {
        own: ofPrincipal,
        text: `This gateway already runs ${all.length} server processes, the most it may run (limits.children). ${others}`,
      }
    return null
  }

  return { take }
}
