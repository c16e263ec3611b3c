/** A stdio server that speaks MCP 2026-07-28 and nothing older, on the official SDK. Everything it is told goes to stderr. */
import { fromJsonSchema, inputRequired, McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'

const text = (said) => ({ content: [{ type: 'text', text: said }] })
const named = (key) =>
  fromJsonSchema({ type: 'object', properties: { [key]: { type: 'string' } }, required: [key] })
const nothing = fromJsonSchema({ type: 'object', properties: {} })

serveStdio(
  () => {
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
        await new Promise((done) => ctx.mcpReq.signal.addEventListener('abort', done, { once: true }))
        console.error('slow was cancelled')
        return text('cancelled')
      },
    )
    server.registerTool('change', { description: 'Changes things', inputSchema: nothing }, async () => {
      server.sendToolListChanged()
      await server.server.sendResourceUpdated({ uri: 'note://one' })
      return text('changed')
    })
    server.registerResource('one', 'note://one', { mimeType: 'text/plain' }, async (uri) => ({
      contents: [{ uri: uri.href, text: 'one' }],
    }))
    return server
  },
  { legacy: 'reject', onerror: (error) => console.error(error) },
)
