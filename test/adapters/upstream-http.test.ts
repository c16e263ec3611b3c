/** An upstream at a URL, against servers that misbehave on purpose: every fault says truthfully whether anything was sent. */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { type Upstream, UpstreamFault, type WireRequest } from '../../src/mcp/upstream/wire.ts'
import { agent } from '../support/builders.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Counts what an upstream can see: connections and requests. */
async function listening(server: Server): Promise<{ url: string; connections: () => number }> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/mcp`, connections: () => sockets.size }
}

async function http(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const received: IncomingMessage[] = []
  const server = await listening(
    createHttpServer((request, response) => {
      received.push(request)
      handle(request, response)
    }),
  )
  return { ...server, received }
}

function upstreamAt(url: string, headers: Record<string, string> = {}): Upstream {
  const upstream = createHttpUpstream({ server: 'test', url, headers, credentials: null, log })
  closers.push(() => upstream.close())
  return upstream
}

function aRequest(overrides: Partial<WireRequest> = {}): WireRequest {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    principal: agent,
    signal: new AbortController().signal,
    freshConnection: false,
    mayStart: () => true,
    ...overrides,
  }
}

async function faultOf(promise: Promise<unknown>): Promise<UpstreamFault> {
  const error: unknown = await promise.then(
    () => new Error('nothing failed'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof UpstreamFault)) throw error
  return error
}

const textOf = async (body: ReadableStream<Uint8Array> | null) => new Response(body).text()

describe('an exchange', () => {
  test('passes bytes and headers as they are, both ways', async () => {
    const raw = '{"id":9007199254740993,"result":{"x":1.0}}'
    let body = ''
    const { url, received } = await http((request, response) => {
      request.on('data', (chunk) => {
        body += String(chunk)
      })
      request.on('end', () => response.setHeader('Mcp-Session-Id', 'abc').end(raw))
    })
    const sent = '{"id":9007199254740993,"method":"x","params":{"a":"\\u00e9"}}'
    const response = await upstreamAt(`${url}?team=1`, { 'X-Key': 'k' }).exchange(aRequest({ body: sent }))
    expect(await textOf(response.body)).toBe(raw)
    expect(response.headers['mcp-session-id']).toBe('abc')
    expect(body).toBe(sent)
    expect(received[0]?.url).toBe('/mcp?team=1')
    expect(received[0]?.headers).toMatchObject({ 'x-key': 'k', 'accept-encoding': 'identity' })
  })

  test('a body that is not allowed to exist is none', async () => {
    const { url } = await http((_request, response) => response.writeHead(204).end())
    expect((await upstreamAt(url).exchange(aRequest())).body).toBe(null)
  })

  test('an allowed call reuses a connection, an approved one never does', async () => {
    const { url, received } = await http((_request, response) => response.end('{}'))
    const upstream = upstreamAt(url)
    for (const freshConnection of [false, false, true, true, false]) {
      await textOf((await upstream.exchange(aRequest({ freshConnection }))).body)
    }
    const [first, second, third, fourth, fifth] = received.map(({ socket }) => socket)
    expect(received).toHaveLength(5)
    expect(new Set([first, second, fifth]).size).toBeLessThan(3)
    expect(new Set([first, third, fourth]).size).toBe(3)
    expect(received.filter(({ headers }) => headers.connection === 'close')).toHaveLength(2)
  })

  test('a redirect is not followed', async () => {
    const { url, received } = await http((_request, response) =>
      response.writeHead(307, { location: 'http://127.0.0.1:9/elsewhere' }).end(),
    )
    const fault = await faultOf(upstreamAt(url).exchange(aRequest({ freshConnection: true })))
    expect(fault.message).toContain('elsewhere')
    expect(fault.isSent).toBe(true)
    expect(received).toHaveLength(1)
  })

  test('a requester who leaves ends the request at the upstream', async () => {
    let closed: Promise<unknown> = Promise.resolve()
    const { url } = await http((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hi\n\n')
      closed = once(response, 'close')
    })
    const leaving = new AbortController()
    const response = await upstreamAt(url).exchange(aRequest({ signal: leaving.signal }))
    leaving.abort()
    await expect(textOf(response.body)).rejects.toThrow('left')
    await closed
  })

  test('a reader who is slow holds the upstream back', async () => {
    const size = 64 * 1024 * 1024
    let written = 0
    const { url } = await http((_request, response) => {
      const chunk = Buffer.alloc(1024 * 1024)
      function more() {
        while (written < size) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    const { body } = await upstreamAt(url).exchange(aRequest())
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(written).toBeLessThan(size / 2)
    let read = 0
    if (body !== null) for await (const chunk of body) read += chunk.byteLength
    expect(read).toBe(size)
  })
})

describe.each([false, true])('faults, on a connection of its own: %s', (freshConnection) => {
  test('a refused connection proves that nothing was sent', async () => {
    const { url } = await listening(createTcpServer())
    await closers.pop()?.()
    const fault = await faultOf(upstreamAt(url).exchange(aRequest({ freshConnection })))
    expect(fault.isSent).toBe(false)
    expect(fault.message).toContain('ECONNREFUSED')
  })

  test('so does a name that nobody has', async () => {
    const fault = await faultOf(
      upstreamAt('http://nobody.invalid/mcp').exchange(aRequest({ freshConnection })),
    )
    expect(fault.isSent).toBe(false)
  })

  test('so does a TLS handshake that fails', async () => {
    const { url } = await http((_request, response) => response.end())
    const fault = await faultOf(
      upstreamAt(url.replace('http:', 'https:')).exchange(aRequest({ freshConnection })),
    )
    expect(fault.isSent).toBe(false)
  })

  test('so does a header that HTTP cannot carry', async () => {
    const { url, received } = await http((_request, response) => response.end())
    const headers = { 'mcp-name': 'a\r\nb: c' }
    const fault = await faultOf(upstreamAt(url).exchange(aRequest({ freshConnection, headers })))
    expect(fault.isSent).toBe(false)
    expect(received).toHaveLength(0)
  })

  test('so does a requester who left before', async () => {
    const { url, received } = await http((_request, response) => response.end())
    const fault = await faultOf(
      upstreamAt(url).exchange(aRequest({ freshConnection, signal: AbortSignal.abort() })),
    )
    expect(fault.isSent).toBe(false)
    expect(received).toHaveLength(0)
  })

  test('a reset before the answer leaves it open, and nothing is sent again', async () => {
    const { url, connections } = await listening(
      createTcpServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.resetAndDestroy())
      }),
    )
    const fault = await faultOf(upstreamAt(url).exchange(aRequest({ freshConnection })))
    expect(fault.isSent).toBe(true)
    expect(connections()).toBe(1)
  })

  test('a connection that is closed as soon as it is accepted is never called unsent after a byte went out', async () => {
    const { url } = await listening(createTcpServer((socket) => socket.end()))
    const fault = await faultOf(upstreamAt(url).exchange(aRequest({ freshConnection })))
    expect(fault.isSent).toBe(true)
  })

  test('an answer that breaks off breaks the body', async () => {
    const { url, received } = await http((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"jsonrpc"')
      setTimeout(() => response.destroy(), 20)
    })
    const response = await upstreamAt(url).exchange(aRequest({ freshConnection }))
    await expect(textOf(response.body)).rejects.toThrow('broke off')
    expect(received).toHaveLength(1)
  })
})
