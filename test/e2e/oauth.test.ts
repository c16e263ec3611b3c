/** Agents that sign in at somebody else's authorization server: found by what we say about ourselves, end to end with the SDK. */
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import { aPerson, type GatewayProcess, mintToken, startGateway } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type OAuthIssuer, startOAuthIssuer } from '../support/oauth-issuer.ts'
import { freshDatabase } from '../support/postgres.ts'

let issuer: OAuthIssuer
let upstream: HttpUpstream
let gateway: GatewayProcess
let database: Awaited<ReturnType<typeof freshDatabase>>
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  issuer = await startOAuthIssuer()
  upstream = await startHttpUpstream()
  database = await freshDatabase()
  const port = await freePort()
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      pay: { url: upstream.url.href, approvers: ['ops'], scopes: ['pay:call'], headers: { 'x-own': 'ours' } },
      other: { url: upstream.url.href, approvers: ['ops'] },
    },
    more: {
      people: { mina: {}, jun: { logins: ['jun@example.com'] } },
      oauth: { issuers: [{ issuer: issuer.url, scopes: ['mcp:call'] }] },
    },
    env: { PORT: String(port), HOLDPOINT_PUBLIC_URL: `http://127.0.0.1:${port}` },
  })
  const token = await mintToken(database.connectionString, gateway, 'person', 'mina')
  mina = aPerson(gateway.url, token)
})

afterAll(async () => {
  await gateway.stop()
  await Promise.all([upstream.close(), issuer.close(), database.drop()])
})

const at = (server: string) => `${gateway.url}/mcp/${server}`

function post(server: string, token: string | null, method = 'ping', params: object = {}, more: object = {}) {
  return fetch(at(server), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...more,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
}

/** The browser of a person who consents to whatever is asked. */
async function consent(url: URL): Promise<URLSearchParams> {
  const response = await fetch(url, { redirect: 'manual' })
  return new URL(response.headers.get('location') ?? '').searchParams
}

function aProvider() {
  const redirectUrl = 'http://127.0.0.1:1/callback'
  let information: OAuthClientInformationMixed | undefined
  let tokens: OAuthTokens | undefined
  let verifier = ''
  let asked: URL | undefined
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: { redirect_uris: [redirectUrl], client_name: 'e2e', token_endpoint_auth_method: 'none' },
    clientInformation: () => information,
    saveClientInformation(saved) {
      information = saved
    },
    tokens: () => tokens,
    saveTokens(saved) {
      tokens = saved
    },
    redirectToAuthorization(url) {
      asked = url
    },
    saveCodeVerifier(saved) {
      verifier = saved
    },
    codeVerifier: () => verifier,
  }
  return { provider, asked: () => asked, tokens: () => tokens }
}

test('the SDK finds the way from our refusal to a token, and its call runs after a person said yes', async () => {
  const { provider, asked, tokens } = aProvider()
  const url = new URL(at('pay'))
  const first = new StreamableHTTPClientTransport(url, { authProvider: provider })
  await expect(new Client({ name: 'e2e', version: '1' }).connect(first as Transport)).rejects.toThrow(
    UnauthorizedError,
  )
  const authorization = asked()
  expect(authorization?.origin).toBe(issuer.url)
  expect(authorization?.searchParams.get('resource')).toBe(url.href)
  expect(authorization?.searchParams.get('scope')?.split(' ').sort()).toEqual(['mcp:call', 'pay:call'])
  const answer = await consent(authorization ?? new URL('about:blank'))
  await first.finishAuth(answer.get('code') ?? '')

  const client = new Client({ name: 'e2e', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }) as Transport)
  const called = client.callTool({ name: 'create_refund', arguments: { paymentId: 'p', amountKrw: 1 } })
  const [id = ''] = await mina.waitForPending()
  const { approval } = await mina.show(id)
  expect(approval.requester.owner).toBe('jun')
  expect(approval.requester.name).toMatch(/^client-[\w-]+#/)
  await mina.decide(id, 'approve')
  expect(JSON.stringify(await called)).toContain('re_1')
  await client.close()

  // Never passed on: not in a header, not in a body, not in a part.
  const traffic = JSON.stringify(upstream.requests)
  const signature = tokens()?.access_token.split('.')[2] ?? 'none'
  expect(traffic).toContain('"x-own":"ours"')
  expect(traffic).not.toContain(signature)
  expect(traffic.toLowerCase()).not.toContain('bearer')
  expect(gateway.output()).not.toContain(signature)
})

test('what a refused client is told is what the specification asks for', async () => {
  const metadataUrl = `${gateway.url}/.well-known/oauth-protected-resource/mcp/pay`
  const none = await post('pay', null)
  expect([none.status, none.headers.get('www-authenticate')]).toEqual([
    401,
    `Bearer resource_metadata="${metadataUrl}", scope="mcp:call pay:call"`,
  ])
  // A gateway may read a list of tools to its end meanwhile; a ping is nobody's but an agent's.
  const pings = () => upstream.requests.filter(({ rpcMethod }) => rpcMethod === 'ping').length
  const before = pings()
  const other = await issuer.sign({ sub: 'jun@example.com', client_id: 'x', aud: 'https://other.example' })
  const wrong = await post('pay', other)
  expect(wrong.status).toBe(401)
  expect(wrong.headers.get('www-authenticate')).toMatch(
    new RegExp(
      `^Bearer error="invalid_token", error_description="[^"]+", resource_metadata="${metadataUrl}", scope="`,
    ),
  )
  const weak = await issuer.sign({
    sub: 'jun@example.com',
    client_id: 'x',
    aud: at('pay'),
    scope: 'mcp:call',
  })
  const lacking = await post('pay', weak)
  expect(lacking.status).toBe(403)
  expect(lacking.headers.get('www-authenticate')).toMatch(
    /^Bearer error="insufficient_scope".*scope="mcp:call pay:call"$/,
  )
  expect(pings()).toBe(before)
  const texts = await Promise.all([none, wrong, lacking].map(async (one) => one.text()))
  expect(new Set(texts).size).toBe(3)
})

test('the metadata of each server and of the gateway say where a token is to be had', async () => {
  const read = async (path: string) => {
    const response = await fetch(`${gateway.url}/.well-known/oauth-protected-resource${path}`)
    return [response.status, response.ok ? await response.json() : null]
  }
  expect(await read('/mcp/pay')).toEqual([
    200,
    {
      resource: at('pay'),
      authorization_servers: [issuer.url],
      scopes_supported: ['mcp:call', 'pay:call'],
      bearer_methods_supported: ['header'],
      resource_name: 'pay (behind Holdpoint)',
    },
  ])
  expect(await read('')).toMatchObject([200, { resource: gateway.url, scopes_supported: ['mcp:call'] }])
  expect(await read('/mcp/nothing')).toEqual([404, null])
  expect(await read('/elsewhere')).toEqual([404, null])
})

test('a token for one server is none for another, and none in a query', async () => {
  const claims = { sub: 'jun@example.com', client_id: 'x', scope: 'mcp:call pay:call' }
  const forPay = await issuer.sign({ ...claims, aud: at('pay') })
  // Past the door: what is missing now is a session.
  expect((await post('pay', forPay)).status).toBe(400)
  expect((await post('other', forPay)).status).toBe(401)
  expect((await fetch(`${at('pay')}?access_token=${forPay}`, { method: 'POST', body: '{}' })).status).toBe(
    401,
  )
})

test('sessions and outcomes of one principal are unknown to another, with a token as good', async () => {
  const claims = { sub: 'jun@example.com', scope: 'mcp:call', aud: gateway.url }
  const mine = await issuer.sign({ ...claims, client_id: 'mine' })
  const theirs = await issuer.sign({ ...claims, client_id: 'theirs' })
  const initialize = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'e', version: '1' },
  }
  const opened = await post('other', mine, 'initialize', initialize)
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
  expect((await post('other', mine, 'ping', {}, session)).status).toBe(200)
  const foreign = await post('other', theirs, 'ping', {}, session)
  const made = await post('other', theirs, 'ping', {}, { 'mcp-session-id': 'made-up' })
  expect([foreign.status, await foreign.text()]).toEqual([404, await made.text()])

  const client = await connectV1(at('other'), mine)
  const called = client.call('delete_repository', { owner: 'o', name: 'n' })
  const [id = ''] = await mina.waitForPending()
  const outcome = (token: string, ticket: string) =>
    fetch(`${gateway.url}/api/v1/calls/${ticket}`, { headers: { authorization: `Bearer ${token}` } })
  expect((await outcome(mine, id)).status).toBe(200)
  const [guessed, unknown] = [await outcome(theirs, id), await outcome(theirs, 'HP-0000000000')]
  expect([guessed.status, await guessed.text()]).toEqual([404, await unknown.text()])
  await mina.decide(id, 'reject')
  expect(textOf(await called)).toContain('NOT EXECUTED')
  await client.close()
})

test('an agent for whom nobody answers may do what needs no decision, and nothing else', async () => {
  const stranger = await issuer.sign({ sub: 'nobody', client_id: 'x', scope: 'mcp:call', aud: gateway.url })
  const client = await connectV1(at('other'), stranger)
  expect(await client.request('tools/list')).toHaveProperty('tools')
  const refused = await client.call('delete_repository', { owner: 'o', name: 'n' })
  expect(textOf(refused)).toMatch(/^NOT EXECUTED, and nobody was asked: .*not known which person answers/)
  expect(await mina.pending()).toEqual([])
  await client.close()
})
