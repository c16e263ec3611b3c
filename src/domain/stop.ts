/** The kill switch: what a person has stopped, why, and which calls that covers. */
import type { InstantMs } from './approval.ts'
import type { Principal } from './principal.ts'

/** What is given narrows it; nothing given is everything. A tool goes with its server, an owner with an agent's name. */
export interface StopScope {
  readonly server: string | null
  readonly tool: string | null
  /** The name of the principal that calls. */
  readonly agent: string | null
  /** The person who answers for it, where several people's agents go by one name. */
  readonly owner: string | null
}

export interface NewStop {
  readonly scope: StopScope
  /** For the agent as well: it is told why it was stopped, and by whom. */
  readonly reason: string
  readonly by: string
}

export interface Stop extends NewStop {
  /** Counts upwards; how people name it. */
  readonly number: number
  readonly atMs: InstantMs
  /** `null`: it is in force. */
  readonly lifted: { readonly by: string; readonly atMs: InstantMs } | null
}

export const everything: StopScope = { server: null, tool: null, agent: null, owner: null }

/** Enough for every agent and tool that people stop one by one. The stop of everything is taken beyond it as well. */
export const STOPS_IN_FORCE_MAX = 500

export interface ToStop {
  readonly server: string
  /** `null`: a request that is not for a tool, such as listing them. */
  readonly tool: string | null
  readonly principal: Principal
}

/** The ledger has the same sentence in SQL. */
export function covers({ server, tool, agent, owner }: StopScope, call: ToStop): boolean {
  return (
    (server === null || server === call.server) &&
    (tool === null || tool === call.tool) &&
    (agent === null || agent === call.principal.name) &&
    (owner === null || owner === call.principal.owner)
  )
}

/** The one that has been in force for the longest time, of those that cover it. */
export const stopOver = (inForce: readonly Stop[], call: ToStop): Stop | null =>
  inForce.find(({ scope }) => covers(scope, call)) ?? null

/** In the words of a sentence: "the agent bot on the server github". */
export function scopeText({ server, tool, agent, owner }: StopScope): string {
  const who = agent === null ? [] : [`the agent ${agent}${owner === null ? '' : ` of ${owner}`}`]
  const where =
    server === null
      ? []
      : [tool === null ? `the server ${server}` : `the tool ${tool} of the server ${server}`]
  const parts = [...who, ...where]
  return parts.length === 0 ? 'everything' : parts.join(' at ')
}

/** Why a call that waited was cancelled, as people and its agent read it. */
export const cancelReason = ({ reason }: Stop): string => `stopped: ${reason}`
