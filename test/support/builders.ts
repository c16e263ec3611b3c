/** Values with sensible defaults, so that a test says only what it is about. */
import { type Approval, type Asking, bindingDigest, type Pending } from '../../src/domain/approval.ts'
import { type ApprovalId, parseApprovalId, TICKET_ALPHABET } from '../../src/domain/approval-id.ts'
import { type AuditEvent, auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { glob } from '../../src/domain/policy/glob.ts'
import type { JudgedCall } from '../../src/domain/policy/judged-call.ts'
import { type Rule, usualTerms } from '../../src/domain/policy/rule.ts'
import { effectiveRuleDigest, evaluate, type Policy } from '../../src/domain/policy.ts'
import type { Person, Principal } from '../../src/domain/principal.ts'
import type { RecordedVerdict } from '../../src/domain/recorded-verdict.ts'
import type { NewRevision } from '../../src/domain/revision.ts'
import { unknownTool } from '../../src/domain/risk.ts'
import { attachKey, callKey, canonicalParams, type ToolCall } from '../../src/domain/tool-call.ts'
import type { Admission } from '../../src/ports/admission.ts'

export const owner: Person = { id: 'jun', name: 'Jun', groups: [] }
export const mina: Person = { id: 'mina', name: '김미나', groups: ['ops'] }
/** Follows where an escalation says so. */
export const sora: Person = { id: 'sora', name: 'Sora', groups: ['leads'] }
export const agent: Principal = { name: 'night-agent', owner: 'jun' }
export const approvers = { groups: ['ops'], people: [], selfConfirm: false }

/** As the gateway says it: who was let in, or that nobody was. */
export const admission = (principal: Principal | null): Admission =>
  principal === null
    ? { kind: 'refused', because: 'no_token', message: 'An agent’s token is needed.' }
    : { kind: 'admitted', principal }
/** What a policy file says, and nothing else about it. */
export function aRevision(text: string | null, more: Partial<NewRevision> = {}): NewRevision {
  return {
    server: 'github',
    source: 'policies/github.yaml',
    text,
    approvers,
    textOrigin: 'test:/policies/github.yaml',
    approversOrigin: 'test:/holdpoint.yaml',
    putBy: { kind: 'file_at_start' },
    ...more,
  }
}

let tickets = 0
export function aTicket(): ApprovalId {
  let rest = ++tickets
  let text = ''
  for (let place = 0; place < 10; place++) {
    text = TICKET_ALPHABET.charAt(rest % TICKET_ALPHABET.length) + text
    rest = Math.floor(rest / TICKET_ALPHABET.length)
  }
  const id = parseApprovalId(`HP-${text}`)
  if (!id.ok) throw new Error(text)
  return id.value
}

export function aPolicy(tools: Record<string, 'allow' | 'deny' | 'require_approval'> = {}): Policy {
  return {
    source: 'test',
    spelling: 'holdpoint',
    fallback: { action: 'require_approval', pointer: '/default', reason: null },
    rules: Object.entries(tools).map(([tool, action]) =>
      aRule({ pointer: `/tools/${tool}`, tools: [glob(tool)], action }),
    ),
    shadow: [],
    hidden: new Set(),
  }
}

/** Allows every tool, if nothing else is said. */
export function aRule(overrides: Partial<Rule> = {}): Rule {
  return {
    pointer: '/rules/0',
    action: 'allow',
    reason: null,
    tools: [glob('*')],
    categories: null,
    risks: null,
    when: null,
    treatAs: null,
    limits: [],
    terms: usualTerms,
    ...overrides,
  }
}

export type CallWish = Partial<ToolCall> & { arguments?: JsonObject }

export function aToolCall({
  arguments: args = { name: 'acme/shop' },
  ...overrides
}: CallWish = {}): ToolCall {
  const tool = overrides.tool ?? 'delete_repository'
  return {
    server: 'github',
    tool,
    principal: agent,
    era: 'legacy',
    canonicalParams: canonicalParams(tool, args, {}),
    idempotencyKey: null,
    ...overrides,
  }
}

/** A call as a policy judges it. */
export function aJudgedCall(tool: string, overrides: Partial<JudgedCall> = {}): JudgedCall {
  return {
    server: 'github',
    tool,
    arguments: {},
    agent: agent.name,
    owner: agent.owner,
    session: null,
    facts: unknownTool,
    nowMs: 1_000_000,
    ...overrides,
  }
}

export function aVerdict(tool = 'delete_repository') {
  const verdict = evaluate(aPolicy(), aJudgedCall(tool))
  if (verdict.kind !== 'require_approval') throw new Error('the test policy asks for everything')
  return verdict
}

/** A pending approval and the audit event that belongs to its creation. */
export function anApproval(
  overrides: { nowMs?: number; call?: CallWish; decisionMs?: number; asking?: Partial<Asking> } = {},
): {
  approval: Pending
  audit: AuditEvent
} {
  const nowMs = overrides.nowMs ?? 1_000_000
  const call = aToolCall(overrides.call)
  const ruleDigest = effectiveRuleDigest(aVerdict(call.tool), approvers)
  const toolDefinitionDigest = 'd'.repeat(64)
  const nonce = 'n'.repeat(32)
  const unchained: Pending = {
    v: 1,
    id: aTicket(),
    version: 1,
    auditHead: CHAIN_START,
    nonce,
    status: 'pending',
    asked: {
      attachKey: attachKey(call),
      callKey: callKey(call),
      idempotencyKey: call.idempotencyKey,
      requester: call.principal,
      client: 'test 1.0',
      server: call.server,
      tool: call.tool,
      era: call.era,
    },
    proposed: {
      canonicalParams: call.canonicalParams,
      toolDefinitionDigest,
      toolTitle: null,
      digest: bindingDigest({
        nonce,
        server: call.server,
        tool: call.tool,
        canonicalParams: call.canonicalParams,
        toolDefinitionDigest,
        ruleDigest,
        requester: call.principal,
      }),
    },
    edits: [],
    asking: {
      rule: 'test#/default',
      reason: null,
      risk: 'critical',
      approvers,
      ruleDigest,
      onClientGone: 'wait',
      reasonRequired: false,
      lookups: [],
      remindersMs: [],
      escalation: [],
      stages: [],
      grants: null,
      ...overrides.asking,
    },
    nudges: [],
    lookups: [],
    votes: [],
    predecessor: null,
    like: null,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + (overrides.decisionMs ?? 60_000),
  }
  const audit = auditEvent(CHAIN_START, { kind: 'ask' }, unchained, nowMs)
  return { approval: { ...unchained, auditHead: audit.hash }, audit }
}

export function approveEvent(approval: Approval, by = 'mina') {
  return {
    kind: 'decide' as const,
    decision: {
      kind: 'approve' as const,
      by,
      reason: null,
      digest: approval.proposed.digest,
      via: 'api' as const,
    },
  }
}

export const aRecordedVerdict = (wish: Partial<RecordedVerdict> = {}): RecordedVerdict => ({
  atMs: Date.now(),
  server: 'github',
  tool: 'list_issues',
  principal: agent,
  session: null,
  verdict: 'allow',
  rule: 'policies/github.yaml#/allow/0',
  asIf: null,
  revision: 1,
  category: null,
  risk: 'critical',
  paramsDigest: 'ab'.repeat(32),
  keys: [],
  arguments: null,
  judgedInUs: 12,
  lookUp: null,
  ...wish,
})
