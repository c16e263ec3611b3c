/** A server written with FastMCP, over HTTP: `node fastmcp-server.mjs <port>`. Every tool that ran is a line of JSON on its output. */
import { FastMCP } from 'fastmcp'
import { z } from 'zod'

const server = new FastMCP({ name: 'fastmcp-server', version: '1.0.0' })
const ran = (tool, args) => console.log(JSON.stringify({ ran: tool, args }))
let refunds = 0

server.addTool({
  name: 'echo',
  description: 'Answers with the arguments.',
  parameters: z.object({ message: z.string() }),
  execute: async (args) => {
    ran('echo', args)
    return JSON.stringify(args)
  },
})
server.addTool({
  name: 'create_refund',
  description: 'Refunds a payment.',
  parameters: z.object({ paymentId: z.string(), amountKrw: z.number().int() }),
  annotations: { destructiveHint: true },
  execute: async (args) => {
    ran('create_refund', args)
    return JSON.stringify({ refundId: `re_${++refunds}` })
  },
})
server.addTool({
  name: 'delete_repository',
  description: 'Deletes a repository for ever.',
  parameters: z.object({ owner: z.string(), name: z.string() }),
  execute: async (args) => {
    ran('delete_repository', args)
    return 'deleted'
  },
})

await server.start({
  transportType: 'httpStream',
  httpStream: { port: Number(process.argv[2]), host: '127.0.0.1', endpoint: '/mcp' },
})
console.log('listening')
