/** The REST API over memory: real services and domain, a ledger in a map, four people and two agents. */

import { createApi } from '../../src/api/api.ts'
import { type Approval, bindingDigest } from '../../src/domain/approval.ts'
import { type ApprovalId, parseApprovalId } from '../../src/domain/approval-id.ts'
import { type AuditEvent, auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import { canonical, type JsonObject, sha256 } from '../../src/domain/canonical.ts'
import { decisionIn, type Grant } from '../../src/domain/grant.ts'
import { usualTerms } from '../../src/domain/policy/rule.ts'
import { type ApproverChain, effectiveRuleDigest } from '../../src/domain/policy.ts'
import type { Person, Principal } from '../../src/domain/principal.ts'
import { err } from '../../src/domain/result.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { random } from '../../src/launch/random.ts'
import type { DecisionLog } from '../../src/ports/decision-log.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Log } from '../../src/ports/log.ts'
import { createChange } from '../../src/services/change.ts'
import { createPeople } from '../../src/services/decide.ts'
import { createGrants } from '../../src/services/grants.ts'
import type { Judge } from '../../src/services/judge.ts'
import type { PolicyChanges } from '../../src/services/policy-changes.ts'
import type { SetUps } from '../../src/services/set-up.ts'
import type { StopChanges } from '../../src/services/stop-changes.ts'
import type { Suggest } from '../../src/services/suggest.ts'
import { admission } from '../support/builders.ts'
import { createMemoryDecisionLog } from '../support/memory-decision-log.ts'
import { createMemoryToolPins } from '../support/memory-tool-pins.ts'
import { noSetUps } from '../support/set-ups.ts'

export const START_MS = Date.UTC(2026, 7, 1, 9, 0, 0)
export const minutes = 60_000

export const people: Record<string, Person> = {
  kim: { id: 'kim', name: 'Kim', groups: ['ops'] },
  lee: { id: 'lee', name: 'Lee', groups: [] },
  owner: { id: 'owner', name: 'Owner', groups: ['ops'] },
  guest: { id: 'guest', name: 'Guest', groups: [] },
}
export const bot: Principal = { name: 'bot', owner: 'owner' }
export const otherBot: Principal = { name: 'other-bot', owner: 'lee' }

export function ticket(text: string): ApprovalId {
  const id = parseApprovalId(text)
  if (!id.ok) throw new Error(`${text} is not a ticket`)
  return id.value
}

export const verdict = {
  kind: 'require_approval',
  rule: 'nworks.json#/tools/nworks_logout',
  reason: 'logs everybody out',
  risk: 'critical',
  terms: usualTerms,
  reservations: [],
} as const
const defaultApprovers: ApproverChain = { groups: ['ops'], people: ['lee'], selfConfirm: false }

/** The policy says of every call what it said of one that is made without wishes. */
const sameRule: Judge = async () => ({
  verdict,
  approvers: defaultApprovers,
  revision: 1,
  hasPast: false,
  asIf: null,
})

interface Wish {
  readonly id?: string
  readonly tool?: string
  readonly toolTitle?: string | null
  readonly args?: JsonObject
  readonly meta?: JsonObject
  readonly client?: string | null
  readonly reason?: string | null
  readonly approvers?: ApproverChain
  readonly requester?: Principal
  readonly asking?: Partial<Approval['asking']>
  readonly createdAtMs?: number
}

export function anApproval(wish: Wish = {}): Approval {
  const { tool = 'nworks_logout', args = {}, requester = bot, createdAtMs = START_MS } = wish
  const approvers = wish.approvers ?? defaultApprovers
  const canonicalParams = canonical({
    name: tool,
    arguments: args,
    ...(wish.meta === undefined ? {} : { _meta: wish.meta }),
  })
  const binding = {
    nonce: '0f'.repeat(16),
    server: 'nworks',
    tool,
    canonicalParams,
    toolDefinitionDigest: sha256('definition'),
    ruleDigest: effectiveRuleDigest(
      { ...verdict, reason: wish.reason === undefined ? verdict.reason : wish.reason },
      approvers,
    ),
    requester,
  }
  return {
    v: 1,
    id: ticket(wish.id ?? 'HP-7K2M9Q4T0X'),
    version: 1,
    auditHead: CHAIN_START,
    nonce: binding.nonce,
    status: 'pending',
    asked: {
      attachKey: sha256(`${wish.id} ${canonicalParams}`),
      callKey: sha256(canonicalParams),
      idempotencyKey: null,
      requester,
      client: wish.client === undefined ? 'claude-code 2.1.0' : wish.client,
      server: 'nworks',
      tool,
      era: 'legacy',
    },
    proposed: {
      canonicalParams,
      toolDefinitionDigest: binding.toolDefinitionDigest,
      toolTitle: wish.toolTitle ?? null,
      digest: bindingDigest(binding),
    },
    edits: [],
    asking: {
      rule: 'nworks.json#/tools/nworks_logout',
      reason: wish.reason === undefined ? 'logs everybody out' : wish.reason,
      risk: 'critical',
      approvers,
      ruleDigest: binding.ruleDigest,
      onClientGone: 'wait',
      reasonRequired: false,
      lookups: [],
      remindersMs: [],
      escalation: [],
      stages: [],
      grants: null,
      ...wish.asking,
    },
    nudges: [],
    lookups: [],
    votes: [],
    predecessor: null,
    like: null,
    createdAtMs,
    expiresAtMs: createdAtMs + defaultTimings.decisionMs,
  }
}

type MemoryLedger = Pick<
  Ledger,
  | 'nowMs'
  | 'get'
  | 'list'
  | 'replyText'
  | 'lateReplies'
  | 'auditTrail'
  | 'waitingNodes'
  | 'save'
  | 'keepEvidence'
>

const notHere = async () => err({ reason: 'no_such_server', servers: [] } as const)
const noPolicies: PolicyChanges = {
  history: notHere,
  show: notHere,
  preview: notHere,
  simulate: notHere,
  put: notHere,
}

/** Never used here: what covers calls is the services' test. */
function grantOf(approval: Approval | undefined): Grant | null {
  const decision = approval === undefined ? null : decisionIn(approval)
  if (approval === undefined || decision === null || decision.gives === null) return null
  const { server, tool, requester } = approval.asked
  const { gives, by, reason, atMs: givenAtMs } = decision
  const what = { id: approval.id, scope: 'scope', server, tool, requester, by, reason, givenAtMs }
  const isOver = { used: 0, ended: gives.ended, isStopped: false }
  return { ...what, untilMs: gives.untilMs, usesMax: gives.uses, ...isOver }
}

const noStops: StopChanges = {
  inForce: async () => [],
  history: async () => [],
  put: async () => err({ reason: 'not_an_operator' }),
  lift: async () => err({ reason: 'not_an_operator' }),
  mayStop: () => false,
}

export function createWorld(
  options: {
    policies?: PolicyChanges
    stops?: StopChanges
    setUps?: SetUps
    suggest?: Suggest
    decisionLog?: DecisionLog
  } = {},
) {
  const records = new Map<ApprovalId, Approval>()
  const trails = new Map<ApprovalId, AuditEvent[]>()
  const replies = new Map<ApprovalId, string>()
  const late = new Map<ApprovalId, { atMs: number; text: string }[]>()
  const waiting = new Set<ApprovalId>()
  const world = {
    nowMs: START_MS + 5 * minutes,
    fault: null as Error | null,
    warnings: [] as string[],
    judge: sameRule,
  }

  const ledger: MemoryLedger = {
    async nowMs() {
      return world.nowMs
    },
    async get(id) {
      if (world.fault !== null) throw world.fault
      const approval = records.get(id)
      return approval === undefined ? null : { approval, nowMs: world.nowMs }
    },
    async list({ statuses, owner, limit, after }) {
      const rows = [...records.values()]
        .sort((a, b) => b.createdAtMs - a.createdAtMs)
        .filter((row) => statuses === null || statuses.includes(row.status))
        .filter((row) => owner === undefined || row.asked.requester.owner === owner)
      const from = after === null ? 0 : rows.findIndex((row) => row.id === after) + 1
      return rows.slice(from, from + limit)
    },
    async save({ previous, next, audit, replyText }) {
      if (records.get(previous.id)?.version !== previous.version) return false
      records.set(next.id, next)
      trails.get(next.id)?.push(audit)
      if (replyText !== null) replies.set(next.id, replyText)
      return true
    },
    async replyText(id) {
      return replies.get(id) ?? null
    },
    async keepEvidence(id, text) {
      late.set(id, [...(late.get(id) ?? []), { atMs: world.nowMs, text }])
    },
    async lateReplies(id) {
      return late.get(id) ?? []
    },
    async auditTrail(id) {
      return trails.get(id) ?? []
    },
    async waitingNodes(id) {
      return waiting.has(id) ? ['node-1'] : []
    },
  }
  const log: Log = {
    debug() {},
    info() {},
    warn: (_fields, message) => world.warnings.push(message),
    error: (_fields, message) => world.warnings.push(message),
  }
  const unused = () => {
    throw new Error('not part of this world')
  }
  const whole: Ledger = {
    create: unused,
    noteServing: unused,
    unserved: unused,
    unsettledByAttachKey: unused,
    lastSettledByAttachKey: unused,
    attachKeyOf: unused,
    markDelivered: unused,
    deliveredAtMs: unused,
    noteUnsent: unused,
    unsentReason: unused,
    versionsOf: unused,
    lookupsWanted: unused,
    newerForms: unused,
    due: unused,
    renewLease: unused,
    dropLease: unused,
    addWaiter: unused,
    removeWaiter: unused,
    hasLiveLease: unused,
    keepWaiters: unused,
    claimsOf: unused,
    runnableAlone: unused,
    abandoned: unused,
    replace: unused,
    unjudged: unused,
    noteJudged: unused,
    stopped: unused,
    grant: async (id) => grantOf(records.get(id)),
    grantsFor: unused,
    grants: async () => [...records.values()].flatMap((one) => grantOf(one) ?? []),
    usesOf: async () => [],
    lastSettledByCallKey: unused,
    refusingByCallKey: unused,
    ...ledger,
  }
  const change = createChange({ ledger: whole, announce: async () => {}, timings: defaultTimings, log })

  const directory = { person: (id: string) => people[id] ?? null, people: () => Object.values(people) }
  const bearer = (headers: Headers) => /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1]
  const toolPins = createMemoryToolPins(() => world.nowMs)
  const api = createApi({
    toolPins,
    mayAccept: (person) => person.groups.includes('ops') || person.id === 'lee',
    onAccepted: async () => {},
    ledger,
    policies: options.policies ?? noPolicies,
    decisions: {
      log: options.decisionLog ?? createMemoryDecisionLog(),
      maySeeAll: ({ id }) => id === 'kim' || id === 'lee',
      nowMs: async () => world.nowMs,
    },
    stops: options.stops ?? noStops,
    grants: createGrants({ ledger: whole, change, rejudge: async () => null, directory, log }),
    suggest: options.suggest ?? (async () => notHere()),
    setUps: options.setUps ?? noSetUps,
    people: createPeople({
      ...{
        ledger: whole,
        change,
        directory,
        judge: (call) => world.judge(call),
        rejudge: async () => null,
        announce: async () => {},
        timings: defaultTimings,
        random,
        log,
      },
    }),
    timings: defaultTimings,
    authenticate: {
      person: (headers) => people[bearer(headers)?.replace(/^hpp_/, '') ?? ''] ?? null,
      async agent(headers, remoteAddress) {
        const token = bearer(headers)
        if (token === undefined) return admission(remoteAddress === '127.0.0.1' ? bot : null)
        return admission([bot, otherBot].find(({ name }) => token === `hpa_${name}`) ?? null)
      },
    },
    isOriginAllowed: (origin) => origin === 'http://127.0.0.1:8484',
    log,
  })

  return {
    api,
    change,
    state: world,
    toolPins,
    /** Puts an approval into the ledger. */
    add(wish: Wish = {}): Approval {
      const approval = anApproval(wish)
      const audit = auditEvent(CHAIN_START, { kind: 'ask' }, approval, approval.createdAtMs)
      const record = { ...approval, auditHead: audit.hash }
      records.set(record.id, record)
      trails.set(record.id, [audit])
      return record
    },
    get: (id: ApprovalId) => records.get(id),
    wait: (id: ApprovalId) => waiting.add(id),
    keepEvidence: ledger.keepEvidence,
    /** Approved, claimed and answered with this reply. */
    async answer(approval: Approval, text: string, isError = false) {
      const { digest } = approval.proposed
      await change(approval.id, {
        kind: 'decide',
        decision: { kind: 'approve', by: 'kim', reason: null, digest, via: 'api' },
      })
      await change(approval.id, { kind: 'claim', node: 'node-1' })
      const reply = { kind: 'result', isError, digest: sha256(text), bytes: text.length } as const
      await change(approval.id, { kind: 'answer', reply }, { replyText: text })
    },
  }
}
export type World = ReturnType<typeof createWorld>
