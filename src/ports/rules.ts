/** The policies and approvers in force, in memory: an allowed call asks nobody else. */
import type { ApproverChain, Policy } from '../domain/policy.ts'
import type { ToolFacts } from '../domain/risk.ts'

export interface ServerRules {
  readonly policy: Policy
  readonly approvers: ApproverChain
}

export interface Rules {
  /** `null`: no such server. */
  of(server: string): ServerRules | null
  /** Category and risk of a tool. Where nobody can say, every tool is critical. */
  facts?(server: string, tool: string): ToolFacts
}
