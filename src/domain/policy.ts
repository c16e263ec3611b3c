/** The policy decision point: which verdict a tool call gets, and by which rule. Pure; a missing policy asks for every call. */
import { digestOf } from './canonical.ts'
import type { JudgedCall } from './policy/judged-call.ts'
import type { Risk } from './risk.ts'

export type Action = 'allow' | 'deny' | 'require_approval'

/** What the policy of one server says about one tool, or about all tools it does not name. */
export type Rule =
  | { readonly action: 'allow'; readonly pointer: string }
  | { readonly action: 'deny'; readonly pointer: string; readonly reason: string | null }
  | { readonly action: 'require_approval'; readonly pointer: string; readonly reason: string | null }

/**
 * One server's policy, whatever spelling its document had.
 * `pointer` in a rule is the JSON Pointer (RFC 6901) of the place in `source` that decided.
 */
export interface Policy {
  /** File name as people know it, or `built-in`. */
  readonly source: string
  readonly fallback: Rule
  readonly tools: ReadonlyMap<string, Rule>
  /** Exact names that vanish from `tools/list`; `'*'` hides all. */
  readonly hidden: ReadonlySet<string>
}

/** Who may decide about a server's calls. Settled in `holdpoint.yaml`, part of the digest that is approved. */
export interface ApproverChain {
  readonly groups: readonly string[]
  readonly people: readonly string[]
  /** Where true, the requester's owner may *confirm*: a weaker decision that is never called an approval. */
  readonly selfConfirm: boolean
}

export type Verdict =
  | { readonly kind: 'hide' }
  | { readonly kind: 'allow'; readonly rule: string }
  | { readonly kind: 'deny'; readonly rule: string; readonly reason: string | null }
  | {
      readonly kind: 'require_approval'
      readonly rule: string
      readonly reason: string | null
      readonly risk: Risk
    }

/** Until someone writes a policy, a person is asked about every call. */
export const askForEverything: Policy = {
  source: 'built-in',
  fallback: { action: 'require_approval', pointer: '/default', reason: 'this server has no policy yet' },
  tools: new Map(),
  hidden: new Set(),
}

export function isHidden(policy: Policy, tool: string): boolean {
  return policy.hidden.has(tool) || policy.hidden.has('*')
}

/** Names match byte for byte. Hiding wins over every rule. */
export function evaluate(policy: Policy, { tool }: JudgedCall): Verdict {
  if (isHidden(policy, tool)) return { kind: 'hide' }
  const rule = policy.tools.get(tool) ?? policy.fallback
  const name = `${policy.source}#${rule.pointer}`
  switch (rule.action) {
    case 'allow':
      return { kind: 'allow', rule: name }
    case 'deny':
      return { kind: 'deny', rule: name, reason: rule.reason }
    case 'require_approval':
      return { kind: 'require_approval', rule: name, reason: rule.reason, risk: 'critical' }
  }
}

/** The rule in force and its approvers, as one digest: an approval given under another rule is not an approval. */
export function effectiveRuleDigest(
  verdict: Extract<Verdict, { kind: 'require_approval' }>,
  approvers: ApproverChain,
): string {
  return digestOf({
    v: 1,
    action: 'require_approval',
    reason: verdict.reason,
    risk: verdict.risk,
    approvers: {
      groups: [...approvers.groups].sort(),
      people: [...approvers.people].sort(),
      selfConfirm: approvers.selfConfirm,
    },
  })
}
