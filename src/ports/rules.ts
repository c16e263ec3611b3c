/** The policies and approvers in force, in memory: an allowed call asks nobody else. */
import type { ApproverChain, Policy } from '../domain/policy.ts'
import type { Result } from '../domain/result.ts'
import type { ToolFacts } from '../domain/risk.ts'

export interface ServerRules {
  readonly policy: Policy
  readonly approvers: ApproverChain
  /** The number of the policy revision that says so. */
  readonly revision: number
}

export interface Rules {
  /** `null`: no such server, or nothing in force that this process can read. */
  of(server: string): ServerRules | null
  /** Whether nobody has accepted a policy for this server yet: its calls are refused, and a person is pointed to the place to do it. */
  needsSetUp?(server: string): boolean
  /** Category and risk of a tool. Where nobody can say, every tool is critical. */
  facts?(server: string, tool: string): ToolFacts
  /** Why people are asked about this tool although the policy lets it pass: its definition is not the accepted one. `null`: it is. */
  quarantineOf?(server: string, tool: string): string | null
  /** Whether this very definition is the accepted one. @param digest as approvals pin it */
  isAccepted?(server: string, tool: string, digest: string): boolean
}

/** From the text of a policy to what it means; no text asks for everything, and takes no new calls. The error says what is wrong where, for people. */
export type ReadPolicy = (source: string, text: string | null) => Result<Policy, string>
