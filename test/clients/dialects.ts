/** As much of three vendors' streaming APIs as their agents need to hear that a tool is called, or that all is said. */
import { z } from 'zod'
import type { Call } from './client.ts'

/** What the model does next. */
export type Move =
  | {
      readonly kind: 'call'
      readonly server: string
      readonly tool: string
      readonly args: Call['args']
    }
  | { readonly kind: 'say'; readonly text: string }

/** How one vendor's API puts a conversation and a move into words. */
export interface Dialect {
  readonly fits: (path: string) => boolean
  /**
   * Texts of the tool results in this request, `null` for one that is still to come; `null` altogether where the request offers
   * no tools and so is no part of the work.
   */
  readonly results: (body: unknown) => readonly (string | null)[] | null
  readonly events: (move: Move, turn: number) => readonly { event?: string; data: object }[]
}

const flat = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(flat).join('\n')
  const text = z.object({ text: z.string() }).safeParse(value)
  return text.success ? text.data.text : JSON.stringify(value)
}

const AnthropicBody = z.object({
  tools: z.array(z.unknown()).min(1),
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })),
})
const ToolResult = z.object({ type: z.literal('tool_result'), content: z.unknown() })

/** Claude Code hands over a task before its result, which then comes as a notification in a user's turn. */
const movedAway = /moved to the background as task (\w+)/
const notified = (text: string, task: string) =>
  new RegExp(`<task-id>${task}</task-id>[\\s\\S]*?</task-notification>`).exec(text)?.[0] ?? null

export const anthropic: Dialect = {
  fits: (path) => path.startsWith('/v1/messages') && !path.includes('count_tokens'),
  results(body) {
    const parsed = AnthropicBody.safeParse(body)
    if (!parsed.success) return null
    const blocks = parsed.data.messages.flatMap(({ content }) => (Array.isArray(content) ? content : []))
    const said = flat(blocks)
    return blocks.flatMap((block) => {
      const result = ToolResult.safeParse(block)
      if (!result.success) return []
      const text = flat(result.data.content)
      const task = movedAway.exec(text)?.[1]
      return [task === undefined ? text : notified(said, task)]
    })
  },
  events(move, turn) {
    const usage = { input_tokens: 10, output_tokens: 10 }
    const block =
      move.kind === 'say'
        ? { type: 'text', text: '' }
        : { type: 'tool_use', id: `toolu_${turn}`, name: `mcp__${move.server}__${move.tool}`, input: {} }
    const delta =
      move.kind === 'say'
        ? { type: 'text_delta', text: move.text }
        : { type: 'input_json_delta', partial_json: JSON.stringify(move.args) }
    const reason = move.kind === 'say' ? 'end_turn' : 'tool_use'
    const message = {
      id: `msg_${turn}`,
      type: 'message',
      role: 'assistant',
      model: 'scripted',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    }
    return [
      { type: 'message_start', message },
      { type: 'content_block_start', index: 0, content_block: block },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage },
      { type: 'message_stop' },
    ].map((data) => ({ event: data.type, data }))
  },
}

const ResponsesBody = z.object({ input: z.array(z.unknown()), tools: z.array(z.unknown()).min(1) })
const FunctionOutput = z.object({ type: z.literal('function_call_output'), output: z.unknown() })

export const openai: Dialect = {
  fits: (path) => path.endsWith('/responses'),
  results(body) {
    const parsed = ResponsesBody.safeParse(body)
    if (!parsed.success) return null
    return parsed.data.input.flatMap((item) => {
      const result = FunctionOutput.safeParse(item)
      return result.success ? [flat(result.data.output)] : []
    })
  },
  events(move, turn) {
    const item =
      move.kind === 'say'
        ? { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: move.text }] }
        : {
            type: 'function_call',
            call_id: `call_${turn}`,
            namespace: `mcp__${move.server}`,
            name: move.tool,
            arguments: JSON.stringify(move.args),
          }
    const id = `resp_${turn}`
    const usage = { input_tokens: 10, output_tokens: 10, total_tokens: 20 }
    return [
      { type: 'response.created', response: { id } },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: { id, usage } },
    ].map((data) => ({ event: data.type, data }))
  },
}

const GeminiBody = z.object({
  tools: z.array(z.unknown()).min(1),
  contents: z.array(z.object({ parts: z.array(z.unknown()) })),
})
const FunctionResponse = z.object({ functionResponse: z.object({ response: z.unknown() }) })

export const gemini: Dialect = {
  fits: (path) => path.includes(':streamGenerateContent'),
  results(body) {
    const parsed = GeminiBody.safeParse(body)
    if (!parsed.success) return null
    return parsed.data.contents.flatMap(({ parts }) =>
      parts.flatMap((part) => {
        const result = FunctionResponse.safeParse(part)
        return result.success ? [flat(result.data.functionResponse.response)] : []
      }),
    )
  },
  events(move) {
    const part =
      move.kind === 'say'
        ? { text: move.text }
        : { functionCall: { name: `mcp_${move.server}_${move.tool}`, args: move.args } }
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 10, totalTokenCount: 20 }
    const candidate = { content: { role: 'model', parts: [part] }, finishReason: 'STOP', index: 0 }
    return [{ data: { candidates: [candidate], usageMetadata } }]
  },
}
