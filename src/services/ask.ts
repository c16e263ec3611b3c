/** A critical call asks for a decision: it attaches to the same call, receives its outcome, or becomes a new approval. */
import { type Approval, bindingDigest, formOf, type InstantMs, type Settled } from '../domain/approval.ts'
import { auditEvent, CHAIN_START } from '../domain/audit.ts'
import { askingOf } from '../domain/judgement.ts'
import { type Likeness, likenessOf } from '../domain/likeness.ts'
import type { Limits } from '../domain/limits.ts'
import { nothingLookedUp } from '../domain/lookups.ts'
import type { ApproverChain, Verdict } from '../domain/policy.ts'
import { hasOwner } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { refusedAfter, sameCallAgain } from '../domain/same-call-again.ts'
import type { Timings } from '../domain/timings.ts'
import { attachKey, callKey, type ToolCall, type ToolDefinition } from '../domain/tool-call.ts'
import type { Ledger, Seen, SeenLast, SettledReading } from '../ports/ledger.ts'
import { NewerForm, type Unread } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import type { UpstreamSession } from '../ports/upstream-session.ts'
import type { Announce } from './change.ts'
import type { Limiter } from './limits.ts'
import type { LookUp } from './look-up.ts'
import type { UseGrant } from './use-grant.ts'

export interface AskRequest {
  readonly call: ToolCall
  readonly verdict: Extract<Verdict, { kind: 'require_approval' }>
  readonly approvers: ApproverChain
  /** The number of the policy revision that asks. */
  readonly revision: number
  /** Name and version of the client as it states them, for display. */
  readonly client: string | null
  readonly session: UpstreamSession
}

export type Answered =
  | { readonly kind: 'waiting'; readonly approval: Approval; readonly isNew: boolean }
  | { readonly kind: 'outcome'; readonly approval: Settled }

export type AskRefusal =
  | { readonly reason: 'cool_down'; readonly approval: Settled; readonly untilMs: InstantMs }
  | { readonly reason: 'unresolved'; readonly approval: Settled }
  | { readonly reason: 'idempotency_key_reused' }
  /** A limit of the policy has no room for it, so that nobody needs to be asked. */
  | { readonly reason: 'limited'; readonly rule: string; readonly because: string }
  | { readonly reason: 'limits_unavailable' }
  | { readonly reason: 'too_many_pending'; readonly pending: number; readonly max: number }
  /** The same call ended elsewhere each time it was to be asked for. */
  | { readonly reason: 'moved_on' }
  /** The same call is known, in a form that only a newer version reads. */
  | { readonly reason: 'newer_form'; readonly unread: Unread }
  | { readonly reason: 'unknown_tool' }
  /** It is not known which person answers for the agent, so nobody could decide. */
  | { readonly reason: 'owner_unknown' }
  /** `told`: what the agent and its user can do about it. */
  | { readonly reason: 'upstream_unavailable'; readonly detail: string; readonly told?: string }

/** Of the agent's waiting calls, the latest: reading a thousand records for each of a thousand calls would take minutes. */
const LOOKED_AT_FOR_LIKENESS_MAX = 20

/** The same call ends elsewhere between a look and the record: hardly ever once, and more often than this something else is wrong. */
const LOOKS_MAX = 5

/** How the same call ended last: what its repeat gets, or that it is a call of its own as long as nothing else has ended. */
type Looked =
  | { readonly kind: 'known'; readonly answer: Result<Answered, AskRefusal> }
  | { readonly kind: 'fresh'; readonly seenLast: SeenLast }

export type Ask = (request: AskRequest) => Promise<Result<Answered, AskRefusal>>

export function createAsk(deps: {
  ledger: Ledger
  announce: Announce
  limiter: Limiter
  /** Reads what the rule wants people to see; not waited for. */
  lookUp: LookUp
  useGrant: UseGrant
  random: Random
  timings: Timings
  limits: Limits
  log: Log
}): Ask {
  const { ledger, announce, limiter, lookUp, useGrant, random, timings, limits, log } = deps

  return async function ask(request) {
    try {
      return await askReadable(request)
    } catch (error) {
      if (error instanceof NewerForm) return err({ reason: 'newer_form', unread: error.unread })
      throw error
    }
  }

  async function askReadable(request: AskRequest): Promise<Result<Answered, AskRefusal>> {
    const { call, session } = request
    if (!hasOwner(call.principal)) return err({ reason: 'owner_unknown' })
    const key = attachKey(call)
    const sameCall = callKey(call)

    // Attaching comes before every limit: a repeat costs nothing and must never be turned away.
    const unsettled = await ledger.unsettledByAttachKey(key)
    if (unsettled !== null) return ok({ kind: 'waiting', approval: unsettled.approval, isNew: false })

    let looked = await lookAt(key, sameCall)
    if (looked.kind === 'known') return looked.answer
    if (call.idempotencyKey !== null) {
      const first = await ledger.attachKeyOf(call.principal.name, call.server, call.idempotencyKey)
      if (first !== null && first !== key) return err({ reason: 'idempotency_key_reused' })
    }

    const full = await limiter.exceeded(request.verdict.reservations)
    if (full?.kind === 'exceeded') return err({ reason: 'limited', rule: full.rule, because: full.reason })
    if (full !== null) return err({ reason: 'limits_unavailable' })

    const described = await session.describe(call.tool)
    if (described.kind === 'unlisted') return err({ reason: 'unknown_tool' })
    if (described.kind === 'unavailable')
      return err({
        reason: 'upstream_unavailable',
        detail: described.reason,
        ...(described.told === undefined ? {} : { told: described.told }),
      })

    const like = likenessOf(call, await waitingOf(call))
    const approval = newApproval(request, key, sameCall, described.definition, like, await ledger.nowMs())
    const audit = auditEvent(CHAIN_START, { kind: 'ask' }, approval, approval.createdAtMs)
    const record: Approval = { ...approval, auditHead: audit.hash }
    const { pendingPerPrincipalMax } = limits
    const judgedRevision = request.revision
    const { coolDownMs } = timings
    const proposal = { approval: record, audit, pendingPerPrincipalMax, judgedRevision, coolDownMs }
    let created = await ledger.create({ ...proposal, seenLast: looked.seenLast })
    // The upstream took its time, or this process stood still, and the same call came and ended elsewhere meanwhile.
    for (let looks = 1; created.kind === 'moved_on' && looks < LOOKS_MAX; looks++) {
      looked = await lookAt(key, sameCall)
      if (looked.kind === 'known') return looked.answer
      created = await ledger.create({ ...proposal, seenLast: looked.seenLast })
    }
    switch (created.kind) {
      case 'moved_on':
        return err({ reason: 'moved_on' })
      case 'attached':
        return ok({ kind: 'waiting', approval: created.approval, isNew: false })
      case 'idempotency_key_reused':
        return err({ reason: 'idempotency_key_reused' })
      case 'too_many_pending':
        return err({ reason: 'too_many_pending', pending: created.pending, max: pendingPerPrincipalMax })
      case 'created': {
        const granted = await useGrant(record, judgedRevision)
        if (granted !== null) return ok({ kind: 'waiting', approval: granted, isNew: true })
        await announce(record, record.createdAtMs)
        log.info(
          { approval: record.id, server: call.server, tool: call.tool, requester: call.principal.name },
          'a call waits for a decision',
        )
        if (record.lookups === null) {
          lookUp(record.id).catch((error: unknown) =>
            log.warn({ err: error, approval: record.id }, 'evidence could not be read; it is tried again'),
          )
        }
        return ok({ kind: 'waiting', approval: record, isNew: true })
      }
    }
  }

  /** An outcome is for whoever may still collect it; a no, or an end that nobody knows, holds under any idempotency key and in any era. */
  async function lookAt(key: string, sameCall: string): Promise<Looked> {
    const nowMs = await ledger.nowMs()
    const own = await ledger.lastSettledByAttachKey(key)
    if (own !== null) {
      const { kind } = sameCallAgain(own.approval, own.deliveredAtMs, nowMs, timings)
      if (kind === 'outcome') {
        return { kind: 'known', answer: ok({ kind: 'outcome', approval: own.approval }) }
      }
    }
    const same = await ledger.lastSettledByCallKey(sameCall)
    // The newest alone does not tell: a sibling that ended since, withdrawn by the agent itself, would hide a no.
    const refusing = await ledger.refusingByCallKey(sameCall, timings.coolDownMs)
    const refused = refusing === null ? null : refusalOf(refusing, nowMs)
    if (refused !== null) return { kind: 'known', answer: err(refused) }
    return { kind: 'fresh', seenLast: { byAttachKey: seen(own), byCallKey: seen(same) } }
  }

  function waitingOf({ principal }: ToolCall) {
    const limit = Math.min(limits.pendingPerPrincipalMax, LOOKED_AT_FOR_LIKENESS_MAX)
    return ledger.list({ statuses: ['pending'], principal: principal.name, limit, after: null })
  }

  function refusalOf(approval: Settled, nowMs: InstantMs): AskRefusal | null {
    const refused = refusedAfter(approval, nowMs, timings.coolDownMs)
    if (refused === null) return null
    return refused.because === 'unresolved'
      ? { reason: 'unresolved', approval }
      : { reason: 'cool_down', approval, untilMs: refused.untilMs }
  }

  function newApproval(
    { call, verdict, approvers, client }: AskRequest,
    key: string,
    sameCall: string,
    definition: ToolDefinition,
    like: Likeness | null,
    nowMs: InstantMs,
  ): Approval {
    const nonce = random.nonce()
    const asking = askingOf(verdict, approvers)
    const { ruleDigest } = asking
    const { server, tool, canonicalParams, principal } = call
    const toolDefinitionDigest = definition.digest
    return {
      v: formOf(asking),
      id: random.approvalId(),
      version: 1,
      auditHead: CHAIN_START,
      nonce,
      status: 'pending',
      asked: {
        attachKey: key,
        callKey: sameCall,
        idempotencyKey: call.idempotencyKey,
        requester: principal,
        client,
        server,
        tool,
        era: call.era,
        session: call.session,
        asTask: call.asTask,
      },
      proposed: {
        canonicalParams,
        toolDefinitionDigest,
        toolTitle: definition.title,
        digest: bindingDigest({
          nonce,
          server,
          tool,
          canonicalParams,
          toolDefinitionDigest,
          ruleDigest,
          requester: principal,
        }),
      },
      edits: [],
      asking,
      nudges: [],
      lookups: nothingLookedUp(asking),
      votes: [],
      predecessor: null,
      like,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + (verdict.terms.timeoutMs ?? timings.decisionMs),
    }
  }
}

const seen = (last: SettledReading | null): Seen =>
  last === null ? null : { id: last.approval.id, version: last.approval.version }
