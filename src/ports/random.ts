/** Unpredictable values, so that tests can predict them. */
import type { ApprovalId } from '../domain/approval-id.ts'

export interface Random {
  approvalId(): ApprovalId
  /** 128 bits as hexadecimal. */
  nonce(): string
}
