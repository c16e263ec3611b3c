/** JSON-RPC as we speak it to clients: ids, errors of our own, and answers whose inside is somebody else's raw text. */
import type { JsonValue } from '../../domain/canonical.ts'

export type Id = string | number

/** A message we do not act on. The client learns what to change; nothing was forwarded. */
export interface Refusal {
  /** HTTP status of the response. */
  readonly status: number
  readonly code: number
  readonly message: string
  /** The request it answers, `null` while that is not known. */
  readonly id: Id | null
  readonly data: JsonValue | null
}

/** JSON-RPC 2.0, and MCP 2026-07-28 (Basic, Error Codes). */
export const PARSE_ERROR = -32_700
export const INVALID_REQUEST = -32_600
export const METHOD_NOT_FOUND = -32_601
export const INVALID_PARAMS = -32_602
export const INTERNAL_ERROR = -32_603
export const HEADER_MISMATCH = -32_020
export const MISSING_CLIENT_CAPABILITY = -32_021
export const UNSUPPORTED_PROTOCOL_VERSION = -32_022
/** What the SDKs' servers answer for a session they do not know. */
export const SESSION_NOT_FOUND = -32_001

/** Codes of our own lie outside the reserved range (MCP 2026-07-28 asks for that); they end in the HTTP status. */
export const httpCode = (status: number): number => -31_000 - status

export function refusal(
  status: number,
  code: number,
  message: string,
  id: Id | null = null,
  data: JsonValue | null = null,
): Refusal {
  return { status, code, message, id, data }
}

/** An answer to a request: the raw JSON of its `result` or `error`. */
export interface Answer {
  readonly kind: 'result' | 'error'
  readonly text: string
}

export function answerMessage(id: Id | null, { kind, text }: Answer): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"${kind}":${text}}`
}

export function errorAnswer(code: number, message: string, data: JsonValue | null = null): Answer {
  return { kind: 'error', text: JSON.stringify(data === null ? { code, message } : { code, message, data }) }
}

export function refusalResponse(refused: Refusal, headers: Readonly<Record<string, string>> = {}): Response {
  const { status, code, message, id, data } = refused
  return jsonResponse(answerMessage(id, errorAnswer(code, message, data)), status, headers)
}

export function jsonResponse(
  rawJson: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(rawJson, { status, headers: { 'content-type': 'application/json', ...headers } })
}
