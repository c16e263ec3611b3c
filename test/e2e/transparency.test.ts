/** Allowed traffic is the same with the gateway between as without it: real clients, real servers, HTTP and stdio. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectStdio, connectV1, connectV2, type TestClient } from '../support/clients.ts'
import { type Everything, startEverything } from '../support/everything.ts'
import {
  everythingMain,
  filesystemMain,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const directory = temporaryDirectory()
const files = join(directory, 'files')
const allowAll = join(directory, 'allow.json')
const sampleHome = join(directory, 'nworks')
let everything: Everything
let gateway: GatewayProcess
let token: string

beforeAll(async () => {
  mkdirSync(files)
  writeFileSync(join(files, 'hello.txt'), '안녕하세요\n')
  writeFileSync(allowAll, JSON.stringify({ version: '1', default: 'allow' }))
  everything = await startEverything()
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      http: { url: everything.url, policy: allowAll },
      stdio: { command: process.execPath, args: [everythingMain, 'stdio'], policy: allowAll },
      files: { command: process.execPath, args: [filesystemMain, files], policy: allowAll },
      nworks: {
        command: process.execPath,
        args: [sampleMain],
        env: { NWORKS_SAMPLE_HOME: sampleHome },
        policy: allowAll,
      },
    },
  })
  token = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
})
afterAll(async () => {
  await gateway?.stop()
  await everything?.stop()
  await database.drop()
})

type Step = readonly [string, (client: TestClient) => Promise<unknown>]

const everythingSteps: readonly Step[] = [
  ['tools/list', (client) => client.request('tools/list')],
  ['echo', (client) => client.call('echo', { message: '한국어 \u{1F510} "quotes" \\ \n' })],
  ['sum', (client) => client.call('get-sum', { a: 0.1, b: 9007199254740991 })],
  ['structured content', (client) => client.call('get-structured-content', { location: 'Chicago' })],
  [
    'annotations and an image',
    (client) => client.call('get-annotated-message', { messageType: 'error', includeImage: true }),
  ],
  ['resource links', (client) => client.call('get-resource-links', { count: 3 })],
  ['invalid arguments', (client) => client.call('get-sum', { a: 'x' })],
  ['sampling', (client) => client.call('trigger-sampling-request', { prompt: 'p', maxTokens: 5 })],
  ['elicitation', (client) => client.call('trigger-elicitation-request')],
  ['roots', (client) => client.call('get-roots-list')],
  ['resources/list', (client) => client.request('resources/list')],
  [
    'resources/read',
    (client) => client.request('resources/read', { uri: 'demo://resource/static/document/features.md' }),
  ],
  ['prompts/list', (client) => client.request('prompts/list')],
  ['prompts/get', (client) => client.request('prompts/get', { name: 'simple-prompt' })],
  [
    'progress',
    async (client) => {
      const seen: unknown[] = []
      const result = await client.call(
        'trigger-long-running-operation',
        { duration: 0.4, steps: 4 },
        { onProgress: (p) => seen.push(p) },
      )
      // The last report may arrive in the same instant as the result, which SDK clients then drop.
      return { result, seen: seen.slice(0, 3) }
    },
  ],
]

const v1Steps: readonly Step[] = [
  ['ping', (client) => client.request('ping')],
  ['resources/templates/list', (client) => client.request('resources/templates/list')],
  [
    'completion',
    (client) =>
      client.request('completion/complete', {
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'department', value: 'E' },
      }),
  ],
  ['subscribe', (client) => client.request('resources/subscribe', { uri: 'demo://resource/dynamic/text/1' })],
  ['logging', (client) => client.request('logging/setLevel', { level: 'debug' })],
]

/** Runs every step; an error is part of the transcript. Times and ids that differ between any two runs are replaced. */
async function transcript(client: TestClient, steps: readonly Step[]) {
  const lines: Record<string, unknown> = {}
  for (const [name, step] of steps) {
    try {
      lines[name] = await step(client)
    } catch (error) {
      lines[name] = error instanceof Error ? { error: error.message } : error
    }
  }
  await client.close()
  return JSON.parse(JSON.stringify(lines).replaceAll(/\d{1,2}:\d{2}:\d{2}[^"\\]*/g, '<time>'))
}

const everythingStdio = () => connectStdio(process.execPath, [everythingMain, 'stdio'])
const through = (server: string) => `${gateway.url}/mcp/${server}`

describe('server-everything', () => {
  test('over HTTP, with the v1 client', async () => {
    const steps = [...everythingSteps, ...v1Steps]
    const direct = await transcript(await connectV1(everything.url), steps)
    expect(direct['structured content']).toMatchObject({ structuredContent: {} })
    expect(await transcript(await connectV1(through('http'), token), steps)).toEqual(direct)
  })

  test('over HTTP, with the v2 client in legacy mode', async () => {
    const direct = await transcript(await connectV2(everything.url), everythingSteps)
    expect(await transcript(await connectV2(through('http'), token), everythingSteps)).toEqual(direct)
  })

  test('over stdio, with the v1 client', async () => {
    const steps = [...everythingSteps, ...v1Steps]
    const direct = await transcript(await everythingStdio(), steps)
    expect(await transcript(await connectV1(through('stdio'), token), steps)).toEqual(direct)
  })

  test('over stdio, with the v2 client in legacy mode', async () => {
    const direct = await transcript(await connectV2(everything.url), everythingSteps)
    expect(await transcript(await connectV2(through('stdio'), token), everythingSteps)).toEqual(direct)
  })
})

test('server-filesystem', async () => {
  const steps: readonly Step[] = [
    ['tools/list', (client) => client.request('tools/list')],
    ['read', (client) => client.call('read_text_file', { path: join(files, 'hello.txt') })],
    ['outside', (client) => client.call('read_text_file', { path: '/etc/passwd' })],
    ['list', (client) => client.call('list_directory', { path: files })],
  ]
  const direct = await transcript(await connectStdio(process.execPath, [filesystemMain, files]), steps)
  expect(JSON.stringify(direct.read)).toContain('안녕하세요')
  expect(await transcript(await connectV1(through('files'), token), steps)).toEqual(direct)
  expect(await transcript(await connectV2(through('files'), token), steps)).toEqual(direct)
})

test('the sample', async () => {
  const steps: readonly Step[] = [
    ['tools/list', (client) => client.request('tools/list')],
    ['whoami', (client) => client.call('nworks_whoami')],
    ['drive', (client) => client.call('nworks_drive_list')],
  ]
  const env = { NWORKS_SAMPLE_HOME: sampleHome }
  const direct = await transcript(await connectStdio(process.execPath, [sampleMain], env), steps)
  expect(await transcript(await connectV1(through('nworks'), token), steps)).toEqual(direct)
})

test('a session belongs to the principal that opened it', async () => {
  const mine = await connectV1(through('http'), token)
  const other = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
  const ask = (bearer: string, session: string) =>
    fetch(through('http'), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${bearer}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': session,
        'mcp-protocol-version': '2025-11-25',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    })
  await expect.poll(async () => (await ask(token, mine.sessionId ?? '')).status).toBe(200)
  const stolen = await ask(other, mine.sessionId ?? '')
  const unknown = await ask(other, 'no-such-session')
  expect([stolen.status, await stolen.text()]).toEqual([unknown.status, await unknown.text()])
  expect(stolen.status).toBe(404)
  await mine.close()
})
