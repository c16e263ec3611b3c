/**
 * An agent's tools by the AI SDK: one line of JSON in for each call, one line out with what its tool answered.
 * `node ai-sdk.mjs <url> <limit in ms> tool|call`, the token in TOKEN.
 */
import { createInterface } from 'node:readline'
import { createMCPClient } from '@ai-sdk/mcp'

const [url, limitMs, by] = process.argv.slice(2)
const { TOKEN } = process.env
const client = await createMCPClient({
  transport: {
    type: 'http',
    url,
    ...(TOKEN === undefined ? {} : { headers: { authorization: `Bearer ${TOKEN}` } }),
  },
})
const tools = await client.tools()

/** What `generateText` does with a tool call of the model, given an `abortSignal`. */
function asTheModelCalls(tool, args) {
  const abortSignal = AbortSignal.timeout(Number(limitMs))
  return tools[tool].execute(args, { toolCallId: 'call', messages: [], abortSignal })
}

const asAProgramCalls = (name, args) =>
  client.callTool({ name, arguments: args, options: { timeout: Number(limitMs) } })

for await (const line of createInterface({ input: process.stdin })) {
  const { tool, args } = JSON.parse(line)
  let text
  try {
    const result = by === 'tool' ? await asTheModelCalls(tool, args) : await asAProgramCalls(tool, args)
    text = result.content.map((part) => part.text ?? JSON.stringify(part)).join('\n')
  } catch (error) {
    const cause = error.cause === undefined ? '' : ` (${error.cause})`
    text = `error: ${error.message}${cause}`
  }
  console.log(JSON.stringify({ text }))
}
await client.close()
