/** 2026-07-28 in front of an HTTP upstream, and what a policy hides or forbids, with the real v2 client. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const directory = temporaryDirectory()
let upstream: HttpUpstream
let gateway: GatewayProcess
let agent: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  upstream = await startHttpUpstream()
  const policy = join(directory, 'pay.yaml')
  writeFileSync(
    policy,
    [
      'default: require_approval',
      'hide: [iserror]',
      'tools:',
      '  echo: { action: allow }',
      '  delete_repository: { action: deny, reason: Repositories are archived here. }',
    ].join('\n'),
  )
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      pay: { url: upstream.url.href, policy },
      nworks: {
        command: process.execPath,
        args: [sampleMain],
        env: { NWORKS_SAMPLE_HOME: join(directory, 'nworks') },
      },
    },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
  await database.drop()
})

type Negotiation = NonNullable<NonNullable<ConstructorParameters<typeof Client>[1]>['versionNegotiation']>

async function connect(server: string, mode: NonNullable<Negotiation['mode']>): Promise<Client> {
  const client = new Client({ name: 'modern', version: '1.0.0' }, { versionNegotiation: { mode } })
  const headers = { authorization: `Bearer ${agent}` }
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp/${server}`), { requestInit: { headers } }),
  )
  return client
}

test('a modern client lists, calls, and waits for an approval', async () => {
  const client = await connect('pay', { pin: '2026-07-28' })
  expect(client.getProtocolEra()).toBe('modern')
  const { tools } = await client.listTools()
  expect(tools.map((tool) => tool.name)).toContain('create_refund')
  expect((await client.callTool({ name: 'echo', arguments: { message: '안녕' } })).content).toEqual([
    { type: 'text', text: expect.stringContaining('안녕') },
  ])
  const called = client.callTool({ name: 'create_refund', arguments: { amount: 5, charge: 'ch_modern' } })
  const [id = ''] = await mina.waitForPending()
  await mina.decide(id, 'approve')
  expect(JSON.stringify(await called)).toContain('re_')
  const [sent] = upstream.callsOf('create_refund')
  expect(sent?.headers).toMatchObject({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'create_refund',
  })
  expect(upstream.executed.filter(({ tool }) => tool === 'create_refund')).toHaveLength(1)
  await client.close()
})

test.each([
  ['a modern client', () => connect('pay', { pin: '2026-07-28' })],
  ['a legacy client', () => connect('pay', 'legacy')],
])('%s does not see hidden tools, and is told why a call is forbidden', async (_what, open) => {
  const before = upstream.requests.length
  const client = await open()
  const { tools } = await client.listTools()
  expect(tools.map((tool) => tool.name)).not.toContain('iserror')
  const unknown = async (name: string) => {
    try {
      return await client.callTool({ name, arguments: {} })
    } catch (error) {
      return String(error).replaceAll(name, '<name>')
    }
  }
  expect(await unknown('iserror')).toEqual(await unknown('never_was_there'))
  const denied = await client.callTool({ name: 'delete_repository', arguments: { name: 'acme/shop' } })
  expect(denied.isError).toBe(true)
  expect(JSON.stringify(denied.content)).toMatch(/NOT EXECUTED.*Repositories are archived here/)
  expect(denied._meta?.['dev.holdpoint/approval']).toMatchObject({ status: 'denied', retry: 'never' })
  expect(upstream.requests.slice(before).filter(({ rpcMethod }) => rpcMethod === 'tools/call')).toEqual([])
  expect(await mina.pending()).toEqual([])
  await client.close()
})

test('without a token nobody passes, and a person is not an agent', async () => {
  const ask = (authorization: string | null) =>
    fetch(`${gateway.url}/mcp/pay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization === null ? {} : { authorization }) },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    })
  const person = await mintToken(database.connectionString, gateway, 'person', 'jun')
  for (const authorization of [null, 'Bearer', 'Bearer hpa_wrong', `Bearer ${person}`, `Basic ${agent}`]) {
    const response = await ask(authorization)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
  }
})

test('a big integer in an approved result arrives digit for digit', async () => {
  const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
  const called = client.call('big')
  const [id = ''] = await mina.waitForPending()
  await mina.decide(id, 'approve')
  expect(textOf(await called)).not.toContain('NOT EXECUTED')
  const response = await fetch(`${gateway.url}/api/v1/calls/${id}`, {
    headers: { authorization: `Bearer ${agent}` },
  })
  expect(await response.text()).toContain('9007199254740993')
  await client.close()
})

test('a URL that a client has made end in /mcp is the same server; an unknown one names those there are', async () => {
  const ask = (path: string) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${agent}` },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-06-18',
          capabilities: {},
          clientInfo: { name: 'inspector', version: '0' },
        },
      }),
    })
  expect((await ask('/mcp/nworks/mcp')).status).toBe(200)
  const unknown = await ask('/mcp/github')
  expect(unknown.status).toBe(404)
  expect(await unknown.text()).toContain('There are: pay, nworks')
})
