/** Ids and nonces from the operating system's randomness. */
import { randomBytes } from 'node:crypto'
import { customAlphabet } from 'nanoid'
import { parseApprovalId, TICKET_ALPHABET, TICKET_LENGTH } from '../domain/approval-id.ts'
import type { Random } from '../ports/random.ts'

const ticket = customAlphabet(TICKET_ALPHABET, TICKET_LENGTH)

export const random: Random = {
  approvalId() {
    const id = parseApprovalId(`HP-${ticket()}`)
    if (!id.ok) throw new Error(`made a ticket that is none: ${id.error.text}`)
    return id.value
  },
  nonce: () => randomBytes(16).toString('hex'),
}

/** Names one run of one process: a restarted gateway is another node, with a lease of its own. */
export const newNodeId = (role: string): string => `${role}-${process.pid}-${randomBytes(4).toString('hex')}`
