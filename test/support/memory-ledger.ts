/** The ledger port in memory, with a clock that tests move. It passes the same contract as PostgreSQL. */
import { type Approval, dueAtMs, type Settled, wayWhenGone } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import type { AuditEvent } from '../../src/domain/audit.ts'
import { LATE_REPLIES_MAX } from '../../src/domain/evidence.ts'
import { type Grant, grantEffects, grantState } from '../../src/domain/grant.ts'
import { isTooLateToLook, wantsLookup } from '../../src/domain/lookups.ts'
import { refusedAfter } from '../../src/domain/same-call-again.ts'
import { UNHEARD_MS } from '../../src/domain/timings.ts'
import type { Change, Ledger, Seen } from '../../src/ports/ledger.ts'
import { NewerForm } from '../../src/ports/ledger-faults.ts'
import type { Revisions } from '../../src/ports/revisions.ts'
import { createMemoryRevisions } from './memory-revisions.ts'
import { createMemoryStops, type MemoryStops } from './memory-stops.ts'

interface Row {
  approval: Approval
  audit: AuditEvent[]
  reply: string | null
  deliveredAtMs: number | null
  unsentReason: string | null
  evidence: { atMs: number; text: string }[]
  judgedRevision: number | null
  goneSinceMs: number | null
  form: number
  under: ApprovalId | null
}

/** As `src/ledger/forms.ts`. */
const FORM_MAX = 3

export interface MemoryLedger extends Ledger {
  /** Moves the ledger's clock. */
  advance(ms: number): void
  evidence(id: ApprovalId): readonly string[]
  claims: string[]
  /** As if another version had written it. */
  setForm(id: ApprovalId, form: number): void
  readonly revisions: Revisions
  readonly stops: MemoryStops
  readonly grantBook: GrantBook
}

/** The part of a change that is about grants. The simulation puts broken designs in its place. */
export interface GrantBook {
  /** Whether the step may be written as far as grants go. */
  holds(change: Pick<Change, 'previous' | 'next'>): boolean
  write(change: Pick<Change, 'previous' | 'next'>): void
  all(): readonly Grant[]
}

export function createMemoryLedger(startMs = 1_000_000): MemoryLedger {
  let nowMs = startMs
  let waiterIds = 0
  const rows = new Map<ApprovalId, Row>()
  const waiters = new Map<string, { id: ApprovalId; node: string; sinceMs: number }>()
  const leases = new Map<string, { untilMs: number; sinceMs: number }>()
  const claims: string[] = []
  const served = new Map<string, number>()
  const noting = new Set<string>()
  const revisions = createMemoryRevisions(() => nowMs)
  const stops = createMemoryStops(() => nowMs)
  const grantBook = createGrantBook(() => nowMs, stops)
  const all = () => [...rows.values()]
  const readable = () => all().filter(({ form }) => form <= FORM_MAX)
  /** @throws NewerForm */
  function read(row: Row): Approval {
    const { approval, form } = row
    const { server, requester } = approval.asked
    if (form > FORM_MAX) throw new NewerForm({ id: approval.id, form, server, requester })
    return approval
  }
  const isUnsettled = (row: Row, key: string) =>
    row.approval.asked.attachKey === key && row.approval.status !== 'settled'
  function lastSettled(isSame: (approval: Settled) => boolean) {
    const settled = all().flatMap((row) => {
      const { approval, deliveredAtMs } = row
      return approval.status === 'settled' && isSame(approval) ? [{ row, approval, deliveredAtMs }] : []
    })
    const [last] = settled.sort(
      ({ approval: a }, { approval: b }) => b.settledAtMs - a.settledAtMs || b.createdAtMs - a.createdAtMs,
    )
    if (last === undefined) return null
    read(last.row)
    return { approval: last.approval, deliveredAtMs: last.deliveredAtMs }
  }
  function isStill(seen: Seen, isSame: (approval: Settled) => boolean): boolean {
    const last = lastSettled(isSame)?.approval
    return last?.id === seen?.id && last?.version === seen?.version
  }
  const isAlive = (node: string) => (leases.get(node)?.untilMs ?? 0) > nowMs

  const isAwaited = (id: ApprovalId) =>
    [...waiters.values()].some((waiter) => waiter.id === id && isAlive(waiter.node))
  const mayBeAwaited = (id: ApprovalId) =>
    [...waiters.values()].some(
      (waiter) => waiter.id === id && (leases.get(waiter.node)?.untilMs ?? 0) > nowMs - UNHEARD_MS,
    )
  const wasOpenFor = (ms: number) =>
    [...leases].some(([node, { sinceMs }]) => isAlive(node) && sinceMs <= nowMs - ms)
  const isGoneFor = ({ approval: { id }, goneSinceMs }: Row, ms: number) =>
    goneSinceMs !== null && goneSinceMs <= nowMs - ms && !mayBeAwaited(id) && wasOpenFor(ms)

  function refusing(key: string, coolDownMs: number) {
    const settled = all().flatMap((row) => {
      const { approval } = row
      if (approval.status !== 'settled' || approval.asked.callKey !== key) return []
      const refused = refusedAfter(approval, nowMs, coolDownMs)
      const { outcome } = approval
      const next = outcome.kind === 'indeterminate' && outcome.successor !== null ? outcome.successor : null
      const isAskedAgain = next !== null && rows.get(next)?.approval.status === 'settled'
      return refused === null || isAskedAgain ? [] : [{ row, approval, because: refused.because }]
    })
    const [first] = settled.sort(
      (a, b) =>
        Number(b.because === 'unresolved') - Number(a.because === 'unresolved') ||
        b.approval.settledAtMs - a.approval.settledAtMs,
    )
    return first ?? null
  }

  const isOpen = ({ status }: Approval) => status === 'pending' || status === 'approved'
  const stopOf = ({ asked: { server, tool, requester: principal } }: Approval) =>
    stops.over({ server, tool, principal })

  /** `null`: the guards do not hold. */
  function guarded({ previous, next, deadline, inForce, goneForMs }: Change): Row | null {
    const row = rows.get(previous.id)
    if (row === undefined || row.approval.version !== previous.version) return null
    if (row.approval.status !== previous.status || row.form > FORM_MAX) return null
    if (deadline.kind === 'before' && nowMs >= deadline.atMs) return null
    if (deadline.kind === 'from' && nowMs < deadline.atMs) return null
    if (deadline.kind === 'within' && (nowMs < deadline.fromMs || nowMs >= deadline.beforeMs)) return null
    if (goneForMs !== undefined && !isGoneFor(row, goneForMs)) return null
    if (!grantBook.holds({ previous, next })) return null
    const isYes = next.status === 'approved' || next.status === 'executing'
    if (isYes && stopOf(previous) !== null) return null
    const { server } = previous.asked
    return inForce === undefined || revisions.numbers().get(server) === inForce ? row : null
  }
  function write(row: Row, { previous, next, audit, replyText }: Change): void {
    grantBook.write({ previous, next })
    if (next.status === 'executing' && previous.status !== 'executing') {
      if (claims.includes(next.id)) throw new Error('claimed twice')
      claims.push(next.id)
    }
    row.approval = next
    row.under = grantEffects(previous, next).uses?.grant ?? row.under
    row.audit.push(audit)
    row.reply = replyText ?? row.reply
  }
  const newRow = (approval: Approval, audit: AuditEvent, judgedRevision: number | null): Row => ({
    ...{ approval, audit: [audit], judgedRevision, form: approval.v },
    ...{ reply: null, deliveredAtMs: null, unsentReason: null, evidence: [], goneSinceMs: null, under: null },
  })

  return {
    claims,
    revisions,
    stops,
    grantBook,
    grant: async (id) => grantBook.all().find((one) => one.id === id) ?? null,
    grantsFor: async (scope, limit) =>
      grantBook
        .all()
        .filter((one) => one.scope === scope && grantState(one, nowMs) === 'stands')
        .slice(0, limit),
    grants: async ({ isStanding, limit }) =>
      grantBook
        .all()
        .filter((one) => !isStanding || grantState(one, nowMs) === 'stands')
        .toReversed()
        .slice(0, limit),
    usesOf: async (id, limit) =>
      readable()
        .filter(({ under }) => under === id)
        .slice(0, limit)
        .map(({ approval }) => approval.id),
    advance(ms) {
      nowMs += ms
    },
    evidence: (id) => (rows.get(id)?.evidence ?? []).map(({ text }) => text),
    setForm(id, form) {
      const row = rows.get(id)
      if (row !== undefined) row.form = form
    },
    async newerForms(max) {
      const newer = all().flatMap(({ form }) => (form > FORM_MAX ? [form] : []))
      return { count: Math.min(max, newer.length), form: Math.max(FORM_MAX, ...newer) }
    },
    nowMs: async () => nowMs,
    async create({ approval, audit, pendingPerPrincipalMax, judgedRevision, seenLast, coolDownMs }) {
      const same = all().find((row) => isUnsettled(row, approval.asked.attachKey))
      if (same !== undefined) return { kind: 'attached', approval: read(same) }
      const { idempotencyKey, requester, server } = approval.asked
      const owned = all().some(
        ({ approval: { asked, status } }) =>
          status !== 'settled' &&
          idempotencyKey !== null &&
          asked.idempotencyKey === idempotencyKey &&
          asked.requester.name === requester.name &&
          asked.server === server,
      )
      if (owned) return { kind: 'idempotency_key_reused' }
      const pending = all().filter(
        (row) =>
          row.approval.status === 'pending' &&
          row.approval.asked.requester.name === approval.asked.requester.name,
      ).length
      if (pending >= pendingPerPrincipalMax) return { kind: 'too_many_pending', pending }
      const { attachKey, callKey } = approval.asked
      const isSeen =
        seenLast === undefined ||
        (isStill(seenLast.byAttachKey, ({ asked }) => asked.attachKey === attachKey) &&
          isStill(seenLast.byCallKey, ({ asked }) => asked.callKey === callKey))
      const isRefused = coolDownMs !== undefined && refusing(callKey, coolDownMs) !== null
      if (!isSeen || isRefused) return { kind: 'moved_on' }
      rows.set(approval.id, newRow(approval, audit, judgedRevision ?? null))
      return { kind: 'created' }
    },
    async save(change) {
      const row = guarded(change)
      if (row !== null) write(row, change)
      return row !== null
    },
    async replace(replacement) {
      const row = guarded(replacement)
      if (row === null) return false
      const { successor, successorAudit, inForce } = replacement
      write(row, replacement)
      rows.set(successor.id, newRow(successor, successorAudit, inForce))
      return true
    },
    async unjudged(servers, limit) {
      const numbers = revisions.numbers()
      return readable()
        .filter(({ approval: { status, asked }, judgedRevision }) => {
          const number = numbers.get(asked.server)
          const isOpen = status === 'pending' || status === 'approved'
          return isOpen && servers.includes(asked.server) && number !== undefined && number !== judgedRevision
        })
        .slice(0, limit)
        .map(({ approval }) => approval.id)
    },
    async noteJudged({ id, version }, revision) {
      const row = rows.get(id)
      if (row?.approval.version === version) row.judgedRevision = revision
    },
    async stopped(limit) {
      return readable()
        .flatMap(({ approval }) => {
          if (approval.status !== 'pending' && approval.status !== 'approved') return []
          const stop = stopOf(approval)
          return stop === null ? [] : [{ id: approval.id, stop: stop.number }]
        })
        .slice(0, limit)
    },
    async get(id) {
      const row = rows.get(id)
      return row === undefined ? null : { approval: read(row), nowMs }
    },
    async list({ statuses, principal, owner, limit, after }) {
      const newest = readable()
        .map((row) => row.approval)
        .reverse()
        .filter((approval) => statuses === null || statuses.includes(approval.status))
        .filter((approval) => principal === null || approval.asked.requester.name === principal)
        .filter((approval) => owner === undefined || approval.asked.requester.owner === owner)
      const start = after === null ? 0 : newest.findIndex((approval) => approval.id === after) + 1
      return newest.slice(start, start + limit)
    },
    replyText: async (id) => rows.get(id)?.reply ?? null,
    auditTrail: async (id) => rows.get(id)?.audit ?? [],
    async unsettledByAttachKey(key) {
      const row = all().find((candidate) => isUnsettled(candidate, key))
      return row === undefined ? null : { approval: read(row), nowMs }
    },
    async lastSettledByAttachKey(key) {
      return lastSettled((approval) => approval.asked.attachKey === key)
    },
    async lastSettledByCallKey(key) {
      return lastSettled((approval) => approval.asked.callKey === key)
    },
    async refusingByCallKey(key, coolDownMs) {
      const first = refusing(key, coolDownMs)
      if (first === null) return null
      read(first.row)
      return first.approval
    },
    async attachKeyOf(principal, server, idempotencyKey) {
      const first = all().find(
        ({ approval: { asked } }) =>
          asked.requester.name === principal &&
          asked.server === server &&
          asked.idempotencyKey === idempotencyKey,
      )
      return first?.approval.asked.attachKey ?? null
    },
    async markDelivered(id) {
      const row = rows.get(id)
      if (row !== undefined && row.approval.status === 'settled') row.deliveredAtMs ??= nowMs
    },
    deliveredAtMs: async (id) => rows.get(id)?.deliveredAtMs ?? null,
    async keepEvidence(id, text) {
      rows.get(id)?.evidence.push({ atMs: nowMs, text })
    },
    lateReplies: async (id) => (rows.get(id)?.evidence ?? []).slice(0, LATE_REPLIES_MAX),
    async noteUnsent(id, reason) {
      const row = rows.get(id)
      if (row?.approval.status === 'approved' && row.form <= FORM_MAX) row.unsentReason = reason
    },
    unsentReason: async (id) => rows.get(id)?.unsentReason ?? null,
    async versionsOf(ids) {
      return new Map(
        ids.flatMap((id) => {
          const row = rows.get(id)
          return row === undefined ? [] : [[id, row.approval.version] as const]
        }),
      )
    },
    async runnableAlone(limit, after) {
      return readable()
        .filter(
          ({ approval: { status, asking } }) => status === 'approved' && asking.onClientGone === 'execute',
        )
        .map(({ approval }) => approval.id)
        .sort()
        .filter((id) => after === null || id > after)
        .slice(0, limit)
    },
    async abandoned(ms, limit) {
      const found: ApprovalId[] = []
      for (const row of readable()) {
        const { id, status } = row.approval
        if (wayWhenGone(row.approval) !== 'cancel' || (status !== 'pending' && status !== 'approved'))
          continue
        if (isGoneFor(row, ms)) found.push(id)
        row.goneSinceMs = mayBeAwaited(id) ? null : (row.goneSinceMs ?? nowMs)
      }
      return found.slice(0, limit)
    },
    async noteServing(node, servers) {
      noting.add(node)
      for (const { approval } of all()) {
        const { server } = approval.asked
        if (isOpen(approval) && !served.has(server)) served.set(server, nowMs)
      }
      for (const server of servers) served.set(server, nowMs)
    },
    async unserved(ms, limit) {
      const isAnybodySilent = [...leases.keys()].some((node) => isAlive(node) && !noting.has(node))
      if (isAnybodySilent || !wasOpenFor(ms)) return []
      return readable()
        .filter(({ approval }) => isOpen(approval) && !isAwaited(approval.id))
        .filter(({ approval }) => (served.get(approval.asked.server) ?? nowMs) <= nowMs - ms)
        .slice(0, limit)
        .map(({ approval }) => approval.id)
    },
    async lookupsWanted(servers, limit) {
      return readable()
        .filter(({ approval }) => wantsLookup(approval))
        .filter(({ approval: one }) => servers.includes(one.asked.server) || isTooLateToLook(one, nowMs))
        .slice(0, limit)
        .map(({ approval }) => approval.id)
    },
    async claimsOf(node) {
      return readable().flatMap(({ approval }) =>
        approval.status === 'executing' && approval.claim.node === node ? [approval.id] : [],
      )
    },
    async due(limit) {
      return readable()
        .map((row) => row.approval)
        .filter((approval) => {
          const dueMs = dueAtMs(approval)
          const isOrphaned = approval.status === 'executing' && !isAlive(approval.claim.node)
          return isOrphaned || (dueMs !== null && dueMs <= nowMs)
        })
        .slice(0, limit)
        .map((approval) => approval.id)
    },
    async renewLease(node, leaseMs) {
      const sinceMs = isAlive(node) ? leases.get(node)?.sinceMs : nowMs
      const anHourAgoMs = nowMs - 60 * 60_000
      for (const [other, { untilMs }] of leases) {
        if (other === node || untilMs >= anHourAgoMs) continue
        leases.delete(other)
        for (const [key, waiter] of waiters) if (waiter.node === other) waiters.delete(key)
      }
      leases.set(node, { untilMs: nowMs + leaseMs, sinceMs: sinceMs ?? nowMs })
      for (const [key, waiter] of waiters)
        if (!leases.has(waiter.node) && waiter.sinceMs < anHourAgoMs) waiters.delete(key)
    },
    async dropLease(node) {
      leases.delete(node)
      for (const [key, waiter] of waiters) if (waiter.node === node) waiters.delete(key)
    },
    async addWaiter(id, node) {
      const key = String(++waiterIds)
      waiters.set(key, { id, node, sinceMs: nowMs })
      const row = rows.get(id)
      if (row !== undefined) row.goneSinceMs = null
      return key
    },
    async removeWaiter(waiter) {
      waiters.delete(waiter)
    },
    async keepWaiters(node, held) {
      for (const [key, waiter] of waiters) {
        if (waiter.node === node && !held.includes(key) && waiter.sinceMs <= nowMs - 15_000)
          waiters.delete(key)
      }
      return held.filter((key) => waiters.get(key)?.node !== node)
    },
    async waitingNodes(id) {
      const nodes = [...waiters.values()].filter((waiter) => waiter.id === id && isAlive(waiter.node))
      return [...new Set(nodes.map((waiter) => waiter.node))]
    },
    hasLiveLease: async (node) => isAlive(node),
  }
}

function createGrantBook(nowMs: () => number, stops: MemoryStops): GrantBook {
  const grants = new Map<ApprovalId, Grant>()
  function standing(grant: Grant): Grant {
    const { server, tool, requester: principal, givenAtMs } = grant
    return { ...grant, isStopped: stops.overSince({ server, tool, principal }, givenAtMs) }
  }
  const add = (id: ApprovalId, uses: number) => {
    const grant = grants.get(id)
    if (grant !== undefined) grants.set(id, { ...grant, used: grant.used + uses })
  }
  return {
    all: () => [...grants.values()].map(standing),
    holds({ previous, next }) {
      const { uses, sendsUnder } = grantEffects(previous, next)
      const known = grants.get(uses?.grant ?? sendsUnder ?? next.id)
      if (uses === null && sendsUnder === null) return true
      const grant = known === undefined ? null : standing(known)
      if (grant === null || grant.ended !== null || grant.isStopped) return false
      return uses === null || (grant.scope === uses.scope && grantState(grant, nowMs()) === 'stands')
    },
    write({ previous, next }) {
      const { gives, uses, givesBack, endsOwn } = grantEffects(previous, next)
      const { server, tool, requester } = next.asked
      if (gives !== null) {
        const { scope, by, reason, untilMs, uses: usesMax } = gives
        const what = { id: next.id, scope, server, tool, requester, by, reason, givenAtMs: nowMs() }
        grants.set(next.id, { ...what, untilMs, usesMax, used: 0, ended: null, isStopped: false })
      }
      if (uses !== null) add(uses.grant, 1)
      if (givesBack !== null) add(givesBack, -1)
      const own = grants.get(next.id)
      if (endsOwn !== null && own !== undefined && own.ended === null)
        grants.set(next.id, { ...own, ended: { by: endsOwn.by, atMs: nowMs() } })
    },
  }
}
