/** What a message on stdio has to be told in HTTP headers: by its own words in 2026-07-28, by its session before. */
import { z } from 'zod'
import type { JsonValue } from '../../domain/canonical.ts'
import { rawItems, rawMember } from '../raw-json.ts'
import { MODERN_REVISION } from '../revisions.ts'
import { headerText } from '../upstream/call-message.ts'
import { paramHeaders } from '../upstream/param-headers.ts'
import { parseJson } from '../upstream/peek.ts'

const META_VERSION = 'io.modelcontextprotocol/protocolVersion'
/** Lists of tools are remembered for their schemas; a client sees a few hundred tools at most. */
const SCHEMAS_MAX = 5_000

export interface Terms {
  /** `null`: a message of the legacy era. */
  modernHeaders(line: string, method: string): Record<string, string> | null
  /** Remembers which arguments of which tool are repeated in headers. */
  learn(result: string): void
}

export function createTerms(): Terms {
  const schemas = new Map<string, JsonValue>()
  return {
    modernHeaders(line, method) {
      const params = rawMember(line, 'params') ?? '{}'
      if (!params.startsWith('{')) return null
      const version = textOf(rawMember(rawMember(params, '_meta') ?? '{}', META_VERSION))
      if (version === null || version < MODERN_REVISION) return null
      const name = textOf(rawMember(params, nameMembers.get(method) ?? 'name'))
      return {
        'mcp-protocol-version': version,
        'mcp-method': method,
        ...(name === null || !nameMembers.has(method) ? {} : { 'mcp-name': headerText(name) }),
        ...(method === 'tools/call' ? paramHeaders(schemas.get(name ?? ''), argumentsOf(params)) : {}),
      }
    },
    learn(result) {
      const tools = rawMember(result, 'tools')
      if (tools === null || !tools.startsWith('[')) return
      for (const tool of rawItems(tools)) {
        const name = tool.startsWith('{') ? textOf(rawMember(tool, 'name')) : null
        const schema = name === null ? null : rawMember(tool, 'inputSchema')
        if (name === null || schema?.includes('x-mcp-header') !== true || schemas.size >= SCHEMAS_MAX)
          continue
        schemas.set(name, jsonValue.parse(parseJson(schema)))
      }
    },
  }
}

/** Which member of `params` the header `Mcp-Name` repeats (MCP 2026-07-28, Transports; tasks extension). */
const nameMembers: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

function textOf(raw: string | null): string | null {
  const value = raw === null ? null : parseJson(raw)
  return typeof value === 'string' ? value : null
}

const jsonValue = z.custom<JsonValue>((value) => value !== undefined)
const argumentsOf = (params: string) => jsonValue.parse(parseJson(rawMember(params, 'arguments') ?? '{}'))
