/**
 * The `Mcp-Param-*` headers of an approved call, made anew from the approved arguments. A client's own are never
 * forwarded: an upstream that trusts a header over the body would do something that nobody was shown.
 */
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { JSON_DEPTH_MAX } from '../../domain/limits.ts'
import { headerText } from './call-message.ts'

/** RFC 9110, section 5.1. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Arguments that the tool's schema marks with `x-mcp-header` (MCP 2026-07-28, Transports), along `properties` alone.
 * Only strings, integers and booleans are mirrored; an argument that is not there has no header.
 */
export function paramHeaders(
  inputSchema: JsonValue | undefined,
  args: JsonValue | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {}
  visit(inputSchema, args, headers, 0)
  return headers
}

function visit(
  schema: JsonValue | undefined,
  value: JsonValue | undefined,
  headers: Record<string, string>,
  depth: number,
): void {
  if (!isObject(schema) || value === undefined || depth > JSON_DEPTH_MAX) return
  const name = schema['x-mcp-header']
  if (depth > 0 && typeof name === 'string' && TOKEN.test(name)) {
    const isMirrored = typeof value === 'string' || typeof value === 'boolean' || Number.isInteger(value)
    if (isMirrored) headers[`mcp-param-${name.toLowerCase()}`] = headerText(String(value))
  }
  const { properties } = schema
  if (!isObject(properties) || !isObject(value)) return
  for (const [key, child] of Object.entries(properties)) {
    if (Object.hasOwn(value, key)) visit(child, value[key], headers, depth + 1)
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
