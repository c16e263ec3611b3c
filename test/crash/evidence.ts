/** Gathers what really happened to one call: from the ledger's tables, the upstream's log and the agents' transcripts. */
import { z } from 'zod'
import type { Approval } from '../../src/domain/approval.ts'
import { recomputedDigest } from '../../src/domain/approval.ts'
import { canonical, type JsonObject, type JsonValue } from '../../src/domain/canonical.ts'
import { parseRecord } from '../../src/ledger/record.ts'
import type { ReceivedRequest } from '../support/http-upstream.ts'
import type { Past, Received, Story } from '../support/promises.ts'
import type { Lane } from './lane.ts'

/** A process stood still, by the clock of this machine; a stop without an end goes on. */
export interface Standstill {
  readonly pid: number
  readonly fromMs: number
  untilMs: number
}

/** So much later than the end a request may be received that was begun before it; `Infinity`: nobody can tell. */
export type LateAfter = (claim: { readonly node: string; readonly atMs: number }) => number

export interface CallStory extends Story {
  readonly marker: string
  /** Whether a claim row stands in the ledger. */
  readonly isClaimed: boolean
  /** Who approved, by the audit. */
  readonly approvedBy: string | null
}

interface Rows {
  readonly record: unknown
  readonly reply: string | null
  readonly node: string | null
  readonly claimed_at: Date | null
  readonly trail: { payload: string; hash: string }[]
}

/** Every approval that was ever made of the call with this marker. */
export async function storiesOf(lane: Lane, marker: string, lateAfter: LateAfter): Promise<CallStory[]> {
  const { rows } = await lane.pool.query<Rows>(
    `SELECT a.record, a.reply, c.node, c.claimed_at,
       (SELECT json_agg(json_build_object('payload', e.payload, 'hash', e.hash) ORDER BY e.version)
        FROM holdpoint.audit_event e WHERE e.approval_id = a.id) AS trail
     FROM holdpoint.approval a LEFT JOIN holdpoint.claim c ON c.approval_id = a.id
     WHERE strpos(a.record::text, $1) > 0 ORDER BY a.created_at`,
    [marker],
  )
  const requests = lane.upstream.requests.filter(({ tool, body }) => tool !== null && body.includes(marker))
  return rows.map((row) => storyOf(lane, { marker, lateAfter }, row, requests))
}

function storyOf(
  lane: Lane,
  { marker, lateAfter }: { marker: string; lateAfter: LateAfter },
  row: Rows,
  requests: readonly ReceivedRequest[],
): CallStory {
  const approval = parseRecord(row.record)
  const events = row.trail.map(({ payload }) => auditPayload.parse(JSON.parse(payload)))
  return {
    marker,
    approval,
    replyText: row.reply,
    trail: row.trail,
    isClaimed: row.node !== null,
    approvedBy: events.find(({ status }) => status === 'approved')?.details.by ?? null,
    lateAfter: row.node === null ? 0 : lateAfter({ node: row.node, atMs: row.claimed_at?.getTime() ?? 0 }),
    past: events.map((event) => pastOf(event, approval)),
    received: requests.flatMap((request): Received[] =>
      request.headers['idempotency-key'] === approval.id ? [receivedOf(lane, approval, request)] : [],
    ),
  }
}

/** Requests that reached the upstream and belong to no approval that is in the ledger. */
export function strays(lane: Lane, marker: string, stories: readonly CallStory[]): number {
  const known = new Set<string>(stories.map(({ approval }) => approval.id))
  return lane.upstream.requests.filter(
    ({ tool, body, headers }) =>
      tool !== null && body.includes(marker) && !known.has(headers['idempotency-key'] ?? ''),
  ).length
}

const auditPayload = z.object({
  at: z.iso.datetime().transform((text) => Date.parse(text)),
  event: z.string(),
  status: z.enum(['pending', 'approved', 'executing', 'settled']),
  details: z.looseObject({ digest: z.string().optional(), by: z.string().optional() }),
})

const endings: Readonly<Record<string, NonNullable<Past['outcome']>>> = {
  answer: 'answered',
  decide: 'rejected',
  expire: 'expired',
  lapse: 'lapsed',
  cancel: 'cancelled',
  invalidate: 'invalidated',
  fail_unsent: 'not_sent',
  lose_track: 'indeterminate',
}

function pastOf({ at, event, status, details }: z.infer<typeof auditPayload>, approval: Approval): Past {
  const isNote = approval.status === 'settled' && status === 'settled' && endings[event] === undefined
  return {
    at,
    status,
    decidedDigest: status === 'approved' ? (details.digest ?? null) : null,
    outcome: status === 'settled' && !isNote ? (endings[event] ?? null) : null,
  }
}

/** The bytes that arrived, without what only carries them, put back into the record: is it the digest that was decided on? */
function receivedOf(lane: Lane, approval: Approval, request: ReceivedRequest): Received {
  const message = callMessage.parse(JSON.parse(request.body))
  const { _meta = {}, ...params } = message.params
  const approvedMeta = Object.fromEntries(Object.entries(_meta).filter(([key]) => !isCarrier(key)))
  const canonicalParams = canonical({
    ...params,
    ...(Object.keys(approvedMeta).length === 0 ? {} : { _meta: approvedMeta }),
  })
  return {
    at: request.atMs,
    digest: recomputedDigest({ ...approval, proposed: { ...approval.proposed, canonicalParams } }),
    reply: lane.upstream.replies.get(message.id) ?? null,
  }
}

const isCarrier = (key: string) =>
  key === 'progressToken' || key.startsWith('io.modelcontextprotocol/') || key.startsWith('dev.holdpoint/')

const json: z.ZodType<JsonValue> = z.custom<JsonValue>((value) => value !== undefined)
const callMessage = z.object({
  id: z.union([z.string(), z.number()]),
  params: z
    .record(z.string(), json)
    .and(z.object({ _meta: z.custom<JsonObject>((value) => typeof value === 'object').optional() })),
})
