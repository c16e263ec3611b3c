/**
 * Names of our tasks. Each is a ticket with a proof that we gave it to this agent for this server: nobody guesses one, nobody
 * uses another's, and every gateway knows it again. Ids without our prefix are the upstream's.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { type ApprovalId, parseApprovalId } from '../../domain/approval-id.ts'
import type { Owner } from '../../services/own-calls.ts'
import { boundTo } from './sealed-session.ts'

const PREFIX = 'hpt1_'
/** 128 bits: guessing one takes longer than any task lives. */
const PROOF_BYTES = 16

export interface TaskIds {
  idOf(approval: ApprovalId, owner: Owner): string
  /** `null`: not a task of this agent at this server. */
  open(taskId: string, owner: Owner): ApprovalId | null
}

/** Whether we answer for this id; if it is not a task, then it is none of anybody's. */
export const isOwnTaskId = (taskId: string): boolean => taskId.startsWith(PREFIX)

export function createTaskIds(sealKey: Uint8Array): TaskIds {
  const key = new Uint8Array(hkdfSync('sha256', sealKey, '', 'holdpoint mcp-task', 32))
  function idOf(approval: ApprovalId, owner: Owner): string {
    const proof = createHmac('sha256', key)
      .update(JSON.stringify([PREFIX, approval, ...boundTo(owner)]))
      .digest()
      .subarray(0, PROOF_BYTES)
    return `${PREFIX}${approval}_${proof.toString('base64url')}`
  }
  return {
    idOf,
    open(taskId, owner) {
      const [ticket = ''] = taskId.slice(PREFIX.length).split('_')
      const id = parseApprovalId(ticket)
      if (!isOwnTaskId(taskId) || !id.ok) return null
      const [given, right] = [Buffer.from(taskId), Buffer.from(idOf(id.value, owner))]
      return given.length === right.length && timingSafeEqual(given, right) ? id.value : null
    },
  }
}
