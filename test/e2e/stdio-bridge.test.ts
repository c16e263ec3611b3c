/** `holdpoint stdio <server>` between real clients that start commands and a real gateway: nothing changes on the way, and no paused call is lost. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectStdio, type TestClient, textOf } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import {
  aPerson,
  atExit,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
let upstream: HttpUpstream
let gateway: GatewayProcess
let options: GatewayOptions
let database: Awaited<ReturnType<typeof freshDatabase>>
let agent: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  upstream = await startHttpUpstream()
  database = await freshDatabase()
  const directory = temporaryDirectory()
  const policy = join(directory, 'pay.yaml')
  const passing = ['echo', 'big', 'ask', 'slow', 'fail'].map((name) => `  ${name}: { action: allow }`)
  writeFileSync(policy, ['default: require_approval', 'tools:', ...passing].join('\n'))
  options = {
    databaseUrl: database.connectionString,
    servers: {
      pay: { url: upstream.url.href, policy, approvers: ['ops'] },
      nworks: {
        command: process.execPath,
        args: [sampleMain],
        env: { NWORKS_SAMPLE_HOME: join(directory, 'nworks') },
        approvers: ['ops'],
      },
    },
    timings: { progress: '500ms' },
    env: { PORT: String(await freePort()) },
  }
  gateway = await startGateway(options)
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([upstream.close(), database.drop()])
})

const envOf = (token: string) => ({
  PATH: process.env.PATH ?? '',
  HOLDPOINT_URL: gateway.url,
  HOLDPOINT_AGENT_TOKEN: token,
})
const connect = (server: string, token = agent) =>
  connectStdio(process.execPath, [cli, 'stdio', server], envOf(token))

/** A client of raw lines. */
function aRawClient(server: string, token = agent) {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [cli, 'stdio', server], {
    env: envOf(token),
  })
  atExit.push(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code]) => code)
  const lines: string[] = []
  let errors = ''
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const line = async (fits: (line: string) => boolean) => {
    await expect.poll(() => lines.some(fits)).toBe(true)
    return lines.find(fits) ?? ''
  }
  return {
    child,
    ended,
    lines,
    errors: () => errors,
    say: (text: string) => child.stdin.write(`${text}\n`),
    line,
    async open() {
      child.stdin.write(
        '{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"raw","version":"1"}}}\n',
      )
      await line((text) => text.includes('"init"'))
      child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    },
  }
}

/** A call of which the bridge knows that it is held: its connection may break from then on. */
async function heldCall(client: TestClient, tool: string, args: Record<string, unknown> = {}) {
  let told = 0
  const called = client.call(tool, args, { onProgress: () => told++ })
  const [id = ''] = await mina.waitForPending()
  // What comes to the client came through the bridge, after the sign that the call is held.
  await expect.poll(() => told).toBeGreaterThan(0)
  return { id, called }
}

test('a legacy client lists, calls, answers the server’s questions, hears progress, and waits for a person', async () => {
  const client = await connect('pay')
  expect(JSON.stringify(await client.request('tools/list'))).toContain('create_refund')
  expect(textOf(await client.call('echo', { message: '안녕' }))).toContain('안녕')
  expect(textOf(await client.call('ask'))).toContain('Kim')
  const heard: number[] = []
  await client.call('slow', { delayMs: 300 }, { onProgress: ({ progress }) => heard.push(progress) })
  // The SDK of this client loses a last progress that arrives together with the result.
  expect(heard.slice(0, 2)).toEqual([1, 2])
  const called = client.call('create_refund', { paymentId: 'p', amountKrw: 1 })
  const [id = ''] = await mina.waitForPending()
  expect((await mina.show(id)).approval.client).toContain('e2e')
  await mina.decide(id, 'approve')
  expect(textOf(await called)).toContain('re_1')
  await expect(client.call('fail')).rejects.toThrow('told to fail')
  upstream.redefine('echo', 'Answers otherwise.')
  await expect
    .poll(() => client.notifications.map(({ method }) => method))
    .toContain('notifications/tools/list_changed')
  await client.close()
})

test('ids, integers and unknown fields keep their bytes in both directions', async () => {
  const client = aRawClient('pay')
  await client.open()
  client.say('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"big","arguments":{}}}')
  client.say(
    '{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"echo","arguments":{"message":"text id"}}}',
  )
  const big = await client.line((line) => line.includes('"id":1,'))
  expect(big).toContain('"exact":9007199254740993,"ratio":1.0')
  expect(big).toContain('"x-unknown":{"kept":[1,null]}')
  expect(await client.line((line) => line.includes('"id":"1"'))).toContain('text id')
  // What is no message gets the answer that JSON-RPC has for it, and the bridge goes on.
  client.say('not json')
  client.say('[]')
  expect(JSON.parse(await client.line((line) => line.includes('-32700')))).toMatchObject({ id: null })
  await client.line((line) => line.includes('-32600'))
  client.say('{"jsonrpc":"2.0","id":2,"method":"ping"}')
  expect(await client.line((line) => line.includes('"id":2'))).toBe('{"jsonrpc":"2.0","id":2,"result":{}}')
  client.child.stdin.end()
  expect(await client.ended).toBe(0)
})

test('a client of 2026-07-28 is spoken to in its own words', async () => {
  const client = new Client(
    { name: 'modern', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [cli, 'stdio', 'pay'], env: envOf(agent) }),
  )
  expect(client.getProtocolEra()).toBe('modern')
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('create_refund')
  const called = client.callTool({ name: 'delete_repository', arguments: { owner: 'o', name: '저장소' } })
  const [id = ''] = await mina.waitForPending()
  await mina.decide(id, 'approve')
  expect(JSON.stringify(await called)).toContain('deleted o/저장소')
  await client.close()
})

test('a call that is held while the gateway crashes gets its result from the next one, once', async () => {
  const client = await connect('pay')
  const before = upstream.callsOf('create_refund').length
  const { id, called } = await heldCall(client, 'create_refund', { paymentId: 'crash', amountKrw: 2 })
  await gateway.kill()
  gateway = await startGateway({ ...options, dataDir: gateway.dataDir })
  await mina.decide(id, 'approve')
  expect(textOf(await called)).toContain('re_')
  expect(upstream.callsOf('create_refund').length).toBe(before + 1)
  // The session lives on as well.
  expect(textOf(await client.call('echo', { message: 'still here' }))).toContain('still here')
  await client.close()
})

test('a server on stdio is opened anew after a crash, unseen by the client', async () => {
  const client = await connect('nworks')
  expect(JSON.stringify(await client.request('tools/list'))).toContain('nworks_logout')
  const { id, called } = await heldCall(client, 'nworks_logout')
  await gateway.kill()
  gateway = await startGateway({ ...options, dataDir: gateway.dataDir })
  await mina.decide(id, 'approve')
  expect(textOf(await called)).toContain('logged out')
  expect(JSON.stringify(await client.request('tools/list'))).toContain('nworks_logout')
  await client.close()
})

test('a client that cancels is not answered, and the next request is', async () => {
  const client = aRawClient('pay')
  await client.open()
  client.say('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"iserror","arguments":{}}}')
  const [id = ''] = await mina.waitForPending()
  client.say('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}')
  client.say('{"jsonrpc":"2.0","id":8,"method":"ping"}')
  await client.line((line) => line.includes('"id":8'))
  await mina.decide(id, 'reject')
  expect(client.lines.filter((line) => line.includes('"id":7'))).toEqual([])
  client.child.stdin.end()
  expect(await client.ended).toBe(0)
})

test('a client that closes its end while a call waits leaves nothing behind', async () => {
  const client = aRawClient('pay')
  await client.open()
  client.say('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"iserror","arguments":{"a":1}}}')
  const [id = ''] = await mina.waitForPending()
  client.child.stdin.end()
  expect(await client.ended).toBe(0)
  expect((await mina.show(id)).approval.status).toBe('pending')
  await mina.decide(id, 'reject')
})

test('who is not let in is told why, on the protocol and on standard error', async () => {
  const client = aRawClient('pay', 'hpa_wrong')
  client.say('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}')
  expect(JSON.parse(await client.line(() => true))).toMatchObject({
    id: 1,
    error: { message: expect.stringContaining('unknown or revoked') },
  })
  await expect.poll(client.errors).toContain('did not let us in')
  client.child.stdin.end()
  await client.ended
  const nowhere = spawn(process.execPath, [cli, 'stdio', '../etc'], { env: envOf(agent) })
  expect((await once(nowhere, 'exit'))[0]).toBe(2)
})
