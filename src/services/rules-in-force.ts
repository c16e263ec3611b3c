/**
 * What is in force, from the ledger into the memory of this process. Revisions never change, so only their numbers are
 * compared. A ledger that is away leaves the last known ones; a text that cannot be read here leaves the server without rules.
 */
import type { Policy } from '../domain/policy.ts'
import type { Result } from '../domain/result.ts'
import { putByText, type Revision } from '../domain/revision.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Revisions } from '../ports/revisions.ts'
import type { ReadPolicy, Rules, ServerRules } from '../ports/rules.ts'
import { keepFresh } from './keep-fresh.ts'

export type NowInForce =
  | { readonly kind: 'rules'; readonly rules: ServerRules }
  /** In force is a text that this process cannot read, probably one for a newer version. */
  | { readonly kind: 'unreadable'; readonly revision: number; readonly problem: string }
  | { readonly kind: 'none' }

export interface RulesInForce extends Rules {
  needsSetUp(server: string): boolean
  /** What the ledger says at this moment, whatever this process remembers. */
  now(server: string): Promise<NowInForce>
  /** The revision this process goes by. */
  held(server: string): Revision | null
  /** Servers whose calls are refused here, each with the reason. */
  unreadable(): readonly { readonly server: string; readonly problem: string }[]
  refresh(): Promise<void>
  /** Called when other revisions are in force. */
  onChange(listener: () => void): void
  /** Keeps the memory true until `stopping` aborts; never rejects. */
  keepFresh(stopping: AbortSignal): Promise<void>
}

interface Held {
  readonly revision: Revision
  readonly policy: Result<Policy, string>
}

export function createRulesInForce(deps: {
  revisions: Revisions
  servers: readonly string[]
  readPolicy: ReadPolicy
  tools?: Required<Pick<Rules, 'facts' | 'quarantineOf' | 'isAccepted'>>
  clock: Clock
  log: Log
}): RulesInForce {
  const { revisions, servers, readPolicy, tools, clock, log } = deps
  const memory = new Map<string, Held>()
  const listeners: (() => void)[] = []

  async function load(server: string, number: number): Promise<Held | null> {
    const known = memory.get(server)
    if (known?.revision.number === number) return known
    const revision = await revisions.get(server, number)
    if (revision === null) return null
    const { source, text } = revision
    const held = { revision, policy: readPolicy(source, text) }
    // A slow reading of an earlier one must not replace a later one.
    if ((memory.get(server)?.revision.number ?? 0) < number) keep(held)
    return held
  }

  function keep(held: Held): void {
    const { server, number, source, putBy } = held.revision
    memory.set(server, held)
    const fields = { server, revision: number, source, by: putByText(putBy) }
    if (held.policy.ok) log.info(fields, `revision ${number} of the policy of ${server} is in force`)
    else {
      const { error: problem } = held.policy
      log.error(
        { ...fields, problem },
        `revision ${number} of the policy of ${server} cannot be read by this version; its calls are refused`,
      )
    }
    for (const listener of listeners) listener()
  }

  async function refresh(): Promise<void> {
    const numbers = await revisions.inForce()
    for (const server of servers) {
      const number = numbers.get(server)
      if (number !== undefined) await load(server, number)
    }
  }

  return {
    refresh,

    of(server) {
      const held = memory.get(server)
      // Without a policy nothing new is taken; what waited before goes on by `now`.
      return held === undefined || held.revision.text === null ? null : rulesOf(held)
    },

    needsSetUp: (server) => (memory.get(server)?.revision.text ?? null) === null,

    ...(tools === undefined
      ? {}
      : { facts: tools.facts, quarantineOf: tools.quarantineOf, isAccepted: tools.isAccepted }),

    async now(server) {
      const number = (await revisions.inForce()).get(server)
      const held = number === undefined ? null : await load(server, number)
      if (held === null) return { kind: 'none' }
      if (!held.policy.ok) {
        return { kind: 'unreadable', revision: held.revision.number, problem: held.policy.error }
      }
      const { approvers, number: revision } = held.revision
      return { kind: 'rules', rules: { policy: held.policy.value, approvers, revision } }
    },

    held: (server) => memory.get(server)?.revision ?? null,

    unreadable: () =>
      [...memory.values()].flatMap(({ revision, policy }) =>
        policy.ok ? [] : [{ server: revision.server, problem: policy.error }],
      ),

    onChange(listener) {
      listeners.push(listener)
    },

    keepFresh: (stopping) =>
      keepFresh({
        ...{ what: 'policies in force', refresh, clock, stopping, log },
        onChange: revisions.onChange,
      }),
  }
}

function rulesOf({ revision: { approvers, number }, policy }: Held): ServerRules | null {
  return policy.ok ? { policy: policy.value, approvers, revision: number } : null
}
