/**
 * What clients hear of a gateway that no server could tell them, with two real gateways: that their list of tools is another one
 * by what is in force, and how their tasks go. Each hears what concerns it, wherever it happened, and nothing else.
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readEvents } from '../../src/mcp/sse.ts'
import { connectV1, type TestClient } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'
import { type ScriptedHttp, startScriptedHttp } from '../traps/scripted-http.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
const database = await freshDatabase()
const policy = join(temporaryDirectory(), 'policy.yaml')
const plain = 'default: allow\nrequire_approval: [create_refund]\n'
let upstream: HttpUpstream
let silent: ScriptedHttp
let first: GatewayProcess
let second: GatewayProcess
let agent: string
let otherAgent: string
let personToken: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  writeFileSync(policy, plain)
  ;[upstream, silent] = [await startHttpUpstream(), await startScriptedHttp()]
  const start = () =>
    startGateway({
      databaseUrl: database.connectionString,
      servers: {
        pay: { url: upstream.url.href, policy, approvers: ['ops'] },
        // It has no stream of its own, and does not say that its list changes.
        silent: { url: silent.url, policy, approvers: ['ops'] },
      },
      timings: { comment: '300ms' },
      more: { operators: ['mina'] },
    })
  ;[first, second] = [await start(), await start()]
  const mint = (kind: 'agent' | 'person', name: string) =>
    mintToken(database.connectionString, [first, second], kind, name)
  agent = await mint('agent', 'night-agent')
  otherAgent = await mint('agent', 'day-agent')
  personToken = await mint('person', 'mina')
  mina = aPerson(second.url, personToken)
})
afterAll(async () => {
  await first?.stop()
  await second?.stop()
  await upstream?.close()
  await silent?.close()
  await database.drop()
})

const within = { timeout: 60_000, interval: 50 }
const changesHeard = ({ notifications }: Pick<TestClient, 'notifications'>) =>
  notifications.filter(({ method }) => method === 'notifications/tools/list_changed').length
const toolsOf = async (client: TestClient) =>
  z
    .object({ tools: z.array(z.looseObject({ name: z.string() })) })
    .parse(await client.request('tools/list'))
    .tools.map(({ name }) => name)

const tasksMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
}

function modern(gateway: GatewayProcess, server: string, method: string, params: object, name?: string) {
  return fetch(`${gateway.url}/mcp/${server}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${agent}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name === undefined ? {} : { 'mcp-name': name }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'l1', method, params: { _meta: tasksMeta, ...params } }),
  })
}

/** Of a person at the first gateway. @throws when it fails, with what it said */
const commandLine = (...args: string[]) =>
  promisify(execFile)(process.execPath, [cli, ...args], {
    env: { PATH: process.env.PATH ?? '', HOLDPOINT_URL: first.url, HOLDPOINT_TOKEN: personToken },
  })

/** `subscriptions/listen`, and what it has said so far. */
async function listenTo(gateway: GatewayProcess, server: string, notifications: object) {
  const response = await modern(gateway, server, 'subscriptions/listen', { notifications })
  const heard: { method: string; params: Record<string, unknown> }[] = []
  const { body } = response
  const reading = (async () => {
    if (body === null) return
    for await (const { data } of readEvents(body, { charactersMax: 1_000_000 })) heard.push(JSON.parse(data))
  })().catch(() => {})
  await expect.poll(() => heard.length, within).toBeGreaterThan(0)
  return {
    heard,
    async close() {
      await body?.cancel().catch(() => {})
      void reading
    },
  }
}

describe('a list of tools', () => {
  test.each(['pay', 'silent'])('of %s is said to change whatever the server says', async (server) => {
    const opened = await fetch(`${first.url}/mcp/${server}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
        params: {
          protocolVersion: '2025-06-18',
          capabilities: {},
          clientInfo: { name: 'x', version: '1' },
        },
      }),
    })
    expect(await opened.text()).toContain('"listChanged":true')
    const discovered = await modern(first, server, 'server/discover', {})
    if (server === 'pay') expect(await discovered.text()).toContain('"listChanged":true')
  })

  test.each([
    ['pay', 'echo', 'delete_repository'],
    ['silent', 'teapot', 'reset'],
  ])(
    'of %s: sessions at both gateways hear of a policy and of a stop, and only then',
    async (server, one, two) => {
      writeFileSync(policy, plain)
      const [here, there] = [
        await connectV1(`${first.url}/mcp/${server}`, agent),
        await connectV1(`${second.url}/mcp/${server}`, otherAgent),
      ]
      const modernly = await listenTo(second, server, { toolsListChanged: true })
      const heardModernly = () =>
        modernly.heard.filter(({ method }) => method === 'notifications/tools/list_changed')
      try {
        expect(modernly.heard[0]).toMatchObject({
          method: 'notifications/subscriptions/acknowledged',
          params: { notifications: { toolsListChanged: true } },
        })
        expect(await toolsOf(here)).toContain(one)
        expect(await toolsOf(there)).toContain(one)
        // A rule that hides and marks nothing: whoever counts below would have heard of it.
        writeFileSync(policy, `${plain}deny: [${two}]\n`)
        const denied = async () => JSON.stringify(await here.call(two).catch(String))
        await expect.poll(denied, within).toContain('forbids')

        writeFileSync(policy, `${plain}hide: [${one}]\n`)
        await expect.poll(() => [changesHeard(here), changesHeard(there)], within).toEqual([1, 1])
        await expect.poll(() => heardModernly().length, within).toBe(1)
        expect(heardModernly()[0]?.params._meta).toEqual({ 'io.modelcontextprotocol/subscriptionId': 'l1' })
        expect(await toolsOf(here)).not.toContain(one)
        expect(await toolsOf(there)).not.toContain(one)
        const listed = await modern(second, server, 'tools/list', {})
        expect(await listed.text()).toContain('"cacheScope":"private"')

        // Another tool is asked about: only a list of 2025-11-25 shows that, and the tool to wait with stands there already.
        writeFileSync(policy, `default: allow\nrequire_approval: [create_refund, ${two}]\nhide: [${one}]\n`)
        await expect.poll(() => [changesHeard(here), changesHeard(there)], within).toEqual([2, 2])

        // Stopped at the second gateway: the agent at the first cannot list any more, the other one does not notice.
        const stop = (path: string, body: object) =>
          fetch(`${second.url}/api/v1/stops${path}`, {
            method: 'POST',
            headers: { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' },
            body: JSON.stringify(body),
          })
        const put = await stop('', { agent: 'night-agent', reason: 'a test' })
        const { stop: put1 } = z.object({ stop: z.object({ number: z.number() }) }).parse(await put.json())
        await expect.poll(() => changesHeard(here), within).toBe(3)
        await expect.poll(() => heardModernly().length, within).toBe(2)
        await stop(`/${put1.number}/lift`, {})
        await expect.poll(() => changesHeard(here), within).toBe(4)
        // Twice stopped and lifted; the mark of a task is none of 2026-07-28.
        await expect.poll(() => heardModernly().length, within).toBe(3)
        expect(changesHeard(there)).toBe(2)
      } finally {
        await here.close()
        await there.close()
        await modernly.close()
      }
    },
  )

  test('that changed while nobody listened is told of when somebody does', async () => {
    writeFileSync(policy, plain)
    const headers = { authorization: `Bearer ${agent}`, 'mcp-protocol-version': '2025-11-25' }
    const url = `${first.url}/mcp/pay`
    const post = (body: object, session: string | null) =>
      fetch(url, {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          ...(session === null ? {} : { 'mcp-session-id': session }),
        },
        body: JSON.stringify({ jsonrpc: '2.0', ...body }),
      })
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'late', version: '1' },
    }
    const opened = await post({ id: 1, method: 'initialize', params }, null)
    const session = opened.headers.get('mcp-session-id') ?? ''
    await post({ method: 'notifications/initialized' }, session)
    const listed = async () => (await post({ id: 2, method: 'tools/list', params: {} }, session)).text()
    await expect.poll(listed, within).toContain('"echo"')
    const other = await connectV1(url, otherAgent)
    writeFileSync(policy, `${plain}hide: [echo]\n`)
    await expect.poll(() => changesHeard(other), within).toBeGreaterThan(0)
    await other.close()
    const leaving = new AbortController()
    const stream = await fetch(url, {
      headers: { ...headers, accept: 'text/event-stream', 'mcp-session-id': session },
      signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(60_000)]),
    })
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
    let heard = ''
    while (!heard.includes('list_changed')) {
      const piece = await reader?.read()
      if (piece?.value === undefined) break
      heard += piece.value
    }
    expect(heard).toContain('notifications/tools/list_changed')
    leaving.abort()
  })
})

describe('a task', () => {
  test.each(['pay', 'silent'])(
    'of 2025-11-25 at %s is reported to the session that asked for it',
    async (server) => {
      writeFileSync(policy, plain)
      const tool = server === 'pay' ? 'create_refund' : 'answer'
      writeFileSync(policy, `default: allow\nrequire_approval: [create_refund, answer]\n`)
      const url = `${first.url}/mcp/${server}`
      const [mine, sameAgent, stranger] = [
        await connectV1(url, agent),
        await connectV1(url, agent),
        await connectV1(url, otherAgent),
      ]
      const statuses = ({ notifications }: TestClient) =>
        notifications
          .filter(({ method }) => method === 'notifications/tasks/status')
          .map(({ params }) => z.looseObject({ taskId: z.string(), status: z.string() }).parse(params))
      try {
        const params = { name: tool, arguments: { amount: 5, charge: server }, task: { ttl: 60_000 } }
        const created = async () =>
          z
            .object({ task: z.object({ taskId: z.string() }) })
            .safeParse(await mine.request('tools/call', params))
        let taskId = ''
        // The rule may be on its way still.
        await expect
          .poll(async () => {
            const answer = await created()
            taskId = answer.success ? answer.data.task.taskId : ''
            return taskId
          }, within)
          .toMatch(/^hpt1_/)
        const poll = setInterval(() => void mine.request('tasks/get', { taskId }).catch(() => {}), 500)
        const [id = ''] = await mina.waitForPending(1)
        await mina.decide(id, 'approve')
        await expect.poll(() => statuses(mine).at(-1)?.status, within).toBe('completed')
        clearInterval(poll)
        expect(new Set(statuses(mine).map((status) => status.taskId))).toEqual(new Set([taskId]))
        expect(statuses(sameAgent)).toEqual([])
        expect(statuses(stranger)).toEqual([])
      } finally {
        await mine.close()
        await sameAgent.close()
        await stranger.close()
      }
    },
  )

  test('of 2026-07-28 is reported to its owner who listens, with what tasks/get would say', async () => {
    const call = { name: 'create_refund', arguments: { amount: 6, charge: 'modern' } }
    const created = z
      .object({ result: z.object({ taskId: z.string() }) })
      .parse(await (await modern(first, 'pay', 'tools/call', call, 'create_refund')).json())
    const { taskId } = created.result
    const listening = await listenTo(first, 'pay', { taskIds: [taskId, 'hpt1_guess', 'of-the-server'] })
    try {
      expect(listening.heard[0]?.params.notifications).toMatchObject({ taskIds: [taskId] })
      const poll = setInterval(
        () => void modern(first, 'pay', 'tasks/get', { taskId }, taskId).catch(() => {}),
        500,
      )
      const [id = ''] = await mina.waitForPending(1)
      await mina.decide(id, 'approve')
      await expect.poll(() => listening.heard.at(-1)?.params.status, within).toBe('completed')
      clearInterval(poll)
      const { _meta, ...said } = listening.heard.at(-1)?.params ?? {}
      expect(_meta).toEqual({ 'io.modelcontextprotocol/subscriptionId': 'l1' })
      const got = z
        .object({ result: z.looseObject({}) })
        .parse(await (await modern(first, 'pay', 'tasks/get', { taskId }, taskId)).json())
      expect(said).toEqual(got.result)
      expect(listening.heard.every(({ method }) => !method.includes('progress'))).toBe(true)
    } finally {
      await listening.close()
    }
  })

  test('is not listened to by a client that does not know tasks', async () => {
    const params = {
      notifications: { taskIds: ['hpt1_x'] },
      _meta: { ...tasksMeta, 'io.modelcontextprotocol/clientCapabilities': {} },
    }
    const refused = await modern(first, 'pay', 'subscriptions/listen', params)
    expect(refused.status).toBe(400)
    expect(await refused.text()).toContain('-32021')
  })
})

// The last: what was put in force by hand stays, whatever the file says that is there already.
describe('a list of tools', () => {
  test.each([
    ['pay', 'echo'],
    ['silent', 'teapot'],
  ])(
    'of %s: sessions at one gateway hear of what the command line puts in force at the other',
    async (server, tool) => {
      const marked = `${plain}hide: [delete_repository, reset]\n`
      writeFileSync(policy, marked)
      const before = await connectV1(`${second.url}/mcp/${server}`, agent)
      // From here on nothing but the command line changes anything.
      const settled = async () =>
        (await toolsOf(before)).filter((name) => /^(delete_repository|reset)$/.test(name))
      await expect.poll(settled, within).toEqual([])
      await before.close()
      const there = await connectV1(`${second.url}/mcp/${server}`, agent)
      const modernly = await listenTo(second, server, { toolsListChanged: true })
      const heard = () => [
        changesHeard(there),
        modernly.heard.filter(({ method }) => method === 'notifications/tools/list_changed').length,
      ]
      try {
        expect(await toolsOf(there)).toContain(tool)
        const hiding = join(temporaryDirectory(), 'hiding.yaml')
        writeFileSync(hiding, `${plain}hide: [delete_repository, reset, ${tool}]\n`)
        await commandLine('policy', 'apply', hiding, '--server', server, '--yes')
        await expect.poll(heard, within).toEqual([1, 1])
        expect(await toolsOf(there)).not.toContain(tool)
        await commandLine('policy', 'rollback', server, '--yes')
        await expect.poll(heard, within).toEqual([2, 2])
        expect(await toolsOf(there)).toContain(tool)
      } finally {
        await there.close()
        await modernly.close()
      }
    },
    60_000,
  )
})
