/** Work that is due later or elsewhere. Payloads carry ids only; a job says "look at this", the ledger says what is true. */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface Queue {
  /** One alarm for each version of an approval; setting it twice is harmless. */
  setAlarm(id: ApprovalId, version: number, delayMs: number): Promise<void>
  /** Asks the gateways to run an approved call. */
  requestExecution(id: ApprovalId, version: number): Promise<void>
  /** Asks for the cards of an approval to be made true. */
  requestDelivery(id: ApprovalId, version: number): Promise<void>
}

export interface QueueWorkers {
  /** Handlers are level-triggered and safe to repeat; a throw makes the queue try again later. */
  attend(handler: (id: ApprovalId) => Promise<void>): void
  execute(handler: (id: ApprovalId) => Promise<void>): void
  deliver(handler: (id: ApprovalId) => Promise<void>): void
  close(): Promise<void>
}
