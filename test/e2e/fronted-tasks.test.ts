/**
 * A real server that makes tasks of approved calls, behind a URL and behind a command: the ext-tasks client follows the
 * gateway's one, also over the death of a gateway, and nobody else does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  resultFromTaskOutcome,
  type TaskView,
  taskViewFromExecutionEvent,
} from '@modelcontextprotocol/ext-tasks/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connectTasks } from '../support/clients.ts'
import { type Front, startFront } from '../support/front.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'

const TIMEOUT = { timeout: 60_000 }

const program = join(import.meta.dirname, '../support/tasks-server.mjs')
const database = await freshDatabase()
let server: ChildProcess
let said = ''
let front: Front
let options: GatewayOptions
let gateway: GatewayProcess
let agent: string
let otherAgent: string
let minaToken: string

beforeAll(async () => {
  server = spawn(process.execPath, [program, 'http'], { stdio: ['ignore', 'ignore', 'pipe'] })
  server.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await vi.waitFor(() => expect(said).toMatch(/listening on \d+/), TIMEOUT)
  const url = `http://127.0.0.1:${/listening on (\d+)/.exec(said)?.[1]}/mcp`
  front = await startFront()
  const policy = join(temporaryDirectory(), 'crunch.json')
  writeFileSync(policy, JSON.stringify({ version: '1', default: 'allow', require_approval: ['crunch'] }))
  options = {
    databaseUrl: database.connectionString,
    env: { HOLDPOINT_PUBLIC_URL: front.url },
    servers: {
      jobs: { url, policy },
      piped: { command: process.execPath, args: [program], policy },
    },
    timings: { poll: '300ms', node_lease: '2s' },
  }
  gateway = await startGateway(options)
  front.pointTo(gateway.url)
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  otherAgent = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
  minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
})
afterAll(async () => {
  await gateway?.stop()
  await front?.close()
  if (server?.exitCode === null) {
    server.kill()
    await once(server, 'exit')
  }
  await database.drop()
})

const mina = () => aPerson(gateway.url, minaToken)

/** Until what the server said is in the ledger. */
const accepted = (id: string) =>
  expect.poll(async () => JSON.stringify(await mina().show(id))).toContain('"isTask":true')

/** Ends every task of this server. Again where the connection was one to a gateway that was killed: it changes nothing twice. */
const finish = (name: string) =>
  vi.waitFor(async () => {
    const client = new Client(
      { name: 'modern', version: '1.0.0' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    const headers = { authorization: `Bearer ${agent}` }
    const url = new URL(`${front.url}/mcp/${name}`)
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
    await client.callTool({ name: 'finish', arguments: {} })
    await client.close()
  }, TIMEOUT)

/** A call that waits for a person, and the task of ours that its client follows. */
async function crunch(server: string, name: string) {
  const { session, close } = await connectTasks(`${front.url}/mcp/${server}`, agent)
  const execution = await session.callTool('crunch', { name })
  const seen: TaskView[] = []
  const settled = execution.settle({
    onEvent: (event) => {
      const task = taskViewFromExecutionEvent(event)
      if (task !== undefined) seen.push(task)
    },
  })
  const [id = ''] = await mina().waitForPending()
  await expect.poll(() => seen.length, TIMEOUT).toBeGreaterThan(0)
  return {
    id,
    taskId: seen[0]?.taskId ?? '',
    /** What was said of it last besides its status; the server of this test says nothing. */
    message: () => seen.at(-1)?.statusMessage ?? null,
    async ended() {
      const { outcome } = await settled
      await close()
      return JSON.stringify(resultFromTaskOutcome(outcome))
    },
  }
}

/** Asks as the protocol has it, whoever asks. */
async function about(taskId: string, token = agent, name = 'jobs') {
  const method = 'tasks/get'
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
  }
  const headers = {
    ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28' },
    ...{ 'mcp-method': method, 'mcp-name': taskId },
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { taskId, _meta } })
  const send = () => fetch(`${front.url}/mcp/${name}`, { method: 'POST', headers, body })
  return (await vi.waitFor(send, TIMEOUT)).text()
}

/** How often the server was told to. Over a pipe its words are in the gateway's log. */
const callsOf = (name: string) => (said + gateway.output()).split(`called crunch ${name}`).length - 1

/** Another gateway takes over, and the one that made the calls is gone without a word. */
async function failOver() {
  const dead = gateway
  gateway = await startGateway(options)
  front.pointTo(gateway.url)
  await dead.kill()
}

test.each(['jobs', 'piped'])(
  'a task of the server %s is followed through ours, and runs once',
  async (server) => {
    const name = `one-${server}`
    const call = await crunch(server, name)
    expect(call.message()).toContain(call.id)
    expect(callsOf(name)).toBe(0)
    await mina().decide(call.id, 'approve')
    await accepted(call.id)
    // What the server says of its task has no message of ours any more.
    await expect.poll(call.message, TIMEOUT).toBeNull()
    await finish(server)
    expect(await call.ended()).toContain(`crunched ${name}`)
    await expect.poll(() => callsOf(name)).toBe(1)
  },
)

test('the task outlives the gateway that made the call, for its agent alone', async () => {
  const call = await crunch('jobs', 'two')
  await mina().decide(call.id, 'approve')
  await accepted(call.id)
  await failOver()
  expect(await about(call.taskId)).toContain('"status":"working"')
  expect(await about(call.taskId, otherAgent)).toContain('Task not found')
  await finish('jobs')
  expect(await call.ended()).toContain('crunched two')
  expect(callsOf('two')).toBe(1)
})

test('a task that died with its process has ended, and nobody claims to know how', async () => {
  const call = await crunch('piped', 'three')
  await mina().decide(call.id, 'approve')
  await accepted(call.id)
  await failOver()
  expect(await call.ended()).toContain('MAY OR MAY NOT')
  expect(await about(call.taskId, otherAgent, 'piped')).toContain('Task not found')
  // The new process has never heard of it.
  expect(callsOf('three')).toBe(0)
})
