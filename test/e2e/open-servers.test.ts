/** A server that answers without credentials can be called past the gateway: that is noticed, told, and where it must not be, the gateway is not ready. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { probeWithoutCredentials } from '../../src/mcp/upstream/probe.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startSseServer } from '../support/sse-server.ts'

let upstream: HttpUpstream
let database: Awaited<ReturnType<typeof freshDatabase>>
beforeAll(async () => {
  upstream = await startHttpUpstream()
  database = await freshDatabase()
})
afterAll(async () => {
  await Promise.all([upstream.close(), database.drop()])
})
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** @param answer a status, by the JSON-RPC method that was asked; `null`: a result */
async function aServer(answer: (method: string) => number | null) {
  const asked: string[] = []
  const server = createServer((request, response) => void respond(request, response))
  async function respond(request: IncomingMessage, response: ServerResponse) {
    const body = await text(request)
    const { method } = body === '' ? request : JSON.parse(body)
    asked.push(method)
    const status = answer(method)
    const { id = null } = body === '' ? {} : JSON.parse(body)
    response.writeHead(status ?? 200, { 'content-type': 'application/json', 'mcp-session-id': 's' })
    response.end(
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        ...(status === null ? { result: {} } : { error: { code: -1, message: 'no' } }),
      }),
    )
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: new URL(`http://127.0.0.1:${address.port}/mcp`), asked }
}

test.each([
  ['that answers everybody', () => null, 'open', ['initialize', 'tools/list', 'DELETE']],
  ['that wants credentials for everything', () => 401, 'refuses', ['initialize']],
  [
    'that shakes hands with everybody and then asks',
    (method: string) => (method === 'tools/list' ? 403 : null),
    'refuses',
    ['initialize', 'tools/list', 'DELETE'],
  ],
  [
    'that speaks modern words alone',
    (method: string) => (method === 'initialize' ? 400 : null),
    'open',
    ['initialize', 'tools/list'],
  ],
  [
    'that speaks modern words alone, to those it knows',
    (method: string) => (method === 'initialize' ? 400 : 401),
    'refuses',
    ['initialize', 'tools/list'],
  ],
  ['that is broken', () => 500, 'unknown', ['initialize', 'tools/list', 'GET']],
  [
    'that speaks HTTP+SSE, to those it knows',
    (method: string) => (method === 'GET' ? 401 : 405),
    'refuses',
    ['initialize', 'tools/list', 'GET'],
  ],
] as const)('a server %s', async (_, answer, openness, methods) => {
  const { url, asked } = await aServer(answer)
  expect(await probeWithoutCredentials({ server: 'x', url, transport: 'auto' }, clock, silentLog)).toBe(
    openness,
  )
  await expect.poll(() => asked).toEqual(methods)
})

test.each([
  ['auto', 'open'],
  ['sse', 'open'],
  ['http', 'unknown'],
] as const)('a server that speaks HTTP+SSE and answers everybody, as %s: %s', async (transport, openness) => {
  const old = await startSseServer()
  const url = new URL(old.url)
  expect(await probeWithoutCredentials({ server: 'x', url, transport }, clock, silentLog)).toBe(openness)
  await expect.poll(() => old.streams().length, { timeout: 10_000 }).toBe(0)
  expect(old.executed).toEqual([])
  await old.close()
})

test('a server that is not there', async () => {
  const url = new URL(`http://127.0.0.1:${await freePort()}/mcp`)
  expect(await probeWithoutCredentials({ server: 'x', url, transport: 'auto' }, clock, silentLog)).toBe(
    'unknown',
  )
})

test('a gateway is not ready while a server that has to refuse does not, and says what of it', async () => {
  const closed = await aServer(() => 401)
  const gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      open: { url: upstream.url.href, require_auth: true },
      closed: { url: closed.url.href, require_auth: true },
      told: { url: upstream.url.href, headers: { authorization: 'Bearer x' } },
      bare: { url: upstream.url.href },
    },
  })
  const ready = async () => (await fetch(`${gateway.url}/readyz`)).json()
  await expect.poll(ready).toMatchObject({
    ready: false,
    missing: [
      {
        name: 'require_auth',
        missing: expect.stringMatching(/^open answers without credentials[^;]*;[^;]*$/),
      },
    ],
    impaired: [{ name: 'open_servers', missing: expect.stringMatching(/told answers without credentials/) }],
  })
  await expect.poll(gateway.output).toContain('can call it past the gateway')
  await expect.poll(gateway.output).toContain('gets no credentials from the gateway')
  expect(upstream.executed).toEqual([])
  expect(await gateway.stop()).toBe(0)
})
