/** The audit event of one transition and the chain it hangs in: each names the hash of the one before. */

import type { Approval, InstantMs } from './approval.ts'
import { approversAt } from './authority.ts'
import { canonical, type JsonObject, sha256 } from './canonical.ts'
import { unknownSend } from './evidence.ts'
import { calledBy, type Nudge } from './nudges.ts'
import { yesesWanted } from './quorum.ts'
import type { ApprovalEvent } from './transition.ts'
import { wellFormed } from './well-formed.ts'

/** The head of a chain that has no events yet. */
export const CHAIN_START = '0'.repeat(64)

export interface AuditEvent {
  /** RFC 8785 text: what happened, to which version, when, by whom. Digests only, never arguments. */
  readonly payload: string
  readonly hash: string
}

export const chainHash = (previousHash: string, payload: string): string =>
  sha256(`${previousHash}\n${payload}`)

export type AuditedEvent = { readonly kind: 'ask' } | ApprovalEvent

export function auditEvent(
  previousHash: string,
  event: AuditedEvent,
  next: Omit<Approval, 'auditHead'>,
  atMs: InstantMs,
): AuditEvent {
  const said = wellFormed({
    v: 1,
    approval: next.id,
    version: next.version,
    status: next.status,
    at: new Date(atMs).toISOString(),
    event: event.kind,
    details: details(event, next, atMs),
  })
  const payload = canonical(said)
  return { payload, hash: chainHash(previousHash, payload) }
}

function details(event: AuditedEvent, next: Omit<Approval, 'auditHead'>, atMs: InstantMs) {
  switch (event.kind) {
    case 'ask':
      return {
        server: next.asked.server,
        tool: next.asked.tool,
        requester: { name: next.asked.requester.name, owner: next.asked.requester.owner },
        digest: next.proposed.digest,
        rule: next.asking.rule,
        ruleDigest: next.asking.ruleDigest,
        toolDefinitionDigest: next.proposed.toolDefinitionDigest,
        ...(next.predecessor === null
          ? {}
          : { predecessor: next.predecessor.id, difference: next.predecessor.difference }),
        expiresAt: new Date(next.expiresAtMs).toISOString(),
      }
    case 'decide': {
      const { kind, by, reason, digest, via } = event.decision
      const { mayFromMs = next.createdAtMs } = event
      const isEscalated = mayFromMs > next.createdAtMs
      return {
        ...{ decision: kind, by, reason, digest, via, ...counted(event, next) },
        // Their right came with an escalation.
        ...(isEscalated ? { mayFrom: new Date(mayFromMs).toISOString() } : {}),
        ...given(event, atMs),
      }
    }
    case 'use_grant':
      return { decision: 'approve', by: event.grant.by, digest: next.proposed.digest, grant: event.grant.id }
    case 'end_grant':
      return { by: event.by, reason: event.reason }
    case 'take_back':
      return { by: event.by, via: event.via, reason: event.reason, ...yeses(next) }
    case 'void_votes':
      return { people: [...event.people], change: 'no approvers of their stage any more', ...yeses(next) }
    case 'edit': {
      const { by, via, reason, digest: replaced } = event
      return { by, via, reason, replaced, digest: next.proposed.digest }
    }
    case 'extend': {
      const { by, via, reason } = event
      return { by, via, reason, expiresAt: new Date(event.expiresAtMs).toISOString() }
    }
    case 'cancel':
      return { by: event.by, reason: event.reason }
    case 'invalidate':
      return { change: event.change, ...(event.successor === null ? {} : { successor: event.successor }) }
    case 'claim':
      return { node: event.node, digest: next.proposed.digest }
    case 'late_reply':
    case 'answer':
      return {
        reply: event.reply.kind,
        isError: event.reply.isError,
        ...(event.reply.isTask === true ? { isTask: true } : {}),
        digest: event.reply.digest,
        bytes: event.reply.bytes,
      }
    case 'prove_unsent':
    case 'fail_unsent':
      return { reason: event.reason }
    case 'lose_track': {
      const { reason, send = unknownSend } = event
      return { reason, progress: send.progress, httpStatus: send.httpStatus }
    }
    case 'ask_again':
      return { by: event.by, via: event.via, reason: event.reason, successor: event.successor }
    case 'look_after':
      return { isReachable: event.looked.isReachable, reason: event.looked.said }
    case 'annotate':
      return { finding: event.annotation.finding, by: event.annotation.by, note: event.annotation.note }
    case 'look_up':
      return {
        digest: event.digest,
        lookups: event.lookups.map(({ tool, arguments: args, found }) => ({
          tool,
          ...(args === null ? {} : { argumentsDigest: sha256(args) }),
          ...(found.kind === 'none'
            ? { reason: found.reason }
            : { digest: found.digest, bytes: found.bytes, isError: found.isError }),
        })),
      }
    case 'nudge': {
      const nudge = next.nudges.at(-1)
      return nudge === undefined ? {} : { nudge: nudge.kind, called: calledWords(nudge, next) }
    }
    case 'expire':
    case 'lapse':
      return {}
  }
}

/** Groups and people whom the rule names; who that was in person is the directory's. */
function calledWords(nudge: Nudge, next: Omit<Approval, 'auditHead'>): string {
  const whom =
    nudge.kind === 'escalation'
      ? calledBy(nudge, next)
      : [approversAt({ ...next, status: 'pending' }, nudge.atMs)]
  return whom.flatMap(({ groups, people }) => [...groups, ...people]).join(', ')
}
/** What was allowed besides the call. */
function given({ grant }: Extract<ApprovalEvent, { kind: 'decide' }>, atMs: InstantMs): JsonObject {
  if (grant === undefined) return {}
  return { grants: { uses: grant.uses, until: new Date(atMs + grant.durationMs).toISOString() } }
}

/** Of one of several yeses: in which stage it counts, and whether it completed them. */
function counted(
  { decision }: Extract<ApprovalEvent, { kind: 'decide' }>,
  next: Omit<Approval, 'auditHead'>,
): JsonObject {
  if (decision.kind === 'reject' || next.asking.stages.length === 0) return {}
  const vote = next.votes.find(({ by }) => by === decision.by)
  return { stage: (vote?.stage ?? 0) + 1, ...yeses(next) }
}

const yeses = ({ votes, asking }: Omit<Approval, 'auditHead'>): JsonObject => ({
  yeses: votes.length,
  of: yesesWanted(asking.stages),
})
