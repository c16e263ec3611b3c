/** What a modern server refuses before it looks at a request, for those that are modern only to their clients. */
import { rawMember } from '../../raw-json.ts'
import { eraOf } from '../../revisions.ts'
import { peek } from '../peek.ts'
import { refusalResponse } from '../refusal.ts'
import { UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION, paramsOf } from './words.ts'

const INVALID_PARAMS = -32_602

/** "Servers MUST reject requests whose `_meta` lacks a required member" (MCP 2026-07-28): nobody else is behind us to do it. */
export function modernRefusal({ headers, body, freshConnection }: WireRequest): WireResponse | null {
  if (eraOf(headers['mcp-protocol-version']) !== 'modern' || peek(body ?? '').kind !== 'request') return null
  const meta = rawMember(paramsOf(body ?? ''), '_meta') ?? '{}'
  const missing = [META_PROTOCOL_VERSION, META_CLIENT_CAPABILITIES].find(
    (name) => rawMember(meta, name) === null,
  )
  if (missing === undefined) return null
  const message = `Invalid params: '_meta' lacks ${missing}.`
  // These are no words of the server, as an answer to an approved call would be.
  if (freshConnection) throw new UpstreamFault(message, false)
  return refusalResponse({ status: 400, code: INVALID_PARAMS, message, rawId: rawMember(body ?? '', 'id') })
}
