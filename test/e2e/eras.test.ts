/** Servers of either era, over stdio and at URLs, used by real clients of the other one through the gateway. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectV1, type TestClient, textOf } from '../support/clients.ts'
import { type Everything, modernMain, startEverything, startModern } from '../support/everything.ts'
import {
  aPerson,
  everythingMain,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const directory = temporaryDirectory()
let gateway: GatewayProcess
let agent: string
let mina: ReturnType<typeof aPerson>
const atUrls: Everything[] = []

beforeAll(async () => {
  mkdirSync(join(directory, 'nworks'))
  const policy = join(directory, 'policy.yaml')
  writeFileSync(policy, 'default: allow\nrequire_approval: [logout, transfer, get-tiny-image]\n')
  const node = process.execPath
  const [old, newer, modern] = await Promise.all([startEverything('sse'), startEverything(), startModern()])
  atUrls.push(old, newer, modern)
  const env = { NWORKS_SAMPLE_HOME: join(directory, 'nworks') }
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      everything: { command: node, args: [everythingMain, 'stdio'], policy },
      nworks: { command: node, args: [sampleMain], env },
      modern: { command: node, args: [modernMain], policy },
      'everything-url': { url: newer.url, policy },
      'everything-sse': { url: old.url, policy },
      'modern-url': { url: modern.url, policy },
    },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})
afterAll(async () => {
  await gateway?.stop()
  await Promise.all(atUrls.map((server) => server.stop()))
  await database.drop()
})

const through = (server: string) => new URL(`${gateway.url}/mcp/${server}`)

/** Speaks 2026-07-28 and nothing else; says yes to whatever it is asked. */
async function modernClient(server: string) {
  const client = new Client(
    { name: 'modern', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  )
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept' as const,
    content: { name: 'Kim', check: true },
  }))
  client.setRequestHandler('sampling/createMessage', async () => ({
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'sampled' },
  }))
  client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///tmp', name: 'tmp' }] }))
  const requestInit = { headers: { authorization: `Bearer ${agent}` } }
  await client.connect(new StreamableHTTPClientTransport(through(server), { requestInit }))
  expect(client.getProtocolEra()).toBe('modern')
  return client
}

const legacyClient = (server: string): Promise<TestClient> => connectV1(through(server).href, agent)

describe('a modern client in front of a server that only knows the handshake', () => {
  test('uses nworks, and a critical call waits for a person', async () => {
    const client = await modernClient('nworks')
    // Its own, and the one to wait with.
    expect((await client.listTools()).tools).toHaveLength(27)
    expect(client.getServerVersion()?.name).toMatch(/works/i)
    const called = client.callTool({ name: 'nworks_logout', arguments: {} })
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(JSON.stringify((await called).content)).toMatch(/log/i)
    await client.close()
  })
})

describe.each(['everything', 'everything-url', 'everything-sse'])('a modern client of %s', (server) => {
  test('calls, with structured content, errors, progress and what the server asks back', async () => {
    const client = await modernClient(server)
    const call = async (name: string, args: Record<string, unknown> = {}) =>
      client.callTool({ name, arguments: args })
    expect((await call('echo', { message: '안녕 \u{1F510}' })).content).toEqual([
      { type: 'text', text: 'Echo: 안녕 \u{1F510}' },
    ])
    expect((await call('get-structured-content', { location: 'Chicago' })).structuredContent).toBeDefined()
    expect((await call('get-sum', { a: 'x' })).isError).toBe(true)
    expect(JSON.stringify(await call('trigger-elicitation-request'))).toContain('Kim')
    expect(JSON.stringify(await call('trigger-sampling-request', { prompt: 'p', maxTokens: 5 }))).toContain(
      'sampled',
    )
    expect(JSON.stringify(await call('get-roots-list'))).toContain('file:///tmp')
    const seen: number[] = []
    await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 0.4, steps: 4 } },
      { onprogress: ({ progress }) => seen.push(progress) },
    )
    expect(seen.slice(0, 3)).toEqual([1, 2, 3])
    const { resources } = await client.listResources()
    expect(resources.length).toBeGreaterThan(0)
    const [first] = resources
    expect((await client.readResource({ uri: first?.uri ?? '' })).contents).toHaveLength(1)
    await expect(client.readResource({ uri: 'demo://resource/none' })).rejects.toMatchObject({
      code: -32_602,
    })
    await client.close()
  })

  test('many requests of one client, at the same time, each get their own answer', async () => {
    const client = await modernClient(server)
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        client.callTool({ name: 'echo', arguments: { message: `m${index}` } }),
      ),
    )
    expect(answers.map(({ content }) => JSON.stringify(content))).toEqual(
      Array.from({ length: 40 }, (_, index) => JSON.stringify([{ type: 'text', text: `Echo: m${index}` }])),
    )
    await client.close()
  })

  test('an answer to a question is taken once, from whoever was asked, for the call that asked', async () => {
    const other = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
    }
    const ask = async (token: string, name: string, more: object = {}) => {
      const response = await fetch(through(server), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': name,
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 7,
          method: 'tools/call',
          params: { name, arguments: {}, ...more, _meta: meta },
        }),
      })
      const [last = '{}'] = (await response.text()).match(/\{.*\}/g)?.slice(-1) ?? []
      return JSON.parse(last)
    }
    const asked = await ask(agent, 'trigger-elicitation-request')
    expect(asked.result.resultType).toBe('input_required')
    const { requestState } = asked.result
    const answer = { requestState, inputResponses: { question: { action: 'decline' } } }
    const refused = { error: { code: -32_602, message: expect.stringContaining('requestState') } }
    expect(await ask(other, 'trigger-elicitation-request', answer)).toMatchObject(refused)
    expect(await ask(agent, 'echo', answer)).toMatchObject(refused)
    expect(
      await ask(agent, 'trigger-elicitation-request', { ...answer, requestState: `${requestState}x` }),
    ).toMatchObject(refused)
    expect(JSON.stringify(await ask(agent, 'trigger-elicitation-request', answer))).toMatch(/decline/i)
    expect(await ask(agent, 'trigger-elicitation-request', answer)).toMatchObject(refused)

    // A call that people approve cannot be the answer to a question of another one: it is not sent, and no words are invented.
    const { requestState: open } = (await ask(agent, 'trigger-elicitation-request')).result
    const called = ask(agent, 'get-tiny-image', { ...answer, requestState: open })
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(JSON.stringify(await called)).toContain('"outcome":"not_sent"')
  })
})

describe.each(['modern', 'modern-url'])('a legacy client of %s, which only knows 2026-07-28,', (server) => {
  test('shakes hands, lists, calls, and a critical call waits for a person', async () => {
    const client = await legacyClient(server)
    expect(JSON.stringify(await client.request('tools/list'))).not.toContain('resultType')
    const said = await client.call('echo', { message: '안녕' }, {}, { 'example.com/said': 'hello' })
    expect(said).toMatchObject({
      structuredContent: { message: '안녕' },
      _meta: { 'example.com/heard': 'hello' },
    })
    const called = client.call('logout')
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toBe('logged out')
    await client.close()
  })

  test('an approved call that is answered with a question is sent once: nobody has approved what would come next', async () => {
    const client = await legacyClient(server)
    const called = client.call('transfer')
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toContain('NOT DONE so far: the server asks for more input')
    expect(textOf(await client.call('transfers'))).toBe('1')
    await client.close()
  })

  test('is asked by the server, hears progress, logs and changes', async () => {
    const client = await legacyClient(server)
    expect(textOf(await client.call('ask'))).toBe('accept: {"name":"Kim","check":true} asked')
    await client.request('logging/setLevel', { level: 'info' })
    const seen: number[] = []
    await client.call('report', {}, { onProgress: ({ progress }) => seen.push(progress) })
    expect(seen.slice(0, 2)).toEqual([1, 2])
    await expect
      .poll(() => client.notifications.map(({ method }) => method))
      .toContain('notifications/message')
    await client.request('resources/subscribe', { uri: 'note://one' })
    await expect
      .poll(async () => {
        await client.call('change')
        return new Set(client.notifications.map(({ method }) => method))
      })
      .toEqual(
        new Set([
          'notifications/message',
          'notifications/tools/list_changed',
          'notifications/resources/updated',
        ]),
      )
    expect(JSON.stringify(client.notifications)).not.toContain('subscriptionId')
    await client.close()
  })

  test('cancels a call, and the server hears of it', async () => {
    const client = await legacyClient(server)
    const leaving = new AbortController()
    const said = () => (server === 'modern' ? gateway.output() : (atUrls[2]?.output() ?? ''))
    const refused = expect(client.call('slow', {}, { signal: leaving.signal })).rejects.toThrow()
    await expect.poll(said).toContain('slow has begun')
    leaving.abort()
    await refused
    await expect.poll(said).toContain('slow was cancelled')
    await client.close()
  })

  test('calls a tool that wants an argument in a header', async () => {
    const client = await legacyClient(server)
    // Without having listed it before.
    expect(textOf(await client.call('region', { region: '서울' }))).toBe('서울')
    await client.close()
  })

  test('a modern client uses the same server as it is', async () => {
    const client = await modernClient(server)
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('ask')
    expect(JSON.stringify(await client.callTool({ name: 'ask', arguments: {} }))).toContain('accept')
    await client.close()
  })
})
