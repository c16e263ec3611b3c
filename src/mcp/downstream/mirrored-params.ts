/**
 * The `Mcp-Param-*` headers of a call that passes. The policy decides by the body, and an upstream may route by these headers:
 * both must say the same.
 */
import type { JsonValue } from '../../domain/canonical.ts'
import { paramHeaders } from '../upstream/param-headers.ts'
import { printable } from './message.ts'
import { HEADER_MISMATCH, type Id, type Refusal, refusal } from './rpc.ts'
import { decodedHeader } from './spoken.ts'

/** What a tool takes, as its server listed it last; `undefined`: it was not seen. */
export type InputSchemaOf = (server: string, tool: string) => Promise<JsonValue | undefined>

const MIRRORED = /^mcp-param-/

/**
 * "MUST reject requests where the values … do not match" (MCP 2026-07-28, Transports). A header that the tool's schema does not
 * mark is refused as well: there is nothing that it could agree with. `null`: nothing is wrong.
 */
export async function paramMismatch(
  { headers, id, args }: { headers: Headers; id: Id; args: JsonValue },
  inputSchema: () => Promise<JsonValue | undefined>,
): Promise<Refusal | null> {
  const stated = [...headers].filter(([name]) => MIRRORED.test(name))
  if (stated.length === 0) return null
  const expected = paramHeaders(await inputSchema(), args)
  const wrong = stated.find(([name, value]) => decodedHeader(value) !== decodedHeader(expected[name] ?? null))
  if (wrong === undefined) return null
  const why = `'${printable(wrong[0])}' is not what the arguments and the tool's inputSchema say`
  return refusal(400, HEADER_MISMATCH, `Header mismatch: ${why}. List the tools again, then retry.`, id)
}
