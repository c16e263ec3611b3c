/**
 * Records as the ledger has them, each with its audit trail, written by the real `transition` and `auditEvent` alone and judged
 * as soon as they are. What can make no difference any more for what happens next is left out when two records are compared,
 * after both were judged. Each is there twice: as either of the two calls has it.
 */
import { type Approval, type Asking, bindingDigest, recomputedDigest } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { type AuditEvent, type AuditedEvent, auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import { decisionIn } from '../../src/domain/grant.ts'
import { askingOf, type Judgement, judgementOf } from '../../src/domain/judgement.ts'
import { evaluate, type Policy } from '../../src/domain/policy.ts'
import { successorTo } from '../../src/domain/successor.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import type { ToolCall } from '../../src/domain/tool-call.ts'
import { type ApprovalEvent, type Deadline, transition } from '../../src/domain/transition.ts'
import { aJudgedCall, anApproval, aPolicy, approvers, aTicket, aToolCall } from '../support/builders.ts'
import { brokenChain, unexecuted } from '../support/promises.ts'
import { people } from './people.ts'

/** While everything is in time. */
export const NOW_MS = 10
/** The deadline of a call nobody has given more time. */
const EXPIRES_MS = 100
export const LATER_MS = EXPIRES_MS + 60_000

export interface Version {
  readonly approval: Approval
  readonly trail: readonly AuditEvent[]
}
type Both<T> = readonly [T, T]

export interface Row {
  readonly name: string
  readonly as: Both<Version>
  /** What stood there before the last change. */
  readonly previous: Row | null
  /** A promise that this record breaks, or that the step to it broke. */
  readonly broken: string | null
  readonly written: Map<string, Written | null>
}

export interface Written {
  readonly row: Row
  readonly deadline: Deadline
}

/** Of the same server, one after the other. */
export type InForce = 'asks' | 'stricter' | 'forbids'
const policies: Readonly<Record<InForce, Policy>> = {
  asks: aPolicy(),
  stricter: { ...aPolicy(), fallback: { ...aPolicy().fallback, reason: 'since the incident' } },
  forbids: { ...aPolicy(), fallback: { ...aPolicy().fallback, action: 'deny' } },
}
const verdictOf = (inForce: InForce) => evaluate(policies[inForce], aJudgedCall('delete_repository'))

/** What becomes of a record under the policy in force, by the real judgement. */
export const judged = ({ as: [{ approval }] }: Row, inForce: InForce): Judgement =>
  judgementOf(approval.asking, verdictOf(inForce), approvers)

/** Two agents of different owners who want different things. */
export const calls: Both<ToolCall> = [
  aToolCall({ arguments: { n: 0 }, principal: { name: 'night-agent', owner: 'jun' } }),
  aToolCall({ arguments: { n: 1 }, principal: { name: 'day-agent', owner: 'hana' } }),
]

const tickets = new Map<string, ApprovalId>()
/** @param place which of the approvals of this call it is, from 0 */
export function ticketOf(call: 0 | 1, place: number): ApprovalId {
  const name = `${call}.${place}`
  const id = tickets.get(name) ?? aTicket()
  tickets.set(name, id)
  return id
}

/** What the upstream answers to this approval, and to no other. */
export const replyTo = (id: ApprovalId) =>
  ({ kind: 'result', isError: false, digest: sha256(`done: ${id}`), bytes: 1 }) as const

export type Records = ReturnType<typeof createRecords>

/** @param isAudited whether a step leaves its event behind */
export function createRecords(stages: Asking['stages'], isAudited: (event: AuditedEvent) => boolean) {
  const known = new Map<string, Row>()

  function rowOf(place: number, as: Both<Version>, previous: Row | null, event: AuditedEvent): Row {
    const broken = previous?.broken ?? brokenIn(as, previous, event)
    const name = `${place}${nameOf(as[0].approval, place)}${broken ?? ''}`
    const same = known.get(name)
    if (same !== undefined) return same
    const row: Row = { name, as, previous, broken, written: new Map() }
    known.set(name, row)
    return row
  }

  function chained(
    trail: readonly AuditEvent[],
    next: Approval,
    event: AuditedEvent,
    atMs: number,
    head: string,
  ): Version {
    const audit = auditEvent(head, event, next, atMs)
    if (!isAudited(event)) return { approval: { ...next, auditHead: head }, trail }
    return { approval: { ...next, auditHead: audit.hash }, trail: [...trail, audit] }
  }

  /** What a call asks under the policy in force; `null`: nothing, it is forbidden. */
  function first(place: number, inForce: InForce): Row | null {
    const verdict = verdictOf(inForce)
    if (verdict.kind !== 'require_approval') return null
    const asking = { ...askingOf(verdict, approvers), stages }
    const one = (position: 0 | 1): Version => {
      const call = calls[position]
      const { approval } = anApproval({ nowMs: 0, decisionMs: EXPIRES_MS, call, asking })
      const nonce = `${position}.${place}`
      const { canonicalParams, toolDefinitionDigest } = approval.proposed
      const { server, tool, requester } = approval.asked
      const { ruleDigest } = asking
      const binding = { nonce, server, tool, canonicalParams, toolDefinitionDigest, ruleDigest, requester }
      const proposed = { ...approval.proposed, digest: bindingDigest(binding) }
      const named = { ...approval, id: ticketOf(position, place), nonce, proposed, auditHead: CHAIN_START }
      return chained([], named, { kind: 'ask' }, 0, CHAIN_START)
    }
    return rowOf(place, [one(0), one(1)], null, { kind: 'ask' })
  }

  /** The approval that asks in place of another one, by the real function. */
  function successor(before: Row, place: number, asking: Asking, why: 'rule_changed' | 'unknown_end'): Row {
    const one = (position: 0 | 1): Version => {
      const next = successorTo(before.as[position].approval, {
        ...{ id: ticketOf(position, place), nonce: `${position}.${place}.${why}`, asking, why },
        ...{ difference: 'another rule', like: null, createdAtMs: 0, expiresAtMs: EXPIRES_MS },
      })
      return chained([], next, { kind: 'ask' }, 0, CHAIN_START)
    }
    return rowOf(place, [one(0), one(1)], null, { kind: 'ask' })
  }

  /**
   * The next record; `null` where `transition` refuses. It is pure, so that the same is asked of it once.
   * @param name of the event, with all that makes it differ from others
   * @param forced what a broken design writes in place of what `transition` says
   */
  function written(
    row: Row,
    place: number,
    name: string,
    eventOf: (approval: Approval, position: 0 | 1) => ApprovalEvent,
    atMs: number,
    forced: ((approval: Approval) => Approval | null) | null = null,
  ): Written | null {
    const key = `${name}@${atMs}`
    const before = row.written.get(key)
    if (before !== undefined) return before
    let deadline: Deadline = { kind: 'none' }
    let isRefused = false
    const one = (position: 0 | 1): Version => {
      const { approval, trail } = row.as[position]
      const event = eventOf(approval, position)
      const step = forced === null ? transition(approval, event, atMs, timings) : null
      if (step?.ok) deadline = step.value.deadline
      const next = forced !== null ? forced(approval) : step?.ok ? step.value.next : null
      if (next === null) isRefused = true
      return next === null ? row.as[position] : chained(trail, next, event, atMs, approval.auditHead)
    }
    const as: Both<Version> = [one(0), one(1)]
    const result = isRefused ? null : { row: rowOf(place, as, row, eventOf(row.as[0].approval, 0)), deadline }
    row.written.set(key, result)
    return result
  }

  return { first, successor, written }
}

/** Whatever can still make a difference, and nothing else. */
function nameOf(approval: Approval, place: number): string {
  const { asking, edits, expiresAtMs, votes } = approval
  const rule = asking.reason === null ? '' : 's'
  switch (approval.status) {
    case 'pending':
      return `p${rule}${edits.length}${expiresAtMs === EXPIRES_MS ? '' : 'x'}${votes.map(({ by }) => by).join()}`
    case 'approved':
      return `a${rule}${decidersOf(approval)}`
    case 'executing':
      return `e${rule}${approval.claim.node}${decidersOf(approval)}`
    case 'settled': {
      const { outcome } = approval
      switch (outcome.kind) {
        case 'answered':
          return `answered${decidersOf(approval)}`
        case 'indeterminate': {
          const { annotations, evidence, successor } = outcome
          const note = annotations.at(-1)?.finding ?? ''
          const again = successor === null ? '' : '>'
          return `unknown${rule}${note}${evidence.lateReplies.length}${again}${decidersOf(approval)}`
        }
        // For ten minutes nobody asks the same again.
        case 'rejected':
          return 'no'
        case 'invalidated':
          return outcome.successor === null ? 'over' : `over>${outcome.successor === ticketOf(0, place + 1)}`
        case 'expired':
        case 'lapsed':
        case 'cancelled':
        case 'not_sent':
          return 'over'
      }
    }
  }
}

function decidersOf(approval: Approval): string {
  const decision = decisionIn(approval)
  return decision === null ? '' : [...decision.with, decision.by].join()
}

/** The promises that a record keeps or breaks by itself, or with the one before it. */
function brokenIn(as: Both<Version>, previous: Row | null, event: AuditedEvent): string | null {
  for (const position of [0, 1] as const) {
    const { approval, trail } = as[position]
    const [audit] = brokenChain({ approval, trail })
    if (audit !== undefined) return `I10: ${audit.text}`
    const said: unknown = JSON.parse(trail.at(-1)?.payload ?? 'null')
    const { id, version, status } = approval
    if (!isAbout(said, { approval: id, version, status, event: event.kind }))
      return `I10: the audit of ${id} tells something else than what happened`
    const { digest } = approval.proposed
    if (recomputedDigest(approval) !== digest) return 'I2: the digest is not of what would be sent'
    const decision = decisionIn(approval)
    if (decision !== null) {
      if (decision.digest !== digest) return 'I2: decided about something else than would be sent'
      const { requester } = approval.asked
      const deciders = [...decision.with, decision.by]
      if (deciders.some((by) => by === requester.owner || by === requester.name))
        return 'I6: decided by whose call it is'
      if (deciders.some((by) => !people.includes(by))) return 'I6: decided by somebody who is no approver'
    } else if (approval.status !== 'pending' && approval.status !== 'settled') return 'I2: nobody decided'
    const before = previous?.as[position].approval
    if (before?.status === 'settled') {
      if (approval.status !== 'settled') return 'I3: it had ended, and goes on'
      if (approval.outcome.kind !== before.outcome.kind) return 'I4: it ended twice, and differently'
    }
    if (approval.status !== 'settled') continue
    const { outcome } = approval
    if (before?.status === 'pending' && 'decision' in outcome && outcome.kind !== 'rejected')
      return 'I2: nobody decided'
    if (outcome.kind === 'answered' && outcome.reply.digest !== replyTo(id).digest)
      return 'I5: the answer is not what the upstream said to this call'
    if (before?.status === 'executing' && unexecuted.includes(outcome.kind) && outcome.kind !== 'not_sent')
      return 'I5: it was being sent, and nothing is known of how that ended'
  }
  return null
}

function isAbout(said: unknown, is: Readonly<Record<string, unknown>>): boolean {
  if (typeof said !== 'object' || said === null) return false
  const told = new Map(Object.entries(said))
  return Object.entries(is).every(([name, value]) => told.get(name) === value)
}
