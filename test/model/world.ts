/** What a world of the model has: how many of each, and how often each thing may happen in it that need not happen. */
import type { Design } from './designs.ts'

/** Without a bound on these there would be no end of states. */
export const chances = [
  /** The same call once more. */
  'repeat',
  'edit',
  /** A gateway dies; it may come back as another process. */
  'crash',
  /** A gateway stands still past its lease and goes on. */
  'stall',
  /** The ledger's primary dies during a commit: its author hears nothing, whether it is kept or lost. */
  'failover',
  /** Another policy comes into force: a stricter one, or one that forbids the call. */
  'policy',
  /** A requester leaves. */
  'leave',
  'extend',
  /** A person says what they found out about an end that nobody knows. */
  'note',
  /** A person asks again about such a call. */
  'again',
  /** The upstream changes the tool. */
  'tool',
] as const
export type Chance = (typeof chances)[number]

export interface World {
  readonly calls: 1 | 2
  readonly gateways: 2 | 3
  /** How often each may happen; what is left out never does. */
  readonly bounds: Readonly<Partial<Record<Chance, number>>>
  /** Of these so many at the most, whichever they are. */
  readonly among: { readonly chances: readonly Chance[]; readonly max: number }
  /** Two of three people have to say yes, who also take it back and leave the group. */
  readonly isQuorum: boolean
  /** `null`: the real one. */
  readonly design: Design | null
}
