/**
 * Where the one who launches a process may put its own around the ports. The crash tests' launchers do, to die at a chosen step;
 * everybody else takes the ports as they are.
 */
import type { Channel } from '../ports/channels.ts'
import type { UpstreamSession } from '../ports/upstream-session.ts'
import type { Stores } from './stores.ts'

export interface Decorate {
  /** Ledger, cards, wake-ups, queue. Closing stays with the undecorated ones. */
  stores(stores: Stores): Stores
  /** `alone`: the gateway's own, for a call that runs without its requester. */
  session(session: UpstreamSession, of: 'waiter' | 'alone'): UpstreamSession
  channel(channel: Channel): Channel
}

export const undecorated: Decorate = {
  stores: (stores) => stores,
  session: (session) => session,
  channel: (channel) => channel,
}
