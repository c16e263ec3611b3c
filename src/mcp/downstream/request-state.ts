/**
 * The state that a 2026-07-28 client without tasks brings back when it comes to wait on (MCP 2026-07-28, Multi Round-Trip
 * Requests). It finds an approval and decides nothing: only the very same call of the same agent can use it.
 */
import { z } from 'zod'
import { type ApprovalId, parseApprovalId } from '../../domain/approval-id.ts'
import type { JsonValue } from '../../domain/canonical.ts'
import type { Owner } from '../../services/own-calls.ts'
import { createSeal } from './seal.ts'
import { boundTo } from './sealed-session.ts'

const PREFIX = 'hpr1'

/** The SDKs give up after ten rounds with an error; the last one of ours says what to do instead. */
export const ROUNDS_MAX = 9

export interface RequestState {
  readonly approval: ApprovalId
  /** How often the client has been sent back with it, from 1. */
  readonly round: number
  /** By the ledger's clock. */
  readonly expiresAtMs: number
}

export interface RequestStates {
  seal(owner: Owner, attachKey: string, state: RequestState): string
  /** `null`: forged, somebody else's, or of another call. */
  open(owner: Owner, attachKey: string, sealed: string): RequestState | null
}

/** Whether a state claims to be ours; every other one belongs to the upstream. */
export const isOwnRequestState = (state: JsonValue | undefined): state is string =>
  typeof state === 'string' && state.startsWith(`${PREFIX}.`)

const schema = z.tuple([z.string(), z.number(), z.number()])

export function createRequestStates(sealKey: Uint8Array): RequestStates {
  const seal = createSeal({ sealKey, purpose: 'mcp-request-state', prefix: PREFIX, schema })
  return {
    seal: (owner, attachKey, { approval, round, expiresAtMs }) =>
      seal.seal([...boundTo(owner), attachKey], [approval, round, expiresAtMs]),
    open(owner, attachKey, sealed) {
      const opened = seal.open([...boundTo(owner), attachKey], sealed)
      if (opened === null) return null
      const [ticket, round, expiresAtMs] = opened
      const id = parseApprovalId(ticket)
      return id.ok ? { approval: id.value, round, expiresAtMs } : null
    },
  }
}
