/**
 * Ids of the events on held streams: `Last-Event-ID` with one of them continues the wait at any gateway (MCP 2025-11-25,
 * Transports). They are sealed, because they say which answer goes to which request.
 */
import { z } from 'zod'
import { type ApprovalId, parseApprovalId } from '../../domain/approval-id.ts'
import type { Owner } from '../../services/own-calls.ts'
import type { Revision } from '../revisions.ts'
import type { Accepts } from './accepts.ts'
import type { Delivery } from './delivery.ts'
import type { EventIds } from './hold.ts'
import type { Id } from './rpc.ts'
import { createSeal } from './seal.ts'
import { boundTo } from './sealed-session.ts'
import type { Spoken } from './spoken.ts'

const PREFIX = 'hpe1'

/** One held request, as any gateway can go on with it. */
export interface HeldStream {
  readonly approval: ApprovalId
  /** The request that waits for its answer. */
  readonly id: Id
  readonly progressToken: Id | null
  readonly reported: number
  /** Until then by the ledger's clock, which all gateways share: the client counts from its own request, however often it resumes. */
  readonly untilMs: number
  /** The task whose result is waited for; `null`: the answer to a call. */
  readonly taskId: string | null
}

export interface StreamSeal {
  seal(owner: Owner, session: string | null, stream: HeldStream): string
  /** `null`: forged, or of another agent, server or session. */
  open(owner: Owner, session: string | null, eventId: string): HeldStream | null
}

/** Whether we answer for this event id; every other one belongs to the upstream. */
export const isOwnEventId = (eventId: string): boolean => eventId.startsWith(`${PREFIX}.`)

const id = z.union([z.string(), z.number()])
const schema = z.tuple([z.string(), id, id.nullable(), z.number(), z.number(), z.string().nullable()])

export function createStreamSeal(sealKey: Uint8Array): StreamSeal {
  const seal = createSeal({ sealKey, purpose: 'mcp-event-id', prefix: PREFIX, schema })
  return {
    seal(owner, session, { approval, id, progressToken, reported, untilMs, taskId }) {
      return seal.seal([...boundTo(owner), session], [approval, id, progressToken, reported, untilMs, taskId])
    },
    open(owner, session, eventId) {
      const opened = seal.open([...boundTo(owner), session], eventId)
      if (opened === null) return null
      const [ticket, id, progressToken, reported, untilMs, taskId] = opened
      const approval = parseApprovalId(ticket)
      return approval.ok ? { approval: approval.value, id, progressToken, reported, untilMs, taskId } : null
    },
  }
}

/** Streams can be resumed since 2025-03-26 and until 2025-11-25. */
const resumable: ReadonlySet<Revision> = new Set(['2025-03-26', '2025-06-18', '2025-11-25'])

/** `null`: this client cannot resume what we send it. */
export function eventIdsFor(
  streams: StreamSeal,
  request: {
    readonly owner: Owner
    readonly session: string | null
    readonly spoken: Spoken
    readonly accepts: Accepts
    readonly delivery: Pick<Delivery, 'isResumable'>
    readonly stream: Omit<HeldStream, 'approval'>
  },
): EventIds | null {
  const { owner, session, spoken, accepts, delivery, stream } = request
  if (!accepts.events || !delivery.isResumable || !resumable.has(spoken.revision)) return null
  return {
    reported: stream.reported,
    // Clients of earlier revisions take an event without a message for a broken one.
    isPrimed: spoken.revision === '2025-11-25',
    next: (approval, reported) =>
      streams.seal(owner, session, { ...stream, approval: approval.id, reported }),
  }
}
