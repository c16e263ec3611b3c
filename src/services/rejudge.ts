/**
 * Judges open approvals by the policy in force: the same rule keeps one, votes and decision included; another rule ends it and
 * asks anew; a forbidding one ends it. Level-triggered and guarded, so that any number of gateways may do it, and stop half-way.
 */
import type { Approval, InstantMs, Proposed } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { auditEvent, CHAIN_START } from '../domain/audit.ts'
import type { JsonValue } from '../domain/canonical.ts'
import { type Judgement, judgementOf } from '../domain/judgement.ts'
import type { Reservation } from '../domain/policy/tally.ts'
import { cancelReason, type Stop, stopOver } from '../domain/stop.ts'
import { successorTo } from '../domain/successor.ts'
import type { Timings } from '../domain/timings.ts'
import { type ApprovalEvent, transition } from '../domain/transition.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import type { Stops } from '../ports/stops.ts'
import type { Announce } from './change.ts'
import type { JudgeNow } from './judge.ts'
import type { RulesInForce } from './rules-in-force.ts'

export type Rejudged =
  /** It may stay as it is while this revision is in force. */
  | {
      readonly kind: 'stands'
      readonly approval: Approval
      readonly revision: number
      /** What has to be counted before it is sent. */
      readonly reservations: readonly Reservation[]
    }
  /** It is being sent or has ended, perhaps by this judgement. */
  | { readonly kind: 'over'; readonly approval: Approval }
  /** In force is what this process cannot read. */
  | { readonly kind: 'unreadable'; readonly problem: string }
  /** Nothing was ever in force for its server. */
  | { readonly kind: 'no_rules'; readonly approval: Approval }

/** `null`: there is no such approval. */
export type Rejudge = (id: ApprovalId) => Promise<Rejudged | null>

/** Others may be changing it at the same time; more rounds than this mean something else is wrong. */
const ROUNDS_MAX = 20

export function createRejudge(deps: {
  ledger: Ledger
  stops: Pick<Stops, 'inForce'>
  judgeNow: JudgeNow
  announce: Announce
  random: Random
  timings: Timings
  log: Log
}): Rejudge {
  const { ledger, stops, judgeNow, announce, random, timings, log } = deps

  return async function rejudge(id) {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const reading = await ledger.get(id)
      if (reading === null) return null
      const { approval, nowMs } = reading
      if (approval.status !== 'pending' && approval.status !== 'approved') return { kind: 'over', approval }
      const { server, tool, requester: principal, session = null } = approval.asked
      // The ledger takes no yes and no claim for it, whatever the policy says.
      const stop = stopOver(await stops.inForce(), { server, tool, principal })
      if (stop !== null) {
        const cancelled = await cancel(approval, stop, nowMs)
        if (cancelled !== null) return { kind: 'over', approval: cancelled }
        continue
      }
      // Nor a claim under a grant that somebody has taken back.
      const under = approval.status === 'approved' ? approval.decision.under : null
      const grant = under === null ? null : await ledger.grant(under)
      if (grant !== null && grant.ended !== null) {
        const cancelled = await withdraw(approval, grant.ended.by, nowMs)
        if (cancelled !== null) return { kind: 'over', approval: cancelled }
        continue
      }
      const args = argumentsOf(approval.proposed)
      const now = await judgeNow({ server, tool, principal, arguments: args, session, nowMs })
      if (now.kind === 'none') return { kind: 'no_rules', approval }
      if (now.kind === 'unreadable') return now
      const { verdict, approvers, revision } = now.judged
      const judgement = judgementOf(approval.asking, verdict, approvers)
      if (judgement.kind === 'keeps') {
        const reservations = 'reservations' in verdict ? verdict.reservations : []
        return { kind: 'stands', approval, revision, reservations }
      }
      const ended =
        judgement.kind === 'forbids'
          ? await end(approval, judgement.change, revision, nowMs)
          : await askAnew(approval, judgement, revision, nowMs)
      if (ended !== null) return { kind: 'over', approval: ended }
    }
    throw new Error(`${id} or its rule kept changing for ${ROUNDS_MAX} rounds`)
  }

  async function cancel(previous: Approval, stop: Stop, nowMs: InstantMs) {
    const step = ending(previous, { kind: 'cancel', by: stop.by, reason: cancelReason(stop) }, nowMs)
    if (step === null || !(await ledger.save(step))) return null
    log.info({ approval: previous.id, stop: stop.number }, 'a waiting call was stopped')
    await announce(step.next, nowMs)
    return step.next
  }

  async function withdraw(previous: Approval, by: string, nowMs: InstantMs) {
    const reason = 'the grant that covered it was taken back'
    const step = ending(previous, { kind: 'cancel', by, reason }, nowMs)
    if (step === null || !(await ledger.save(step))) return null
    log.info({ approval: previous.id }, 'a call was withdrawn with the grant that covered it')
    await announce(step.next, nowMs)
    return step.next
  }

  async function end(previous: Approval, change: string, revision: number, nowMs: InstantMs) {
    const step = ending(previous, { kind: 'invalidate', change, successor: null, forbidden: true }, nowMs)
    if (step === null || !(await ledger.save({ ...step, inForce: revision }))) return null
    log.info({ approval: previous.id, revision, change }, 'the policy in force forbids a waiting call')
    await announce(step.next, nowMs)
    return step.next
  }

  async function askAnew(
    previous: Approval,
    { asking, difference, timeoutMs }: Extract<Judgement, { kind: 'asks_anew' }>,
    revision: number,
    nowMs: InstantMs,
  ) {
    const successor = successorTo(previous, {
      ...{ id: random.approvalId(), nonce: random.nonce(), asking },
      ...{ why: 'rule_changed', difference, like: previous.like },
      ...{ createdAtMs: nowMs, expiresAtMs: nowMs + (timeoutMs ?? timings.decisionMs) },
    })
    const audit = auditEvent(CHAIN_START, { kind: 'ask' }, successor, nowMs)
    const record: Approval = { ...successor, auditHead: audit.hash }
    const change = `the rule changed: ${difference}`
    const step = ending(
      previous,
      { kind: 'invalidate', change, successor: record.id, forbidden: false },
      nowMs,
    )
    const replacement = { successor: record, successorAudit: audit, inForce: revision }
    if (step === null || !(await ledger.replace({ ...step, ...replacement }))) return null
    log.info(
      { approval: previous.id, successor: record.id, revision, difference },
      'the rule of a waiting call changed; people are asked again',
    )
    await announce(step.next, nowMs)
    await announce(record, nowMs)
    return step.next
  }

  function ending(previous: Approval, event: ApprovalEvent, nowMs: InstantMs) {
    const step = transition(previous, event, nowMs, timings)
    if (!step.ok) return null
    const audit = auditEvent(previous.auditHead, event, step.value.next, nowMs)
    const next: Approval = { ...step.value.next, auditHead: audit.hash }
    return { previous, next, audit, deadline: step.value.deadline, replyText: null }
  }
}

/** The arguments of a stored call; parsed from the text that would be sent. */
export function argumentsOf({ canonicalParams }: Proposed): JsonValue {
  const params: { arguments?: JsonValue } = JSON.parse(canonicalParams)
  return params.arguments ?? {}
}

/** Judged in one round; the rest follows at once. */
const PER_ROUND_MAX = 200

/** Judges whatever was judged by another revision than the one in force, until `stopping` aborts; never rejects. */
export async function keepJudged(deps: {
  ledger: Ledger
  rejudge: Rejudge
  rules: Pick<RulesInForce, 'of' | 'onChange'>
  servers: readonly string[]
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, rejudge, rules, servers, clock, timings, stopping, log } = deps
  let look = new AbortController()
  const lookNow = () => look.abort()
  rules.onChange(lookNow)
  stopping.addEventListener('abort', lookNow, { once: true })
  while (!stopping.aborted) {
    look = new AbortController()
    let isMore = false
    try {
      const readable = servers.filter((server) => rules.of(server) !== null)
      const ids = await ledger.unjudged(readable, PER_ROUND_MAX)
      let judged = 0
      for (const id of ids) if (await judgeOne(id)) judged++
      // What cannot be judged must not make this loop spin.
      isMore = ids.length === PER_ROUND_MAX && judged > 0
    } catch (error) {
      log.warn({ err: error }, 'waiting calls could not be judged again; the next round follows')
    }
    if (!isMore && !stopping.aborted) await clock.sleep(timings.loopMs, look.signal)
  }

  /** One record that this process cannot read or change must not keep the others waiting. */
  async function judgeOne(id: ApprovalId): Promise<boolean> {
    try {
      const judged = await rejudge(id)
      if (judged?.kind === 'stands') await ledger.noteJudged(judged.approval, judged.revision)
      return judged?.kind === 'stands' || judged?.kind === 'over'
    } catch (error) {
      log.warn(
        { err: error, approval: id },
        'a waiting call could not be judged again; it is looked at again',
      )
      return false
    }
  }
}
