/** Judges a call by the policy in force: the one place where a verdict is made, for new calls and again before a claim. */
import type { JsonValue } from '../domain/canonical.ts'
import { type ApproverChain, evaluate, type Verdict } from '../domain/policy.ts'
import type { Principal } from '../domain/principal.ts'
import { unknownTool } from '../domain/risk.ts'
import type { Rules } from '../ports/rules.ts'

export interface ToJudge {
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  /** The `arguments` of the call; `{}` where it has none. */
  readonly arguments: JsonValue
  readonly nowMs: number
}

export interface Judged {
  readonly verdict: Verdict
  readonly approvers: ApproverChain
}

/** `null`: no such server. */
export type Judge = (call: ToJudge) => Judged | null

export function createJudge(rules: Rules): Judge {
  return function judge({ server, tool, principal, arguments: args, nowMs }) {
    const serverRules = rules.of(server)
    if (serverRules === null) return null
    const verdict = evaluate(serverRules.policy, {
      server,
      tool,
      arguments: args,
      agent: principal.name,
      owner: principal.owner,
      facts: rules.facts?.(server, tool) ?? unknownTool,
      nowMs,
    })
    return { verdict, approvers: serverRules.approvers }
  }
}
