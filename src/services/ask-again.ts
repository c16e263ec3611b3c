/**
 * A person asks again about a call whose end nobody knows: a new approval of the same call, with a ticket, a nonce and a
 * decision of its own. Nothing runs by itself: somebody has to say yes to it, and somebody has to be there for its result.
 */
import type { Approval, Door, InstantMs } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { auditEvent, CHAIN_START } from '../domain/audit.ts'
import { authorise, type Unauthorised } from '../domain/authority.ts'
import type { JsonValue } from '../domain/canonical.ts'
import { askingOf } from '../domain/judgement.ts'
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { successorTo } from '../domain/successor.ts'
import type { Timings } from '../domain/timings.ts'
import { type ApprovalEvent, transition } from '../domain/transition.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import type { Announce, ChangeRefusal } from './change.ts'
import type { Judge, Judged } from './judge.ts'

export interface AskAgainRequest {
  readonly id: ApprovalId
  readonly person: Person
  readonly reason: string | null
  readonly via: Door
}

export interface NotAskable {
  readonly reason: 'not_askable'
  readonly text: string
  readonly remedy: string
}

export type AskAgainRefusal =
  | ChangeRefusal
  | NotAskable
  | { readonly reason: 'unauthorised'; readonly because: Unauthorised }

/** @returns the new approval, which waits for a decision */
export type AskAgain = (request: AskAgainRequest) => Promise<Result<Approval, AskAgainRefusal>>

type Asks = Judged & { readonly verdict: Extract<Judged['verdict'], { kind: 'require_approval' }> }

/** Others may be saying something about it at the same time; more rounds than this mean something else is wrong. */
const ROUNDS_MAX = 20

export function createAskAgain(deps: {
  ledger: Pick<Ledger, 'get' | 'replace' | 'unsettledByAttachKey'>
  judge: Judge
  announce: Announce
  random: Random
  timings: Timings
  log: Log
}): AskAgain {
  const { ledger, judge, announce, random, timings, log } = deps

  return async function askAgain({ id, person, reason, via }) {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const reading = await ledger.get(id)
      if (reading === null) return err({ reason: 'not_found' })
      const { approval: previous, nowMs } = reading
      const authority = authorise(person, 'approve', previous, nowMs)
      if (!authority.ok) return err({ reason: 'unauthorised', because: authority.error })
      const waiting = await ledger.unsettledByAttachKey(previous.asked.attachKey)
      if (waiting !== null) return err(waitsAlready(waiting.approval.id))
      const judged = await judgedAgain(previous, nowMs)
      if (judged === null) return err(notAsked)

      const { verdict, approvers } = judged
      const unchained = successorTo(previous, {
        ...{ id: random.approvalId(), nonce: random.nonce(), asking: askingOf(verdict, approvers) },
        ...{ why: 'unknown_end', difference: 'nobody knows whether that one happened', like: null },
        ...{ createdAtMs: nowMs, expiresAtMs: nowMs + (verdict.terms.timeoutMs ?? timings.decisionMs) },
      })
      const successorAudit = auditEvent(CHAIN_START, { kind: 'ask' }, unchained, nowMs)
      const successor: Approval = { ...unchained, auditHead: successorAudit.hash }
      const event: ApprovalEvent = { kind: 'ask_again', by: person.id, via, reason, successor: successor.id }
      const step = transition(previous, event, nowMs, timings)
      if (!step.ok) return err({ reason: 'refused', refusal: step.error, approval: previous })
      const audit = auditEvent(previous.auditHead, event, step.value.next, nowMs)
      const next: Approval = { ...step.value.next, auditHead: audit.hash }
      const { deadline } = step.value
      const inForce = judged.revision
      const change = { previous, next, deadline, audit, replyText: null, successor, successorAudit, inForce }
      if (!(await replaced(change))) continue
      log.info({ approval: id, successor: successor.id, by: person.id }, 'a person asks again about a call')
      await announce(next, nowMs)
      await announce(successor, nowMs)
      return ok(successor)
    }
    throw new Error(`${id} or its rule kept changing for ${ROUNDS_MAX} rounds`)
  }

  /** The agent may have asked again by itself in the same moment: of the two, one gets in. */
  async function replaced(change: Parameters<Ledger['replace']>[0]): Promise<boolean> {
    try {
      return await ledger.replace(change)
    } catch (error) {
      const other = await ledger.unsettledByAttachKey(change.previous.asked.attachKey)
      if (other === null) throw error
      return false
    }
  }

  /** `null`: the policy in force asks nobody about it: it forbids the call, or would let the agent's own pass. */
  async function judgedAgain({ asked, proposed }: Approval, nowMs: InstantMs): Promise<Asks | null> {
    const { server, tool, requester: principal, session = null } = asked
    const params: { arguments?: JsonValue } = JSON.parse(proposed.canonicalParams)
    const call = { server, tool, principal, arguments: params.arguments ?? {}, session, nowMs }
    const judged = await judge(call)
    return judged !== null && isAsking(judged) ? judged : null
  }
}

const isAsking = (judged: Judged): judged is Asks => judged.verdict.kind === 'require_approval'

const waitsAlready = (id: ApprovalId): NotAskable => ({
  reason: 'not_askable',
  text: `The same call waits already, as ${id}.`,
  remedy: 'Decide about that one.',
})

const notAsked: NotAskable = {
  reason: 'not_askable',
  text: 'The policy in force asks nobody about this call any more: it forbids it, lets it pass, or cannot be read here.',
  remedy: 'Say what happened to it instead; the agent can call again if that is allowed.',
}
