/**
 * The sessions of clients with a handshake in front of a server of 2026-07-28. No agent can take all places: whoever is at its own
 * limit gets room from its own session that has been idle longest.
 */
import { randomUUID } from 'node:crypto'
import type { Principal } from '../../../domain/principal.ts'
import { err, ok, type Result } from '../../../domain/result.ts'
import type { FaceSession } from './face-session.ts'

/** Begins the ids of its sessions: no server is asked about them. */
export const FACE_SESSION_PREFIX = 'holdpoint-face-'
/** One that was forgotten costs a little memory; one per client that ever came would cost too much. */
const SESSIONS_MAX = 10_000
/** Twenty agents that leave their sessions behind do not keep others out; one has a conversation in each of a few programs. */
const SESSIONS_PER_PRINCIPAL_MAX = 500
/** A session in use by a client that thinks for a while is not idle yet. */
const IDLE_MS_MIN = 60_000

export interface FacePlaces {
  /** Ends an idle session of the same agent where it has as many as it may. The error is for the agent. */
  makeRoom(principal: Principal): Result<void, string>
  /** @returns its id */
  add(session: FaceSession): string
  /** Of this principal; somebody else's is none. */
  of(sessionId: string, principal: Principal): FaceSession | null
  end(sessionId: string): void
  endIdle(idleMs: number): void
  endAll(): void
}

export function createFacePlaces(): FacePlaces {
  const sessions = new Map<string, FaceSession>()

  function end(sessionId: string): void {
    const session = sessions.get(sessionId)
    sessions.delete(sessionId)
    session?.end()
  }

  return {
    makeRoom(principal) {
      const own = [...sessions].filter(([, session]) => isSame(session.principal, principal))
      if (own.length >= SESSIONS_PER_PRINCIPAL_MAX) {
        const [idlest] = own
          .map(([id, session]) => ({ id, idleMs: session.idleMs() ?? 0 }))
          .filter(({ idleMs }) => idleMs >= IDLE_MS_MIN)
          .sort((a, b) => b.idleMs - a.idleMs)
        if (idlest === undefined)
          return err(
            `this agent has ${own.length} sessions with this server here already, the most it may have; end one that is not needed`,
          )
        end(idlest.id)
      }
      return sessions.size >= SESSIONS_MAX
        ? err('too many sessions are open at this gateway; try again later')
        : ok(undefined)
    },
    add(session) {
      const id = `${FACE_SESSION_PREFIX}${randomUUID()}`
      sessions.set(id, session)
      return id
    },
    of(sessionId, principal) {
      const session = sessions.get(sessionId)
      return session !== undefined && isSame(session.principal, principal) ? session : null
    },
    end,
    endIdle(idleMs) {
      for (const [id, session] of [...sessions]) if ((session.idleMs() ?? 0) >= idleMs) end(id)
    },
    endAll() {
      for (const id of [...sessions.keys()]) end(id)
    },
  }
}

const isSame = (a: Principal, b: Principal) => a.name === b.name && a.owner === b.owner
