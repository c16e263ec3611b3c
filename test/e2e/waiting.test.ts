/**
 * Every way to wait, with real clients that give up long before people decide, and with gateways that are killed meanwhile:
 * each gets its result, of a call that ran once.
 */
import { join } from 'node:path'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { resultFromTaskOutcome } from '@modelcontextprotocol/ext-tasks/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connectTasks, connectV1, textOf } from '../support/clients.ts'
import { type Front, startFront } from '../support/front.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const sampleHome = join(temporaryDirectory(), 'nworks')
let front: Front
let upstream: HttpUpstream
let gateway: GatewayProcess
let agent: string
let otherAgent: string
let minaToken: string
let calls = 0
let amount: { amount: number; charge: string }

/** The clients below give up after this time. */
const PATIENCE_MS = 12_000
/** Longer than any of them waits for one answer. */
const decideLater = () => new Promise((done) => setTimeout(done, 14_000))

const options = (hold = '4s'): GatewayOptions => ({
  databaseUrl: database.connectionString,
  env: { HOLDPOINT_PUBLIC_URL: front.url },
  servers: {
    pay: { url: upstream.url.href },
    nworks: { command: process.execPath, args: [sampleMain], env: { NWORKS_SAMPLE_HOME: sampleHome } },
  },
  timings: { hold, comment: '300ms', progress: '300ms', poll: '300ms', node_lease: '2s' },
})

beforeAll(async () => {
  upstream = await startHttpUpstream()
  front = await startFront()
  gateway = await startGateway(options())
  front.pointTo(gateway.url)
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  otherAgent = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
  minaToken = await mintToken(database.connectionString, gateway, 'person', 'mina')
})
beforeEach(() => {
  amount = { amount: ++calls, charge: `ch_wait_${calls}` }
})
afterAll(async () => {
  await gateway?.stop()
  await front?.close()
  await upstream?.close()
  await database.drop()
})

/** At the gateway that lives, over connections of its own. */
const mina = () => aPerson(gateway.url, minaToken)

const hits = () =>
  upstream.executed.filter(({ args }) => JSON.stringify(args).includes(`"${amount.charge}"`)).length

/** Kills the gateway that everybody talks to; another one takes its place behind the same address. */
async function replaceGateway(hold?: string): Promise<void> {
  const next = await startGateway(options(hold))
  const dead = gateway
  gateway = next
  front.pointTo(next.url)
  await dead.kill()
}

async function modernClient(server = 'pay') {
  const client = new ClientV2(
    { name: 'modern', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const headers = { authorization: `Bearer ${agent}` }
  await client.connect(new HttpV2(new URL(`${front.url}/mcp/${server}`), { requestInit: { headers } }))
  return client
}

async function taskClientV1(server = 'pay', token = agent) {
  const client = new ClientV1({ name: 'tasks-v1', version: '1.0.0' })
  const headers = { authorization: `Bearer ${token}` }
  const transport = new HttpV1(new URL(`${front.url}/mcp/${server}`), { requestInit: { headers } })
  await client.connect(transport as Transport)
  return client
}

test('a task of 2026-07-28: the ext-tasks client polls until people have decided', async () => {
  const { session, close } = await connectTasks(`${front.url}/mcp/pay`, agent)
  const execution = await session.callTool('create_refund', amount, { requestTimeoutMs: PATIENCE_MS })
  const seen: string[] = []
  const settled = execution.settle({
    onEvent: (event) => {
      if (event.type === 'task') seen.push(event.task.statusMessage ?? '')
    },
  })
  const [id = ''] = await mina().waitForPending()
  await decideLater()
  expect(seen.at(-1)).toMatch(
    new RegExp(`Waiting for approval ${id} \\(\\d+ s so far, can be decided until .*Asked:`),
  )
  await mina().decide(id, 'approve')
  const { outcome } = await settled
  expect(JSON.stringify(resultFromTaskOutcome(outcome))).toContain('re_')
  expect(hits()).toBe(1)
  await close()
})

test('a task of 2026-07-28 outlives its gateway', async () => {
  const { session, close } = await connectTasks(`${front.url}/mcp/pay`, agent)
  const execution = await session.callTool('create_refund', amount)
  const [id = ''] = await mina().waitForPending()
  await replaceGateway()
  await mina().decide(id, 'approve')
  const { outcome } = await execution.settle()
  expect(JSON.stringify(resultFromTaskOutcome(outcome))).toContain('re_')
  expect(hits()).toBe(1)
  await close()
})

test('a denied task of 2026-07-28 completes with who said no and why; a cancelled one never runs', async () => {
  const { session, close } = await connectTasks(`${front.url}/mcp/pay`, agent)
  const denied = await session.callTool('create_refund', amount)
  const [id = ''] = await mina().waitForPending()
  await mina().decide(id, 'reject', 'ask finance')
  const result = JSON.stringify(resultFromTaskOutcome((await denied.settle()).outcome))
  expect(result).toMatch(/NOT EXECUTED.*mina.*ask finance.*retry: never/)

  const cancelled = await session.callTool('create_refund', { ...amount, note: 'other' })
  const [second = ''] = await mina().waitForPending()
  await cancelled.cancel?.()
  await expect.poll(() => mina().pending()).toEqual([])
  expect(await mina().decide(second, 'approve')).toMatchObject({ ok: false })
  expect(hits()).toBe(0)
  await close()
})

test('a task of 2025-11-25: the v1 client polls, and reads the result', async () => {
  const client = await taskClientV1()
  const { tools } = await client.listTools()
  expect(tools.find(({ name }) => name === 'create_refund')?.execution).toEqual({ taskSupport: 'optional' })
  const stream = client.experimental.tasks.callToolStream(
    { name: 'create_refund', arguments: amount },
    CallToolResultSchema,
    { timeout: PATIENCE_MS, task: { ttl: 60_000 } },
  )
  const seen: string[] = []
  let taskId = ''
  let text = ''
  for await (const message of stream) {
    seen.push(message.type)
    if (message.type === 'taskCreated') {
      taskId = message.task.taskId
      const [id = ''] = await mina().waitForPending()
      setTimeout(() => void mina().decide(id, 'approve'), 14_000)
    }
    if (message.type === 'result') text = JSON.stringify(message.result)
    if (message.type === 'error') text = String(message.error)
  }
  expect(seen[0]).toBe('taskCreated')
  expect(seen.filter((type) => type === 'taskStatus').length).toBeGreaterThan(2)
  expect(text).toContain('re_')
  expect(text).toContain(taskId)
  expect(hits()).toBe(1)

  const { tasks } = await client.experimental.tasks.listTasks()
  expect(tasks).toContainEqual(expect.objectContaining({ taskId, status: 'completed' }))
  // Nobody else knows it, whatever they ask.
  const other = await taskClientV1('pay', otherAgent)
  await expect(other.experimental.tasks.getTask(taskId)).rejects.toThrow(/Task not found/)
  await expect(other.experimental.tasks.cancelTask(taskId)).rejects.toThrow(/Task not found/)
  await expect(other.experimental.tasks.getTaskResult(taskId)).rejects.toThrow(/Task not found/)
  expect((await other.experimental.tasks.listTasks()).tasks).toEqual([])
  await Promise.all([client.close(), other.close()])
})

test('tasks/result blocks until the decision, also across a gateway that was killed', async () => {
  const client = await taskClientV1()
  const created = await client.request(
    { method: 'tools/call', params: { name: 'create_refund', arguments: amount, task: {} } },
    // Everything is let through, so that nothing is hidden from the test.
    { parse: (value: unknown) => value, safeParse: (data: unknown) => ({ success: true, data }) } as never,
  )
  const { taskId } = Object(created).task
  const result = client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema, { timeout: 200_000 })
  const [id = ''] = await mina().waitForPending()
  await replaceGateway()
  await mina().decide(id, 'approve')
  expect(JSON.stringify(await result)).toContain('re_')
  expect(hits()).toBe(1)
  await client.close()
})

test.each(['pay', 'nworks'])(
  'a held stream of 2025-11-25 to %s goes on at another gateway after a SIGKILL',
  async (server) => {
    await replaceGateway('180s')
    const client = await connectV1(`${front.url}/mcp/${server}`, agent)
    const tool = server === 'pay' ? 'create_refund' : 'nworks_calendar_create'
    const args =
      server === 'pay'
        ? amount
        : { summary: `hold ${calls}`, start: '2026-12-01T10:00:00', end: '2026-12-01T11:00:00' }
    const progress: number[] = []
    const called = client.call(tool, args, {
      timeoutMs: 200_000,
      onProgress: (told) => progress.push(told.progress),
    })
    const [id = ''] = await mina().waitForPending()
    await expect.poll(() => progress.length).toBeGreaterThan(1)
    await replaceGateway('180s')
    await mina().decide(id, 'approve')
    const result = await called
    expect(result.isError ?? false).toBe(false)
    expect(textOf(result)).not.toContain('NOT EXECUTED')
    if (server === 'pay') expect(hits()).toBe(1)
    expect(progress).toEqual([...new Set(progress)].sort((a, b) => a - b))
    await client.close()
    await replaceGateway()
  },
)

test('a client of 2026-07-28 without tasks is sent back until people have decided', async () => {
  const client = await modernClient()
  const called = client.callTool({ name: 'create_refund', arguments: amount }, { timeout: PATIENCE_MS })
  const [id = ''] = await mina().waitForPending()
  await decideLater()
  await mina().decide(id, 'approve')
  expect(JSON.stringify(await called)).toContain('re_')
  expect(hits()).toBe(1)
  await client.close()
})

test('and comes back to another gateway after a SIGKILL', async () => {
  const client = await modernClient()
  // Between two rounds it comes back by itself. In the middle of one its answer is lost for good, which the client finds out
  // by its own time-out (2026-07-28 resumes no streams); then it calls again, which attaches. So it does after ten rounds, where
  // gateways take long to start.
  const outcome = (async () => {
    for (;;) {
      const call = client.callTool({ name: 'create_refund', arguments: amount }, { timeout: PATIENCE_MS })
      const answer = JSON.stringify(await call.catch(() => null))
      if (answer !== 'null' && !answer.includes('Waiting for human approval')) return answer
    }
  })()
  const [id = ''] = await mina().waitForPending()
  await replaceGateway()
  await mina().decide(id, 'approve')
  expect(await outcome).toContain('re_')
  expect(hits()).toBe(1)
  await client.close()
})

test('after ten rounds it is told to come back by the ticket, and does so with holdpoint_wait', async () => {
  const client = await modernClient()
  const { tools } = await client.listTools()
  let names = tools.map(({ name }) => name)
  expect(names).toContain('holdpoint_wait')
  const first = await client.callTool({ name: 'create_refund', arguments: amount }, { timeout: PATIENCE_MS })
  const [id = ''] = await mina().waitForPending()
  expect(JSON.stringify(first)).toContain(`Call holdpoint_wait {\\"ticket\\":\\"${id}\\"}`)
  const second = await client.callTool(
    { name: 'holdpoint_wait', arguments: { ticket: id } },
    { timeout: PATIENCE_MS },
  )
  expect(JSON.stringify(second)).toMatch(/Stop now, tell your user/)
  await mina().decide(id, 'approve')
  const third = await client.callTool({ name: 'holdpoint_wait', arguments: { ticket: id } })
  expect(JSON.stringify(third)).toContain('re_')
  expect(hits()).toBe(1)

  const other = await connectV1(`${front.url}/mcp/pay`, otherAgent)
  const listed = await other.request('tools/list')
  names = Object(listed).tools.map(({ name }: { name: string }) => name)
  const unknown = await other.call('holdpoint_wait', { ticket: id })
  expect(unknown).toEqual(await other.call('holdpoint_wait', { ticket: 'HP-0000000000' }))
  expect(textOf(unknown)).toMatch(/no call with this ticket among yours/)
  await Promise.all([client.close(), other.close()])
})

test('what a server asks about an approved call is answered by a new call, which people approve again', async () => {
  const client = new ClientV2(
    { name: 'asked', version: '1.0.0' },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept' as const,
    content: { colour: 'teal' },
  }))
  const headers = { authorization: `Bearer ${agent}` }
  await client.connect(new HttpV2(new URL(`${front.url}/mcp/pay`), { requestInit: { headers } }))
  const called = client.callTool({ name: 'ask', arguments: {} }, { timeout: 120_000 })
  const [first = ''] = await mina().waitForPending()
  await mina().decide(first, 'approve')
  await expect.poll(async () => (await mina().pending())[0]?.id).not.toBe(undefined)
  const [second = ''] = await mina().waitForPending()
  expect(second).not.toBe(first)
  // The answer is shown like an argument, because it is sent like one.
  expect((await mina().show(second)).approval.params).toContain('teal')
  await mina().decide(second, 'approve')
  expect(JSON.stringify(await called)).toContain('teal')
  await client.close()
})
