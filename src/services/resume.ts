/** Decides whether this gateway is the one to run an approved call now, and runs it once per process. */
import type { Approval } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { AloneSession } from '../ports/upstream-session.ts'
import type { Execute } from './execute.ts'
import type { Waiters } from './waiters.ts'

/** A session of this gateway's own for this call; `null`: it has no such server. */
export type OpenAlone = (approval: Approval) => AloneSession | null

export interface Resume {
  /**
   * Level-triggered. The gateway of the oldest live waiter runs the call, on that waiter's session; others leave it. Without a
   * waiter nobody does, unless the rule lets a gateway run it alone.
   * Resolves when this gateway has nothing more to do for it.
   */
  (id: ApprovalId): Promise<void>
  /** Whether this process is at work on it. */
  isRunning(id: ApprovalId): boolean
  /** Resolves when every call that is being sent has its outcome. */
  drained(): Promise<void>
}

export function createResume(deps: {
  ledger: Ledger
  waiters: Waiters
  execute: Execute
  node: string
  openAlone: OpenAlone
  stopping: AbortSignal
  log: Log
}): Resume {
  const { ledger, waiters, execute, node, openAlone, stopping, log } = deps
  const running = new Map<ApprovalId, Promise<void>>()

  async function run(id: ApprovalId): Promise<void> {
    const nodes = await ledger.waitingNodes(id)
    const waiter = waiters.oldest(id)
    if (nodes[0] === node && waiter !== null) {
      return execute(id, waiter.session, () => waiters.oldest(id) !== null)
    }
    // Somebody waits, here in a moment or at another gateway, whose session the call belongs on.
    if (nodes.length === 0 && !stopping.aborted) await runAlone(id)
  }

  /** Any gateway may try: the claim lets one of them send. */
  async function runAlone(id: ApprovalId): Promise<void> {
    const approval = (await ledger.get(id))?.approval
    if (approval?.status !== 'approved' || approval.asking.onClientGone !== 'execute') return
    const session = openAlone(approval)
    if (session === null) return
    try {
      // The outcome is kept for whoever collects it.
      await execute(id, session, () => true)
    } finally {
      await session.close()
    }
  }

  function resume(id: ApprovalId): Promise<void> {
    const already = running.get(id)
    if (already !== undefined) return already
    const started = run(id)
      .catch((error: unknown) =>
        log.error({ err: error, approval: id }, 'an approved call could not be run; it stays as it is'),
      )
      .finally(() => running.delete(id))
    running.set(id, started)
    return started
  }
  return Object.assign(resume, {
    isRunning: (id: ApprovalId) => running.has(id),
    async drained() {
      await Promise.all(running.values())
    },
  })
}
