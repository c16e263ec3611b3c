/**
 * Sends an approved call at most once: pre-flight, digest, claim, send, outcome, in this order.
 * After the claim nothing is ever sent again, whatever happens to this process.
 */

import { type Approval, type Approved, type ReplyRef, recomputedDigest } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { sha256 } from '../domain/canonical.ts'
import { unknownSend } from '../domain/evidence.ts'
import type { ApprovalEvent } from '../domain/transition.ts'
import { unsent } from '../domain/unsent.ts'
import { beginning } from '../domain/well-formed.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import { NewerForm } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { Described, Reply, Sent, UpstreamSession } from '../ports/upstream-session.ts'
import type { Change } from './change.ts'
import type { Limiter } from './limits.ts'
import type { Rejudge } from './rejudge.ts'
import type { Lease } from './watch.ts'

/** @param isStillWaited whether somebody here could receive the outcome now */
export type Execute = (
  id: ApprovalId,
  session: UpstreamSession,
  isStillWaited: () => boolean,
) => Promise<void>

/** An outcome is pressed on a ledger that does not answer for as long as this process lives: nobody else has it. */
const OUTCOME_RETRY_MS = 250
const OUTCOME_RETRY_MS_MAX = 2_000
/** Of what an upstream or the network says, in the record. */
const SAID_LENGTH_MAX = 500

type Preflight =
  | { readonly kind: 'ready'; readonly toolDefinitionDigest: string }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly change: string }

export function createExecute(deps: {
  ledger: Ledger
  change: Change
  rejudge: Rejudge
  limiter: Limiter
  node: string
  clock: Clock
  lease: Lease
  log: Log
}): Execute {
  const { ledger, change, rejudge, limiter, node, clock, lease, log } = deps

  return async function execute(id, session, isStillWaited) {
    const reading = await ledger.get(id)
    if (reading === null || reading.approval.status !== 'approved') return

    const judged = await rejudge(id)
    if (judged?.kind === 'unreadable') {
      log.error({ approval: id, problem: judged.problem }, 'the policy in force cannot be read here')
      return waitLonger(id, unsent.unreadablePolicy)
    }
    if (judged?.kind === 'no_rules') {
      const { server } = judged.approval.asked
      return end(judged.approval, `the server ${server} is no longer configured`)
    }
    if (judged?.kind !== 'stands' || judged.approval.status !== 'approved') return
    const { approval, revision, reservations } = judged

    const flight = await preflight(approval, session)
    if (flight.kind === 'wait') return waitLonger(id, flight.reason)
    if (flight.kind === 'invalid') {
      await end(approval, flight.change)
      return
    }

    // The pre-flight takes as long as the upstream does, and the requester may have left or been told to come back.
    if (!isStillWaited()) return
    // Others may take this process for dead: what it claims now it could not send. It renews its lease and looks again.
    // Watched from before the claim: who stands still after it is taken for dead, also with a new lease by then.
    const mayStillStart = lease.watch()
    if (!mayStillStart()) return
    // Counted before the claim, because after it nothing may stand in the way; whoever does not claim takes it back.
    const allowance = await limiter.reserve(reservations)
    if (allowance.kind === 'unavailable') return waitLonger(id, unsent.uncountedLimits)
    if (allowance.kind === 'exceeded') return waitLonger(id, unsent.limited(allowance.reason))
    if (!isStillWaited()) return allowance.release()
    const { toolDefinitionDigest } = flight
    const isClaimed = await claim(approval, revision, toolDefinitionDigest, allowance.release)
    if (!isClaimed) return
    const sent = await sendOnce(approval, session, mayStillStart)
    if (sent.kind === 'not_sent') await allowance.release()
    await settle(id, outcomeOf(sent), sent.kind === 'answered' ? sent.reply : null)
    // Not awaited: it may take long, and whoever stops this process must not have to wait for it.
    if (sent.kind === 'indeterminate') void lookAfter(approval, session)
  }

  /** Whether the upstream can be asked now is worth knowing for whoever has to find out what happened. */
  async function lookAfter({ id, asked }: Approved, session: UpstreamSession): Promise<void> {
    try {
      const described = await session.describe(asked.tool)
      const isReachable = described.kind !== 'unavailable'
      const said = saidOf(described)
      await change(id, { kind: 'look_after', looked: { isReachable, said } })
    } catch (error) {
      log.warn(
        { err: error, approval: id },
        'nobody could look at the upstream after a call was lost track of',
      )
    }
  }

  async function end({ id, version }: Approval, why: string): Promise<void> {
    await change(id, { kind: 'invalidate', change: why, successor: null, forbidden: false }, { version })
  }

  /** Tried again at the next look until `startBy`; then the reason becomes the outcome. */
  async function waitLonger(id: ApprovalId, reason: string): Promise<void> {
    await ledger.noteUnsent(id, reason)
    log.warn({ approval: id, reason }, 'an approved call cannot be sent yet')
  }

  /** Not by another revision than the one it was judged by: the ledger itself compares, in the statement of the claim. */
  async function claim(
    { id, version }: Approved,
    inForce: number,
    toolDefinitionDigest: string,
    release: () => Promise<void>,
  ): Promise<boolean> {
    let isClaimed = false
    try {
      const checked = { toolDefinitionDigest }
      isClaimed = (await change(id, { kind: 'claim', node, checked }, { version, inForce })).ok
    } finally {
      if (!isClaimed) await release()
    }
    return isClaimed
  }

  /** From here on there is an outcome, whatever happens. */
  async function sendOnce(
    { id, asked, proposed }: Approved,
    session: UpstreamSession,
    mayStillStart: () => boolean,
  ): Promise<Sent> {
    try {
      return await session.send({
        approvalId: id,
        canonicalParams: proposed.canonicalParams,
        idempotencyKey: asked.idempotencyKey,
        mayStillStart,
      })
    } catch (error) {
      log.error({ err: error, approval: id }, 'a send failed in an unexpected way')
      const reason = 'the gateway failed while it was sending'
      return { kind: 'indeterminate', reason, trace: { ...unknownSend, error: reason } }
    }
  }

  async function preflight(approval: Approved, session: UpstreamSession): Promise<Preflight> {
    const { asked, proposed } = approval
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
    return { kind: 'ready', toolDefinitionDigest: described.definition.digest }
  }

  /** The send is over; now the outcome must not be lost to a ledger that is away. */
  async function settle(id: ApprovalId, event: ApprovalEvent, reply: Reply | null): Promise<void> {
    let isSettledOtherwise = false
    let isTextKept = false
    let pauseMs = OUTCOME_RETRY_MS
    for (;;) {
      try {
        if (!isSettledOtherwise) {
          const saved = await change(id, event, reply === null ? {} : { replyText: reply.text })
          if (saved.ok) return
          isSettledOtherwise = true
          log.error(
            { approval: id, event: event.kind, refused: saved.error.reason },
            'an outcome came too late',
          )
        }
        // Proved too late to be the outcome; whoever finds out what happened wants to know.
        if (event.kind === 'fail_unsent') await change(id, { kind: 'prove_unsent', reason: event.reason })
        if (reply === null) return
        if (!isTextKept) await ledger.keepEvidence(id, reply.text)
        isTextKept = true
        await change(id, { kind: 'late_reply', reply: replyRef(reply) })
        return
      } catch (error) {
        if (error instanceof NewerForm && (reply === null || isTextKept)) {
          log.error(
            { err: error, approval: id, event: event.kind },
            'an outcome cannot be noted by this version',
          )
          return
        }
        // What the upstream said is kept beside the record, which is not ours to change any more.
        if (error instanceof NewerForm) isSettledOtherwise = true
        log.warn({ err: error, approval: id }, 'the ledger did not take an outcome; trying again')
        await clock.sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, OUTCOME_RETRY_MS_MAX)
      }
    }
  }
}

function outcomeOf(sent: Sent): ApprovalEvent {
  switch (sent.kind) {
    case 'answered':
      return { kind: 'answer', reply: replyRef(sent.reply) }
    case 'not_sent':
      return { kind: 'fail_unsent', reason: sent.reason }
    case 'indeterminate':
      return { kind: 'lose_track', reason: sent.reason, send: sent.trace }
  }
}

function saidOf(described: Described): string {
  switch (described.kind) {
    case 'listed':
      return 'it answers, and still offers this tool'
    case 'unlisted':
      return 'it answers, and does not offer this tool any more'
    case 'unavailable':
      return beginning(described.reason, SAID_LENGTH_MAX)
  }
}

function replyRef({ kind, text, isError, isTask }: Reply): ReplyRef {
  const ref = { kind, isError, digest: sha256(text), bytes: Buffer.byteLength(text, 'utf8') }
  return isTask === true ? { ...ref, isTask } : ref
}
