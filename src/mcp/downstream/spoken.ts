/**
 * Which revision of MCP a message speaks. Header and body must agree, because we decide by the body and an upstream may
 * route by the header.
 */
import { err, ok, type Result } from '../../domain/result.ts'
import type { Era } from '../../domain/tool-call.ts'
import {
  ASSUMED_REVISION,
  eraOfRevision,
  MODERN_REVISION,
  REVISIONS,
  type Revision,
  revisionOf,
} from '../revisions.ts'
import { objectMember, stringMember } from './json.ts'
import { type Message, printable } from './message.ts'
import {
  HEADER_MISMATCH,
  httpCode,
  type Id,
  INVALID_PARAMS,
  type Refusal,
  refusal,
  UNSUPPORTED_PROTOCOL_VERSION,
} from './rpc.ts'

export interface Spoken {
  readonly revision: Revision
  readonly era: Era
}

export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'

/** Of a POST. */
export function spokenIn(headers: Headers, message: Message): Result<Spoken, Refusal> {
  const id = message.kind === 'request' ? message.id : null
  const params = message.kind === 'response' ? undefined : message.params
  const inBody = stringMember(objectMember(params, '_meta'), META_PROTOCOL_VERSION)
  const inHeader = headers.get('mcp-protocol-version')
  if (inBody !== null && inBody !== inHeader) {
    return mismatch(`'MCP-Protocol-Version' is not the version in '_meta' (${printable(inBody)})`, id)
  }
  const spoken = spokenByHeader(headers, id)
  if (!spoken.ok || spoken.value.era === 'legacy' || message.kind === 'response') return spoken

  if (headers.get('mcp-method') !== message.method) {
    return mismatch(`'Mcp-Method' must be the method in the body (${printable(message.method)})`, id)
  }
  if (message.method !== 'tools/call') return spoken
  if (inBody === null) {
    return err(refusal(400, INVALID_PARAMS, `Invalid params: '_meta' lacks ${META_PROTOCOL_VERSION}.`, id))
  }
  const name = stringMember(params, 'name')
  if (name !== null && decodedHeader(headers.get('mcp-name')) !== name) {
    return mismatch(`'Mcp-Name' must be the tool in the body (${printable(name)})`, id)
  }
  return spoken
}

/** Of a request without a body. */
export function spokenByHeader(headers: Headers, id: Id | null = null): Result<Spoken, Refusal> {
  const version = headers.get('mcp-protocol-version')
  const revision = version === null ? ASSUMED_REVISION : revisionOf(version)
  if (revision !== null) return ok({ revision, era: eraOfRevision(revision) })
  // Clients choose among these for their next request (MCP 2026-07-28, Versioning); older ones are agreed on by handshake.
  const data = { supported: [MODERN_REVISION], requested: printable(version ?? '') }
  const message = `Unsupported protocol version. Spoken here: ${REVISIONS.join(', ')}.`
  return err(refusal(400, UNSUPPORTED_PROTOCOL_VERSION, message, id, data))
}

/** "Mirrored" headers carry what HTTP cannot say plainly as `=?base64?…?=` (MCP 2026-07-28, Transports). */
export function decodedHeader(value: string | null): string | null {
  const encoded = value?.match(/^=\?base64\?(.*)\?=$/)?.[1]
  if (encoded === undefined) return value
  const bytes = Buffer.from(encoded, 'base64')
  // Buffer skips what is not base64; only the one right spelling counts.
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : null
}

function mismatch(message: string, id: Id | null): Result<never, Refusal> {
  return err(refusal(400, HEADER_MISMATCH, `Header mismatch: ${message}.`, id))
}

export const notInModern = (): Refusal =>
  refusal(405, httpCode(405), 'MCP 2026-07-28 has no sessions: only POST is answered here.')
