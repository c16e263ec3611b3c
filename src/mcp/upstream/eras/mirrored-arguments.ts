/**
 * The arguments that a modern server wants in headers as well (`x-mcp-header`, MCP 2026-07-28, Transports), for clients of the
 * other era, who do not know of that: what a tool's schema marks is learned from the lists that pass.
 */
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../../../domain/canonical.ts'
import { rawMember } from '../../raw-json.ts'
import { paramHeaders } from '../param-headers.ts'
import { parseJson } from '../peek.ts'
import { paramsOf } from './words.ts'

/** Lists that do not end are not read to their end. */
const PAGES_MAX = 50
/** Few tools mark anything; a server that marks more than this marks for its own sake. */
const TOOLS_MAX = 1_000

export interface MirroredArguments {
  /** Reads an answer to `tools/list`. */
  learn(answer: string): void
  /** The headers of a `tools/call`. @param mayAsk whether there is time to ask what the server lists */
  of(call: string, mayAsk: boolean): Promise<Record<string, string>>
  /** What was learned may be true no longer. */
  forget(): void
}

const json = z.custom<JsonValue>((value) => value !== undefined)
const page = z.object({
  tools: z.array(z.unknown()),
  nextCursor: z.string().optional(),
})
const toolSchema = z.object({ name: z.string(), inputSchema: json })

/** @param list asks for one page; the whole answer */
export function createMirroredArguments(list: (params: JsonObject) => Promise<string>): MirroredArguments {
  let marked = new Map<string, JsonValue>()
  let isComplete = false

  function learn(answer: string): string | null {
    const listed = page.safeParse(parseJson(rawMember(answer, 'result') ?? 'null'))
    if (!listed.success) return null
    for (const one of listed.data.tools) {
      const tool = toolSchema.safeParse(one)
      if (!tool.success || marked.size >= TOOLS_MAX) continue
      if (JSON.stringify(tool.data.inputSchema).includes('"x-mcp-header"'))
        marked.set(tool.data.name, tool.data.inputSchema)
      else marked.delete(tool.data.name)
    }
    const { nextCursor = null } = listed.data
    isComplete ||= nextCursor === null
    return nextCursor
  }

  async function askAll(): Promise<void> {
    let cursor: string | null = null
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      cursor = learn(await list(cursor === null ? {} : { cursor }))
      if (cursor === null) return
    }
  }

  return {
    learn: (answer) => void learn(answer),
    async of(call, mayAsk) {
      if (!isComplete && mayAsk) await askAll()
      const params = paramsOf(call)
      const name = parseJson(rawMember(params, 'name') ?? 'null')
      const schema = typeof name === 'string' ? marked.get(name) : undefined
      if (schema === undefined) return {}
      return paramHeaders(schema, json.parse(parseJson(rawMember(params, 'arguments') ?? '{}')))
    },
    forget() {
      marked = new Map()
      isComplete = false
    },
  }
}
