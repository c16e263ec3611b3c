/** Fetching what others point at: only the public internet, what the configuration names, and nothing by a detour. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { isPublicAddress, isWithin } from '../../src/auth/outbound/address.ts'
import {
  ANSWER_BYTES_MAX,
  createGuardedFetch,
  type GuardedFetchOptions,
  type Lookup,
} from '../../src/auth/outbound/guarded-fetch.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function serve(listener: (request: IncomingMessage, response: ServerResponse) => unknown) {
  let hits = 0
  const server = createServer((request, response) => {
    hits += 1
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, url: new URL(`http://127.0.0.1:${address.port}/`), hits: () => hits }
}

const guarded = (options: Partial<GuardedFetchOptions> = {}) =>
  createGuardedFetch({ privateNetworks: [], named: [], ...options })

/** A resolver that answers with the next of these each time it is asked. */
function resolver(...answers: string[][]) {
  let asked = 0
  const lookup: Lookup = (_name, _options, done) => {
    const addresses = answers[Math.min(asked, answers.length - 1)] ?? []
    asked += 1
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return { lookup, asked: () => asked }
}

describe('addresses', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700::1111',
    '2001:4860:4860::8888',
    '::ffff:8.8.8.8',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true))

  test.each([
    ['0.0.0.0', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['169.254.169.254', 'metadata of a cloud'],
    ['169.254.0.1', 'link-local'],
    ['100.64.0.1', 'carrier-grade NAT'],
    ['100.100.100.200', 'metadata of another cloud'],
    ['192.0.0.192', 'metadata of a third'],
    ['192.0.2.1', 'documentation'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['198.18.0.1', 'benchmarking'],
    ['192.88.99.1', '6to4 relays'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::7f00:1', 'IPv4-compatible'],
    ['::ffff:127.0.0.1', 'IPv4-mapped'],
    ['::ffff:169.254.169.254', 'IPv4-mapped'],
    ['::ffff:a9fe:a9fe', 'IPv4-mapped in hexadecimal'],
    ['::ffff:0:169.254.169.254', 'IPv4-translated'],
    ['64:ff9b::169.254.169.254', 'NAT64'],
    ['64:ff9b:1::a9fe:a9fe', 'NAT64 of a network of its own'],
    ['2002:a9fe:a9fe::1', '6to4'],
    ['2001:0:a9fe:a9fe::1', 'Teredo'],
    ['fec0::1', 'site-local'],
    ['fe80::1', 'link-local'],
    ['fd00:ec2::254', 'unique local, metadata of a cloud'],
    ['fc00::1', 'unique local'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['3fff::1', 'documentation'],
    ['100::1', 'discarded'],
    ['4000::1', 'not allotted'],
    ['not an address', 'nothing'],
  ])('%s is not (%s)', (address) => expect(isPublicAddress(address)).toBe(false))

  test('a network holds its addresses, also in another spelling', () => {
    expect(isWithin('10.20.3.4', ['10.20.0.0/16'])).toBe(true)
    expect(isWithin('::ffff:10.20.3.4', ['10.20.0.0/16'])).toBe(true)
    expect(isWithin('10.21.3.4', ['10.20.0.0/16', 'fd00::/8'])).toBe(false)
    expect(isWithin('fd12::1', ['10.20.0.0/16', 'fd00::/8'])).toBe(true)
  })
})

describe('fetching', () => {
  // WHATWG URLs give decimal, octal and hexadecimal forms back as the address that they are.
  test.each([
    'https://169.254.169.254/latest/meta-data/',
    'https://2852039166/',
    'https://0251.0376.0251.0376/',
    'https://0xa9fea9fe/',
    'https://127.1/',
    'https://[::1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://[2002:a9fe:a9fe::]/',
    'https://[fec0::1]/',
  ])('%s is refused', async (url) => {
    await expect(guarded()(url)).rejects.toThrow('not on the public internet')
  })

  test.each(['http://example.com/', 'ftp://example.com/', 'file:///etc/passwd', 'gopher://example.com/'])(
    '%s is not https',
    async (url) => {
      await expect(guarded({ lookup: resolver(['93.184.216.34']).lookup })(url)).rejects.toThrow(
        'not reached by https',
      )
    },
  )

  test('credentials in an address are refused', async () => {
    await expect(guarded()('https://user:secret@example.com/')).rejects.toThrow('carries credentials')
  })

  test('a name that leads inside is refused, also if only one of its addresses does', async () => {
    const server = await serve((_request, response) => response.end('secret'))
    const one = resolver(['127.0.0.1'])
    await expect(guarded({ lookup: one.lookup })(`https://inside.test:${server.port}/`)).rejects.toThrow(
      'leads to 127.0.0.1',
    )
    const two = resolver(['93.184.216.34', '10.0.0.1'])
    await expect(guarded({ lookup: two.lookup })('https://mixed.test/')).rejects.toThrow('leads to 10.0.0.1')
    expect(server.hits()).toBe(0)
  })

  test('a name that changes its mind is asked once for each connection, and its answer is the one connected to', async () => {
    const server = await serve((_request, response) => response.end('inside'))
    // First an allowed network that leads to a server here, then something that must never be reached.
    const rebinding = resolver(['127.0.0.1'], ['169.254.169.254'])
    const fetch = guarded({ lookup: rebinding.lookup, privateNetworks: ['127.0.0.0/8'], named: [] })
    // By https, so that the connection is made; that no certificate comes back is what the attempt ends with.
    await expect(fetch(`https://rebinding.test:${server.port}/`)).rejects.toThrow('cannot be fetched')
    expect(rebinding.asked()).toBe(1)
    await expect(fetch(`https://rebinding.test:${server.port}/`)).rejects.toThrow('leads to 169.254.169.254')
    expect(rebinding.asked()).toBe(2)
  })

  test('an address of the configuration is meant, but only on its own port, and never by way of a name', async () => {
    const server = await serve((_request, response) => response.end('named'))
    const other = await serve((_request, response) => response.end('other'))
    const fetch = guarded({ named: [server.url] })
    expect(await (await fetch(server.url)).text()).toBe('named')
    await expect(fetch(other.url)).rejects.toThrow('not reached by https')
    await expect(fetch(`https://127.0.0.1:${other.port}/`)).rejects.toThrow('not on the public internet')
    const byName = guarded({
      named: [new URL('https://idp.example.com/')],
      lookup: resolver(['169.254.169.254']).lookup,
    })
    await expect(byName('https://idp.example.com/jwks')).rejects.toThrow('leads to 169.254.169.254')
    expect(other.hits()).toBe(0)
  })

  test('a network that the configuration names is reached', async () => {
    const server = await serve((_request, response) => response.end('corporate'))
    expect(await (await guarded({ privateNetworks: ['127.0.0.0/8'] })(server.url)).text()).toBe('corporate')
  })

  test('no redirect is followed', async () => {
    const inside = await serve((_request, response) => response.end('secret'))
    for (const target of ['http://169.254.169.254/latest/', inside.url.href, '/elsewhere']) {
      const server = await serve((_request, response) => response.writeHead(302, { location: target }).end())
      await expect(guarded({ named: [server.url] })(server.url)).rejects.toThrow('redirects to')
      expect(server.hits()).toBe(1)
    }
    expect(inside.hits()).toBe(0)
  })

  test('an endless answer is not read to its end', async () => {
    const server = await serve((_request, response) => {
      const piece = Buffer.alloc(64 * 1024, 'x')
      const more = () => {
        while (response.writable && response.write(piece));
        response.once('drain', more)
      }
      more()
    })
    await expect(guarded({ named: [server.url] })(server.url)).rejects.toThrow(
      `more than ${ANSWER_BYTES_MAX} bytes`,
    )
  })

  test('forms and headers arrive, status and body come back', async () => {
    const server = await serve(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ body, type: request.headers['content-type'], auth: request.headers.authorization }),
      )
    })
    const answer = await guarded({ named: [server.url] })(server.url, {
      method: 'POST',
      headers: { authorization: 'Basic eDp5' },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({
      body: 'grant_type=client_credentials',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      auth: 'Basic eDp5',
    })
  })
})
