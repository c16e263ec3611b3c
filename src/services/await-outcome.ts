/**
 * Waits for the outcome of an approval on behalf of one held request, which is a waiter while it lasts.
 * Register, then read, then wait with a limit: a lost wake-up costs seconds, never the outcome.
 */
import { type Approval, type Settled, successorOf } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import { NewerForm } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { UpstreamSession } from '../ports/upstream-session.ts'
import type { Resume } from './resume.ts'
import type { LocalWaiter, Waiters } from './waiters.ts'

export type Awaited =
  /** Perhaps another approval than the one asked for: where the rule changed, the one that took its place. */
  | { readonly kind: 'settled'; readonly approval: Settled; readonly replyText: string | null }
  /** The time to hold is over (or the gateway stops); the approval goes on. */
  | { readonly kind: 'still_waiting'; readonly approval: Approval }
  /** The requester left. Its approval goes on. */
  | { readonly kind: 'left' }

export interface AwaitRequest {
  readonly id: ApprovalId
  readonly session: UpstreamSession
  /** From now; a function, where it is prolonged meanwhile, tells what is left. */
  readonly holdMs: number | (() => number)
  /** Aborts when the requester leaves. */
  readonly signal: AbortSignal
  /** Told what each look has found, for those who report meanwhile. */
  readonly onLook: (approval: Approval) => void
}

export type AwaitOutcome = (request: AwaitRequest) => Promise<Awaited>

interface Look {
  readonly approval: Approval | null
  readonly replyText: string | null
  /** Why there is no approval. */
  readonly fault: unknown
}

/** The watch of this process compares versions of all held approvals in one query; this is only for its own failure. */
const IDLE_LOOK_MS = 20_000

/** Each link is a change of the rule while the call waited; nobody changes it that often. */
const SUCCESSORS_MAX = 100

export function createAwaitOutcome(deps: {
  ledger: Ledger
  waiters: Waiters
  resume: Resume
  node: string
  clock: Clock
  timings: Timings
  /** Aborted when the gateway stops: held requests, woken by then, are told how to continue. */
  stopping: AbortSignal
  log: Log
}): AwaitOutcome {
  const { ledger, waiters, resume, node, clock, timings, stopping, log } = deps

  return async function awaitOutcome({ id, session, holdMs, signal, onLook }) {
    const startMs = clock.monotonicMs()
    const restMs = typeof holdMs === 'function' ? holdMs : () => startMs + holdMs - clock.monotonicMs()
    let followed = id
    for (let link = 0; link < SUCCESSORS_MAX; link++) {
      const awaited = await awaitOne({ id: followed, session, restMs, signal, onLook })
      const successor = awaited.kind === 'settled' ? successorOf(awaited.approval) : null
      if (successor === null) return awaited
      followed = successor
    }
    throw new Error(`${id} was asked again too often to be followed`)
  }

  async function awaitOne({
    id,
    session,
    restMs,
    signal,
    onLook,
  }: Omit<AwaitRequest, 'holdMs'> & { readonly restMs: () => number }): Promise<Awaited> {
    let look = new AbortController()
    const wake = () => look.abort()
    const waiter: LocalWaiter = { session, wake, seenVersion: 0, row: null }
    const remove = waiters.add(id, waiter)
    signal.addEventListener('abort', wake)
    try {
      for (;;) {
        look = new AbortController()
        if (signal.aborted) return { kind: 'left' }
        const { approval, replyText, fault } = await registerAndRead(id, waiter)
        waiter.seenVersion = approval?.version ?? 0
        if (approval !== null) onLook(approval)
        if (approval !== null && approval.status === 'settled')
          return { kind: 'settled', approval, replyText }
        const leftMs = restMs()
        if (leftMs <= 0 || stopping.aborted) {
          if (approval !== null) return { kind: 'still_waiting', approval }
          throw fault
        }
        // Not awaited: the requester may leave while its call runs, and the call must go on.
        if (approval !== null && approval.status === 'approved' && !stopping.aborted) void resume(id)
        const lookAgainMs =
          approval === null || approval.status === 'approved' ? timings.loopMs : IDLE_LOOK_MS
        await clock.sleep(Math.max(1, Math.min(leftMs, lookAgainMs)), look.signal)
      }
    } finally {
      remove()
      signal.removeEventListener('abort', wake)
      if (waiter.row !== null) await forget(waiter.row)
    }
  }

  /** A ledger that is away must not end a held request before its time: no approval means "unknown, look again". */
  async function registerAndRead(id: ApprovalId, waiter: LocalWaiter): Promise<Look> {
    try {
      waiter.row ??= await ledger.addWaiter(id, node)
      const reading = await ledger.get(id)
      if (reading !== null) {
        const { approval } = reading
        const isAnswered = approval.status === 'settled' && approval.outcome.kind === 'answered'
        return { approval, replyText: isAnswered ? await ledger.replyText(id) : null, fault: null }
      }
    } catch (fault) {
      // A newer gateway changed it, which alone can go on with it: whoever waits here is told so, and is no waiter any more.
      if (fault instanceof NewerForm) throw fault
      // Only in detail: there may be thousands, and whoever watches the ledger says so once.
      log.debug({ err: fault, approval: id }, 'the ledger did not answer a waiting request; looking again')
      return { approval: null, replyText: null, fault }
    }
    throw new Error(`${id} is not in the ledger any more`)
  }

  async function forget(waiterRow: string): Promise<void> {
    try {
      await ledger.removeWaiter(waiterRow)
    } catch (error) {
      log.warn({ err: error }, 'a waiter could not be removed; the next round of the watch does it')
    }
  }
}
