/** "Look again": a hint between processes. It may be lost, late or doubled, and nothing depends on it but speed. */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface WakeUps {
  /** Tells every process, after the commit. Never throws: a lost hint is made up for by the loop. */
  announce(id: ApprovalId): Promise<void>
  /** `'all'`: wake-ups may have been lost, so look at everything. @returns a function that stops listening */
  onWakeUp(listener: (id: ApprovalId | 'all') => void): () => void
}
