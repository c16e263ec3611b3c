/** The one message an approval sends. What was approved stays byte for byte; only what carries it is added. */
import { META_IDEMPOTENCY_KEY } from '../../domain/tool-call.ts'
import { mergeObjects, rawMember, withMember } from '../raw-json.ts'

/** Tells the upstream's own log which approval stands behind a call. */
export const META_APPROVAL_ID = 'dev.holdpoint/approval-id'

interface Carrier {
  /** JSON-RPC id of this one sending. */
  readonly id: string
  readonly approvalId: string
  /** Raw JSON, or `null` when the requester did not ask for progress. */
  readonly progressToken: string | null
  /** Raw JSON object: the `io.modelcontextprotocol/*` members that every 2026-07-28 request carries, else `{}`. */
  readonly envelope: string
}

export function callMessage(
  canonicalParams: string,
  { id, approvalId, progressToken, envelope }: Carrier,
): string {
  const ticket = JSON.stringify(approvalId)
  const approvedMeta = rawMember(canonicalParams, '_meta') ?? '{}'
  const carried = mergeObjects(
    mergeObjects(envelope, approvedMeta),
    `{"${META_APPROVAL_ID}":${ticket},"${META_IDEMPOTENCY_KEY}":${ticket}}`,
  )
  const meta = progressToken === null ? carried : withMember(carried, 'progressToken', progressToken)
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":${withMember(canonicalParams, '_meta', meta)}}`
}

const SENTINEL = /^=\?base64\?.*\?=$/

/**
 * A header that mirrors text of the body (MCP 2026-07-28, Transports): what is not plain ASCII, has blanks at its ends,
 * or looks like the encoded form already, goes as `=?base64?…?=`.
 */
export function headerText(text: string): string {
  const isPlain = /^[\t\x20-\x7e]+$/.test(text) && text === text.trim() && !SENTINEL.test(text)
  return isPlain ? text : `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`
}
