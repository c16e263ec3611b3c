/** An approval on the wire and back: times as ISO text outside, instants inside. */
import type { Approval, Decision, Outcome } from '../domain/approval.ts'
import { bindingDigest } from '../domain/approval.ts'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import type { Evidence } from '../domain/evidence.ts'
import type { Presentable } from '../domain/present.ts'
import { yesesWanted } from '../domain/quorum.ts'
import type { ApprovalDetail, ApprovalPage, ApprovalView } from './schemas.ts'

export const iso = (atMs: number) => new Date(atMs).toISOString()

export function toView(approval: Approval): ApprovalView {
  const { asked, proposed, asking } = approval
  const header = {
    id: approval.id,
    version: approval.version,
    server: asked.server,
    tool: asked.tool,
    toolTitle: proposed.toolTitle,
    requester: { name: asked.requester.name, owner: asked.requester.owner },
    client: asked.client,
    params: proposed.canonicalParams,
    digest: proposed.digest,
    edits: approval.edits.map(({ atMs, replaced, ...rest }) => ({
      ...rest,
      at: iso(atMs),
      replaced: { params: replaced.canonicalParams, digest: replaced.digest },
    })),
    binding: {
      nonce: approval.nonce,
      toolDefinitionDigest: proposed.toolDefinitionDigest,
      ruleDigest: asking.ruleDigest,
    },
    risk: asking.risk,
    rule: asking.rule,
    reason: asking.reason,
    approvers: {
      groups: [...asking.approvers.groups],
      people: [...asking.approvers.people],
      selfConfirm: asking.approvers.selfConfirm,
    },
    onClientGone: asking.onClientGone,
    reasonRequired: asking.reasonRequired,
    grants: asking.grants,
    escalation: asking.escalation.map(({ afterMs, groups, people }) => ({
      from: iso(approval.createdAtMs + afterMs),
      groups: [...groups],
      people: [...people],
    })),
    reminders: asking.remindersMs.map((afterMs) => iso(approval.createdAtMs + afterMs)),
    nudges: approval.nudges.map(({ kind, atMs }) => ({ kind, at: iso(atMs) })),
    stages: asking.stages.map(({ groups, people, quorum }) => ({
      ...{ groups: [...groups], people: [...people], quorum },
    })),
    votes: approval.votes.map(dated),
    predecessor: approval.predecessor,
    like: approval.like === null ? null : { id: approval.like.id, differs: [...approval.like.differs] },
    createdAt: iso(approval.createdAtMs),
    expiresAt: iso(approval.expiresAtMs),
  }
  switch (approval.status) {
    case 'pending':
      return { ...header, status: 'pending' }
    case 'approved': {
      const decision = decisionView(approval.decision)
      return { ...header, status: 'approved', decision, startBy: iso(approval.startByMs) }
    }
    case 'executing': {
      const decision = decisionView(approval.decision)
      return { ...header, status: 'executing', decision, claimedAt: iso(approval.claim.atMs) }
    }
    case 'settled': {
      const outcome = outcomeView(approval.outcome)
      return { ...header, status: 'settled', outcome, settledAt: iso(approval.settledAtMs) }
    }
  }
}

type LookupsView = ApprovalDetail['lookups']

/** For whoever may not read what the server says, and where nothing was asked for. */
export const noLookups: LookupsView = { before: [], after: [] }

export function lookupsView(approval: Approval): LookupsView {
  const { lookups } = approval
  const isUnknown = approval.status === 'settled' && approval.outcome.kind === 'indeterminate'
  const after = isUnknown ? approval.outcome.evidence.lookupsAfter : []
  return { before: lookups?.map(dated) ?? null, after: after?.map(dated) ?? null }
}

export function toRow(approval: Approval): ApprovalPage['approvals'][number] {
  const { id, status, asked, asking, proposed } = approval
  return {
    id,
    status,
    outcome: approval.status === 'settled' ? approval.outcome.kind : null,
    server: asked.server,
    tool: asked.tool,
    requester: { name: asked.requester.name, owner: asked.requester.owner },
    risk: asking.risk,
    digest: proposed.digest,
    yeses:
      asking.stages.length === 0 ? null : { said: approval.votes.length, wanted: yesesWanted(asking.stages) },
    createdAt: iso(approval.createdAtMs),
    expiresAt: iso(approval.expiresAtMs),
  }
}

/** What another program needs in order to show an approval that it has read from the API. */
export function fromView(view: ApprovalView, lookups: LookupsView = noLookups): Presentable {
  const createdAtMs = Date.parse(view.createdAt)
  const header = {
    id: view.id,
    asked: { requester: view.requester, client: view.client, server: view.server, tool: view.tool },
    edits: view.edits.map(({ at, replaced, ...rest }) => ({
      ...rest,
      atMs: Date.parse(at),
      replaced: { canonicalParams: replaced.params, digest: replaced.digest },
    })),
    proposed: { canonicalParams: view.params, toolTitle: view.toolTitle, digest: view.digest },
    asking: {
      ...{ rule: view.rule, reason: view.reason, risk: view.risk, approvers: view.approvers },
      onClientGone: view.onClientGone,
      reasonRequired: view.reasonRequired,
      grants: view.grants,
      remindersMs: view.reminders.map((at) => Date.parse(at) - createdAtMs),
      escalation: view.escalation.map(({ from, groups, people }) => ({
        afterMs: Date.parse(from) - createdAtMs,
        ...{ groups, people },
      })),
      stages: view.stages,
    },
    votes: view.votes.map(undated),
    nudges: view.nudges.map(undated),
    lookups: lookups.before?.map(undated) ?? null,
    predecessor: view.predecessor,
    like: view.like,
    createdAtMs,
    expiresAtMs: Date.parse(view.expiresAt),
  }
  switch (view.status) {
    case 'pending':
      return { ...header, status: 'pending' }
    case 'approved': {
      const startByMs = Date.parse(view.startBy)
      return { ...header, status: 'approved', decision: decisionOf(view.decision), startByMs }
    }
    case 'executing':
      return { ...header, status: 'executing', decision: decisionOf(view.decision) }
    case 'settled': {
      const settledAtMs = Date.parse(view.settledAt)
      return { ...header, status: 'settled', outcome: outcomeOf(view.outcome, lookups.after), settledAtMs }
    }
  }
}

/** Whether the digest of a view is really the digest of what the view shows. */
export function isDigestOfWhatIsShown(view: ApprovalView): boolean {
  const { server, tool, params: canonicalParams, requester, digest, binding } = view
  return bindingDigest({ ...binding, server, tool, canonicalParams, requester }) === digest
}

type DecisionView = Extract<ApprovalView, { status: 'approved' }>['decision']
type OutcomeView = Extract<ApprovalView, { status: 'settled' }>['outcome']

const decisionView = ({ atMs, gives, ...rest }: Decision): DecisionView => ({
  ...rest,
  with: [...rest.with],
  at: iso(atMs),
  gives:
    gives === null
      ? null
      : {
          uses: gives.uses,
          until: iso(gives.untilMs),
          ended: gives.ended === null ? null : dated(gives.ended),
        },
})
const decisionOf = ({ at, gives, under, ...rest }: DecisionView): Decision => ({
  ...rest,
  atMs: Date.parse(at),
  gives:
    gives === null
      ? null
      : {
          uses: gives.uses,
          untilMs: Date.parse(gives.until),
          ended: gives.ended === null ? null : undated(gives.ended),
        },
  under: idOf(under),
})

function outcomeView(outcome: Outcome): OutcomeView {
  switch (outcome.kind) {
    case 'expired':
    case 'cancelled':
    case 'invalidated':
      return outcome
    case 'answered':
    case 'rejected':
    case 'lapsed':
    case 'not_sent':
      return { ...outcome, decision: decisionView(outcome.decision) }
    case 'indeterminate':
      return {
        ...outcome,
        decision: decisionView(outcome.decision),
        annotations: outcome.annotations.map(dated),
        evidence: evidenceView(outcome.evidence),
      }
  }
}

function outcomeOf(outcome: OutcomeView, lookupsAfter: LookupsView['after']): Outcome {
  switch (outcome.kind) {
    case 'expired':
    case 'cancelled':
      return outcome
    case 'invalidated': {
      return { ...outcome, successor: idOf(outcome.successor) }
    }
    case 'answered':
    case 'rejected':
    case 'lapsed':
    case 'not_sent':
      return { ...outcome, decision: decisionOf(outcome.decision) }
    case 'indeterminate':
      return {
        ...outcome,
        decision: decisionOf(outcome.decision),
        annotations: outcome.annotations.map(undated),
        evidence: evidenceOf(outcome.evidence, lookupsAfter),
        successor: idOf(outcome.successor),
      }
  }
}

const dated = <T extends { readonly atMs: number }>({ atMs, ...rest }: T) => ({ ...rest, at: iso(atMs) })
const undated = <T extends { readonly at: string }>({ at, ...rest }: T) => ({ ...rest, atMs: Date.parse(at) })

type EvidenceView = Extract<OutcomeView, { kind: 'indeterminate' }>['evidence']

const evidenceView = ({ before, send, after, lateReplies, unsent }: Evidence): EvidenceView => ({
  before: before === null ? null : dated(before),
  send,
  after: after === null ? null : dated(after),
  lateReplies: lateReplies.map(dated),
  unsent: unsent === null ? null : dated(unsent),
})

const evidenceOf = (
  { before, send, after, lateReplies, unsent }: EvidenceView,
  lookupsAfter: LookupsView['after'],
): Evidence => ({
  before: before === null ? null : undated(before),
  send,
  after: after === null ? null : undated(after),
  lateReplies: lateReplies.map(undated),
  unsent: unsent === null ? null : undated(unsent),
  lookupsAfter: lookupsAfter?.map(undated) ?? null,
})

function idOf(text: string | null): ApprovalId | null {
  const id = text === null ? null : parseApprovalId(text)
  return id?.ok ? id.value : null
}
