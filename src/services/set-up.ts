/**
 * Servers that nobody has accepted a policy for: their calls are refused, and people find one item for each of them. That a
 * server waits follows from the revisions in the ledger alone, so that any number of gateways show the same one item.
 */
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { type Proposal, proposalOf, proposalSource, proposalText } from '../domain/set-up.ts'
import type { Log } from '../ports/log.ts'
import type { ReadPolicy } from '../ports/rules.ts'
import type { PolicyChanges, PolicyRefusal } from './policy-changes.ts'
import type { RulesInForce } from './rules-in-force.ts'
import type { ToolCatalogue } from './tool-catalogue.ts'

export interface SetUp {
  readonly server: string
  /** `null`: what tools it has is not known yet. */
  readonly proposal: Proposal | null
  /** Why its tools could not be listed, where that was tried. */
  readonly problem: string | null
}

export type SetUpRefusal =
  | PolicyRefusal
  /** A policy is in force, or there is no such server. */
  | { readonly reason: 'not_waiting' }
  | { readonly reason: 'tools_unknown' }
  /** Its tools are others than when the proposal was looked at. */
  | { readonly reason: 'proposal_changed' }

export interface SetUps {
  /** Servers without a policy, by name. */
  waiting(): readonly string[]
  /** `null`: it does not wait. */
  show(server: string): SetUp | null
  mayAccept(person: Person): boolean
  /** Puts the proposal in force. @param digest of the text that the person looked at */
  accept(server: string, digest: string, person: Person): Promise<Result<{ number: number }, SetUpRefusal>>
}

export function createSetUps(deps: {
  servers: readonly string[]
  rules: Pick<RulesInForce, 'needsSetUp' | 'held' | 'refresh'>
  tools: Pick<ToolCatalogue, 'known'>
  /** What this server says about its tools in annotations is believed. */
  isTrusted: (server: string) => boolean
  /** Why the tools of a server could not be listed. */
  problemOf(server: string): string | null
  policies: Pick<PolicyChanges, 'put'>
  readPolicy: ReadPolicy
  isOperator: (person: Person) => boolean
  log: Log
}): SetUps {
  const { servers, rules, tools, isTrusted, problemOf, policies, readPolicy, isOperator, log } = deps

  function proposalFor(server: string): Result<Proposal | null, string> {
    const seen = tools.known(server)
    if (seen.length === 0) return ok(null)
    const text = proposalText(server, seen, isTrusted(server))
    const policy = readPolicy(proposalSource(server), text)
    if (policy.ok) return ok(proposalOf(server, seen, text, policy.value, isTrusted(server)))
    log.error({ server, problem: policy.error }, 'the policy proposed for a server cannot be read')
    return err(`The policy that Holdpoint would propose cannot be read: ${policy.error} Write one yourself.`)
  }

  return {
    waiting: () => servers.filter((server) => rules.needsSetUp(server)).toSorted(),

    show(server) {
      if (!servers.includes(server) || !rules.needsSetUp(server)) return null
      const proposal = proposalFor(server)
      if (!proposal.ok) return { server, proposal: null, problem: proposal.error }
      return { server, proposal: proposal.value, problem: problemOf(server) }
    },

    mayAccept: isOperator,

    async accept(server, digest, person) {
      if (!isOperator(person)) return err({ reason: 'not_an_operator' })
      if (!servers.includes(server) || !rules.needsSetUp(server)) return err({ reason: 'not_waiting' })
      const made = proposalFor(server)
      const proposal = made.ok ? made.value : null
      if (proposal === null) return err({ reason: 'tools_unknown' })
      if (proposal.digest !== digest) return err({ reason: 'proposal_changed' })
      const wish = { kind: 'text', source: proposalSource(server), text: proposal.text } as const
      const put = await policies.put(server, wish, rules.held(server)?.number ?? null, person)
      if (put.ok) await rules.refresh()
      return put
    },
  }
}
