/**
 * Sends an approved call at most once: pre-flight, digest, claim, send, outcome, in this order.
 * After the claim nothing is ever sent again, whatever happens to this process.
 */
import {
  type Approved,
  type InstantMs,
  type Proposed,
  type ReplyRef,
  recomputedDigest,
} from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { type JsonValue, sha256 } from '../domain/canonical.ts'
import { effectiveRuleDigest } from '../domain/policy.ts'
import type { ApprovalEvent } from '../domain/transition.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Reply, Sent, UpstreamSession } from '../ports/upstream-session.ts'
import type { Change } from './change.ts'
import type { Judge } from './judge.ts'
import type { Lease } from './watch.ts'

/** @param isStillWaited whether somebody here could receive the outcome now */
export type Execute = (
  id: ApprovalId,
  session: UpstreamSession,
  isStillWaited: () => boolean,
) => Promise<void>

/** An outcome is pressed on a ledger that does not answer for as long as this process lives: nobody else has it. */
const OUTCOME_RETRY_MS = 250
const OUTCOME_RETRY_MS_MAX = 5_000

type Preflight =
  | { readonly kind: 'ready' }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly change: string }

export function createExecute(deps: {
  ledger: Ledger
  change: Change
  judge: Judge
  node: string
  clock: Clock
  lease: Lease
  log: Log
}): Execute {
  const { ledger, change, judge, node, clock, lease, log } = deps

  return async function execute(id, session, isStillWaited) {
    const reading = await ledger.get(id)
    if (reading === null || reading.approval.status !== 'approved') return
    const { approval, nowMs } = reading

    const flight = await preflight(approval, session, nowMs)
    if (flight.kind === 'wait') {
      // Tried again at the next look until `startBy`; then the reason becomes the outcome.
      await ledger.noteUnsent(id, flight.reason)
      log.warn({ approval: id, reason: flight.reason }, 'an approved call cannot be sent yet')
      return
    }
    if (flight.kind === 'invalid') {
      await change(
        id,
        { kind: 'invalidate', change: flight.change, successor: null },
        { version: approval.version },
      )
      return
    }

    // The pre-flight takes as long as the upstream does, and the requester may have left or been told to come back.
    if (!isStillWaited()) return
    const claimed = await change(id, { kind: 'claim', node }, { version: approval.version })
    if (!claimed.ok) return
    const sent = await sendOnce(approval, session)
    await settle(id, outcomeOf(sent), sent.kind === 'answered' ? sent.reply.text : undefined)
  }

  /** From here on there is an outcome, whatever happens. */
  async function sendOnce({ id, asked, proposed }: Approved, session: UpstreamSession): Promise<Sent> {
    try {
      return await session.send({
        approvalId: id,
        canonicalParams: proposed.canonicalParams,
        idempotencyKey: asked.idempotencyKey,
        // A process that stood still is taken for dead, and others say by then that nobody knows.
        mayStillStart: lease.isHeld,
      })
    } catch (error) {
      log.error({ err: error, approval: id }, 'a send failed in an unexpected way')
      return { kind: 'indeterminate', reason: 'the gateway failed while it was sending' }
    }
  }

  async function preflight(
    approval: Approved,
    session: UpstreamSession,
    nowMs: InstantMs,
  ): Promise<Preflight> {
    const { asked, proposed, asking } = approval
    const { server, tool, requester: principal } = asked
    const judged = judge({ server, tool, principal, arguments: argumentsOf(proposed), nowMs })
    if (judged === null) return { kind: 'invalid', change: `the server ${server} is no longer configured` }
    const { verdict, approvers } = judged
    if (verdict.kind === 'deny' || verdict.kind === 'hide') {
      return { kind: 'invalid', change: 'the policy forbids this tool now' }
    }
    if (
      verdict.kind === 'require_approval' &&
      effectiveRuleDigest(verdict, approvers) !== asking.ruleDigest
    ) {
      return { kind: 'invalid', change: 'the rule or its approvers changed after the decision' }
    }
    const described = await session.describe(asked.tool)
    if (described.kind === 'unavailable') return { kind: 'wait', reason: described.reason }
    if (described.kind === 'unlisted')
      return { kind: 'invalid', change: 'the upstream no longer offers this tool' }
    if (described.definition.digest !== proposed.toolDefinitionDigest) {
      return { kind: 'invalid', change: 'the upstream changed the definition of this tool' }
    }
    const digest = recomputedDigest(approval)
    if (digest !== proposed.digest || digest !== approval.decision.digest) {
      log.error({ approval: approval.id, digest }, 'the stored call is not the call that was decided on')
      return { kind: 'invalid', change: 'the stored call is not the call that was decided on' }
    }
    return { kind: 'ready' }
  }

  /** The send is over; now the outcome must not be lost to a ledger that is away. */
  async function settle(id: ApprovalId, event: ApprovalEvent, replyText?: string): Promise<void> {
    let pauseMs = OUTCOME_RETRY_MS
    for (;;) {
      try {
        const saved = await change(id, event, replyText === undefined ? {} : { replyText })
        if (saved.ok) return
        log.error(
          { approval: id, event: event.kind, refused: saved.error.reason },
          'an outcome came too late',
        )
        if (replyText !== undefined) await ledger.keepEvidence(id, replyText)
        return
      } catch (error) {
        log.warn({ err: error, approval: id }, 'the ledger did not take an outcome; trying again')
        await clock.sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, OUTCOME_RETRY_MS_MAX)
      }
    }
  }
}

/** The arguments of a stored call; parsed from the text that would be sent. */
function argumentsOf({ canonicalParams }: Proposed): JsonValue {
  const params: { arguments?: JsonValue } = JSON.parse(canonicalParams)
  return params.arguments ?? {}
}

function outcomeOf(sent: Sent): ApprovalEvent {
  switch (sent.kind) {
    case 'answered':
      return { kind: 'answer', reply: replyRef(sent.reply) }
    case 'not_sent':
      return { kind: 'fail_unsent', reason: sent.reason }
    case 'indeterminate':
      return { kind: 'lose_track', reason: sent.reason }
  }
}

function replyRef({ kind, text, isError }: Reply): ReplyRef {
  return { kind, isError, digest: sha256(text), bytes: Buffer.byteLength(text, 'utf8') }
}
