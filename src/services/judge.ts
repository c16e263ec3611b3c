/** Judges a call by the policy in force: the one place where a verdict is made, for new calls and again before a claim. */
import type { JsonValue } from '../domain/canonical.ts'
import type { JudgedCall } from '../domain/policy/judged-call.ts'
import { type ApproverChain, evaluate, type Policy, talliesToRead, type Verdict } from '../domain/policy.ts'
import type { Principal } from '../domain/principal.ts'
import { unknownTool } from '../domain/risk.ts'
import type { Counters } from '../ports/counters.ts'
import type { Log } from '../ports/log.ts'
import type { Rules } from '../ports/rules.ts'

export interface ToJudge {
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  /** The `arguments` of the call; `{}` where it has none. */
  readonly arguments: JsonValue
  /** Of the protocol, where it has one. */
  readonly session: string | null
  readonly nowMs: number
}

export interface Judged {
  readonly verdict: Verdict
  /** Of the rule that asks, where it names them; else of the server. */
  readonly approvers: ApproverChain
}

/** `null`: no such server. */
export type Judge = (call: ToJudge) => Promise<Judged | null>

export function createJudge(deps: { rules: Rules; counters: Counters; log: Log }): Judge {
  const { rules, counters, log } = deps

  return async function judge({ server, tool, principal, arguments: args, session, nowMs }) {
    const serverRules = rules.of(server)
    if (serverRules === null) return null
    const { policy, approvers } = serverRules
    const call: JudgedCall = {
      server,
      tool,
      arguments: args,
      agent: principal.name,
      owner: principal.owner,
      session,
      facts: rules.facts?.(server, tool) ?? unknownTool,
      nowMs,
    }
    const verdict = evaluate(policy, await withHistory(policy, call))
    return { verdict, approvers: chainOf(verdict, approvers) }
  }

  /** Nearly every policy asks nothing about the past, and then no counter is asked either. */
  async function withHistory(policy: Policy, call: JudgedCall): Promise<JudgedCall> {
    const wanted = talliesToRead(policy, call)
    if (wanted.length === 0) return call
    try {
      return { ...call, tallies: await counters.read(wanted) }
    } catch (error) {
      // What is not known is taken in the stricter way.
      log.error({ err: error, server: call.server, tool: call.tool }, 'the past of a call could not be read')
      return call
    }
  }
}

function chainOf(verdict: Verdict, usual: ApproverChain): ApproverChain {
  if (verdict.kind !== 'require_approval') return usual
  const { approvers, selfConfirm } = verdict.terms
  return { ...usual, ...approvers, selfConfirm: selfConfirm ?? usual.selfConfirm }
}
