/** Decides whether this gateway is the one to run an approved call now, and runs it once per process. */
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Execute } from './execute.ts'
import type { Waiters } from './waiters.ts'

export interface Resume {
  /**
   * Level-triggered. The gateway of the oldest live waiter runs the call, on that waiter's session; others leave it.
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
  log: Log
}): Resume {
  const { ledger, waiters, execute, node, log } = deps
  const running = new Map<ApprovalId, Promise<void>>()

  async function run(id: ApprovalId): Promise<void> {
    const [first] = await ledger.waitingNodes(id)
    const waiter = waiters.oldest(id)
    if (first !== node || waiter === null) return
    await execute(id, waiter.session, () => waiters.oldest(id) !== null)
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
