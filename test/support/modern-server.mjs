/**
 * A server that speaks MCP 2026-07-28 and nothing older, on the official SDK: over stdio, or with `http` as its argument over
 * Streamable HTTP. What it is told goes to stderr.
 */
import { serve } from '@hono/node-server'
import { createMcpHandler, fromJsonSchema, inputRequired, McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'

const text = (said) => ({ content: [{ type: 'text', text: said }] })
const named = (key) =>
  fromJsonSchema({ type: 'object', properties: { [key]: { type: 'string' } }, required: [key] })
const nothing = fromJsonSchema({ type: 'object', properties: {} })

/** Over HTTP each request has a server of its own, and changes are told by what they have in common. */
let handler = null
/** Calls of `transfer`. */
let transfers = 0

function createServer() {
  const server = new McpServer(
    { name: 'modern-only', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
      },
      instructions: 'Be kind.',
    },
  )
  server.registerTool(
    'echo',
    { description: 'Says it again', inputSchema: named('message') },
    ({ message }, ctx) => ({
      ...text(message),
      structuredContent: { message },
      _meta: { 'example.com/heard': ctx.mcpReq._meta?.['example.com/said'] ?? null },
    }),
  )
  server.registerTool('logout', { description: 'Ends the session', inputSchema: nothing }, () =>
    text('logged out'),
  )
  server.registerTool('ask', { description: 'Asks for a name', inputSchema: nothing }, (_args, ctx) => {
    const answer = ctx.mcpReq.inputResponses?.name
    if (answer === undefined) {
      const requestedSchema = {
        type: 'object',
        properties: { name: { type: 'string' } },
        required: ['name'],
      }
      const question = inputRequired.elicit({ message: 'Your name?', requestedSchema })
      return inputRequired({ inputRequests: { name: question }, requestState: 'asked' })
    }
    return text(`${answer.action}: ${JSON.stringify(answer.content ?? null)} ${ctx.mcpReq.requestState()}`)
  })
  server.registerTool('transfer', { description: 'Asks first', inputSchema: nothing }, (_args, ctx) => {
    transfers++
    if (ctx.mcpReq.inputResponses === undefined) return inputRequired({ requestState: 'go on' })
    return text('transferred')
  })
  server.registerTool('transfers', { description: 'How often it was called', inputSchema: nothing }, () =>
    text(String(transfers)),
  )
  server.registerTool('report', { description: 'Reports', inputSchema: nothing }, async (_args, ctx) => {
    const { progressToken } = ctx.mcpReq._meta ?? {}
    for (const progress of [1, 2, 3]) {
      await ctx.mcpReq.log('info', `step ${progress}`)
      if (progressToken === undefined) continue
      await ctx.mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress, total: 3 },
      })
    }
    return text('reported')
  })
  server.registerTool(
    'slow',
    { description: 'Works until cancelled', inputSchema: nothing },
    async (_args, ctx) => {
      console.error('slow has begun')
      await new Promise((done) => ctx.mcpReq.signal.addEventListener('abort', done, { once: true }))
      console.error('slow was cancelled')
      return text('cancelled')
    },
  )
  server.registerTool('change', { description: 'Changes things', inputSchema: nothing }, async () => {
    if (handler === null) {
      server.sendToolListChanged()
      await server.server.sendResourceUpdated({ uri: 'note://one' })
    } else {
      handler.notify.toolsChanged()
      handler.notify.resourceUpdated('note://one')
    }
    return text('changed')
  })
  server.registerTool(
    'region',
    {
      description: 'Wants one argument in a header as well',
      inputSchema: fromJsonSchema({
        type: 'object',
        properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
        required: ['region'],
      }),
    },
    ({ region }) => text(region),
  )
  server.registerResource('one', 'note://one', { mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, text: 'one' }],
  }))
  return server
}

const onerror = (error) => console.error(error)
if (process.argv[2] === 'http') {
  handler = createMcpHandler(createServer, { legacy: 'reject', onerror })
  serve({ fetch: handler.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' }, () =>
    console.error('listening'),
  )
} else serveStdio(createServer, { legacy: 'reject', onerror })
