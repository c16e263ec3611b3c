/** What an upstream of our own making refuses, in the words that legacy clients understand (MCP 2025-11-25, Transports). */
import { ErrorCode } from '@modelcontextprotocol/sdk/types.js'
import type { WireResponse } from './wire.ts'

export interface Refusal {
  readonly status: number
  readonly code: number
  readonly message: string
  /** The raw id of the request that is refused; `null` when it has none. */
  readonly rawId: string | null
}

/** The SDK's servers say -32000 for a transport's refusals and -32001 for a lost session; clients know these. */
const BAD_REQUEST = -32_000
const SESSION_NOT_FOUND = -32_001

export const badRequest = (message: string, rawId: string | null): Refusal => ({
  status: 400,
  code: BAD_REQUEST,
  message: `Bad Request: ${message}`,
  rawId,
})

export const sessionNotFound = (rawId: string | null): Refusal => ({
  status: 404,
  code: SESSION_NOT_FOUND,
  message: 'Session not found',
  rawId,
})

export const streamTaken = (): Refusal => ({
  status: 409,
  code: BAD_REQUEST,
  message: 'Conflict: Only one SSE stream is allowed per session',
  rawId: null,
})

export const invalidRequest = (message: string, rawId: string | null): Refusal => ({
  status: 400,
  code: ErrorCode.InvalidRequest,
  message: `Invalid Request: ${message}`,
  rawId,
})

export const parseError = (): Refusal => ({
  status: 400,
  code: ErrorCode.ParseError,
  message: 'Parse error: the body is not JSON',
  rawId: null,
})

/** With status 200, because clients show the message of a JSON-RPC error and only the number of a failed status. */
export const internalError = (message: string, rawId: string | null): Refusal => ({
  status: 200,
  code: ErrorCode.InternalError,
  message,
  rawId,
})

export function errorMessage({ code, message, rawId }: Refusal): string {
  return `{"jsonrpc":"2.0","id":${rawId ?? 'null'},"error":${JSON.stringify({ code, message })}}`
}

export function jsonResponse(
  status: number,
  rawJson: string,
  headers: Readonly<Record<string, string>> = {},
): WireResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: textBody(rawJson) }
}

export const refusalResponse = (refusal: Refusal): WireResponse =>
  jsonResponse(refusal.status, errorMessage(refusal))

function textBody(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    },
  })
}
