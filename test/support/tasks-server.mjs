/**
 * A server that makes tasks of its calls (MCP 2026-07-28, extension io.modelcontextprotocol/tasks), on the official SDK's
 * low-level handlers: over stdio, or with `http` as its argument over Streamable HTTP. What it is told goes to stderr.
 */
import { randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import { createMcpHandler, ProtocolError, Server } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

const capabilities = { tools: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } }
const params = z.looseObject({ taskId: z.string() })
const schemas = { params, result: z.looseObject({}) }

/** By its id; what it is about, and how it ended. */
const tasks = new Map()
const shown = ({ taskId, createdAt, status, result }) => ({
  ...{ taskId, status, createdAt, lastUpdatedAt: createdAt, ttlMs: 600_000, pollIntervalMs: 200 },
  ...(status === 'completed' ? { result } : {}),
})
const known = (taskId) => {
  const task = tasks.get(taskId)
  if (task === undefined) throw new ProtocolError(-32_602, 'Task not found')
  return task
}
const inputSchema = { type: 'object', properties: { name: { type: 'string' } } }

function createServer() {
  const server = new Server({ name: 'tasks', version: '1.0.0' }, { capabilities })
  server.setRequestHandler('tools/list', () => ({
    resultType: 'complete',
    tools: ['crunch', 'finish'].map((name) => ({ name, inputSchema })),
    ...{ ttlMs: 0, cacheScope: 'private' },
  }))
  server.setRequestHandler('tools/call', ({ params: { name, arguments: args } }) => {
    console.error(`called ${name} ${args?.name}`)
    if (name === 'finish') {
      for (const task of tasks.values()) {
        if (task.status === 'working') Object.assign(task, { status: 'completed' })
      }
      return { resultType: 'complete', content: [] }
    }
    const result = { resultType: 'complete', content: [{ type: 'text', text: `crunched ${args?.name}` }] }
    const task = { taskId: randomUUID(), createdAt: new Date().toISOString(), status: 'working', result }
    tasks.set(task.taskId, task)
    return { content: [], resultType: 'task', ...shown(task) }
  })
  server.setRequestHandler('tasks/get', schemas, ({ taskId }) => ({
    resultType: 'complete',
    ...shown(known(taskId)),
  }))
  server.setRequestHandler('tasks/cancel', schemas, ({ taskId }) => {
    Object.assign(known(taskId), { status: 'cancelled' })
    return { resultType: 'complete' }
  })
  return server
}

if (process.argv[2] === 'http') {
  const handler = createMcpHandler(createServer, { legacy: 'reject' })
  serve({ fetch: handler.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
    console.error(`listening on ${port}`),
  )
} else serveStdio(createServer, { legacy: 'reject' })
