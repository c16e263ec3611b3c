/** The gateway's own credentials at a server: as itself, and as the person whose account it uses. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createGuardedFetch } from '../../src/auth/outbound/guarded-fetch.ts'
import { createAccounts, type RunningAccounts } from '../../src/auth/upstream/accounts.ts'
import { createClientCredentials } from '../../src/auth/upstream/client-credentials.ts'
import type { UpstreamOAuth } from '../../src/auth/upstream/grant.ts'
import { createVault } from '../../src/auth/upstream/vault.ts'
import { unknownOwner } from '../../src/domain/principal.ts'
import { createHttpUpstream } from '../../src/mcp/upstream/http.ts'
import { UpstreamFault, type WireRequest } from '../../src/mcp/upstream/wire.ts'
import type { UpstreamCredentials } from '../../src/ports/upstream-credentials.ts'
import { agent } from '../support/builders.ts'
import { memoryAccounts } from '../support/memory-accounts.ts'
import { type OAuthIssuer, startOAuthIssuer } from '../support/oauth-issuer.ts'

const redirectUrl = 'http://127.0.0.1:8484/oauth/callback'
const logged: string[] = []
const log = (fields: object, message: string) => {
  logged.push(`${message} ${JSON.stringify(fields)}`)
}
const allLog = { debug: log, info: log, warn: log, error: log }

let issuer: OAuthIssuer
let clock: { nowMs: number }
const closing: (() => Promise<unknown> | undefined)[] = []
beforeEach(async () => {
  issuer = await startOAuthIssuer()
  clock = { nowMs: Date.now() }
  logged.length = 0
  closing.push(() => issuer.close())
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A server that wants a token of the issuer, and says so. */
async function aServer() {
  const seen: string[] = []
  let accepts = (_token: string) => true
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/.well-known/oauth-protected-resource')) {
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end(JSON.stringify({ resource: url.href, authorization_servers: [issuer.url] }))
    }
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    seen.push(token)
    const isGood = issuer.given.includes(token) && accepts(token)
    response.writeHead(isGood ? 200 : 401, { 'content-type': 'application/json' })
    response.end(isGood ? '{"jsonrpc":"2.0","id":1,"result":{}}' : '{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = new URL(`http://127.0.0.1:${address.port}/mcp`)
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url,
    seen,
    accept(which: (token: string) => boolean) {
      accepts = which
    },
  }
}
type Server = Awaited<ReturnType<typeof aServer>>

const fetchFor = (server: Server) =>
  createGuardedFetch({ privateNetworks: [], named: [server.url, new URL(issuer.url)] })

function upstreamOf(server: Server, credentials: UpstreamCredentials) {
  const upstream = createHttpUpstream({
    server: 'crm',
    url: server.url.href,
    headers: {},
    credentials,
    log: allLog,
  })
  closing.push(() => upstream.close())
  return async (more: Partial<WireRequest> = {}) => {
    const response = await upstream.exchange({
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer of-the-client' },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      principal: agent,
      signal: new AbortController().signal,
      freshConnection: false,
      mayStart: () => true,
      ...more,
    })
    await response.body?.cancel()
    return response.status
  }
}

async function faultOf(promise: Promise<unknown>): Promise<UpstreamFault> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof UpstreamFault)) throw error ?? new Error('nothing failed')
  return error
}

describe('the gateway as itself', () => {
  const machine = (more: Partial<UpstreamOAuth> = {}): UpstreamOAuth => ({
    grant: 'client_credentials',
    issuer: new URL(issuer.url),
    clientId: 'machine',
    clientSecret: 'machine-secret',
    scopes: ['crm:use'],
    ...more,
  })
  const credentialsAt = (server: Server, oauth = machine()) =>
    createClientCredentials({
      server: 'crm',
      url: server.url,
      oauth,
      fetch: fetchFor(server),
      nowMs: () => clock.nowMs,
      log: allLog,
    })

  test('gets one token for many requests, for this server and with its scopes', async () => {
    const server = await aServer()
    const post = upstreamOf(server, credentialsAt(server))
    expect(await Promise.all([post(), post(), post()])).toEqual([200, 200, 200])
    expect(issuer.tokenRequests).toHaveLength(1)
    expect(Object.fromEntries(issuer.tokenRequests[0] ?? [])).toMatchObject({
      grant_type: 'client_credentials',
      resource: server.url.href,
      scope: 'crm:use',
    })
    expect(new Set(server.seen).size).toBe(1)
    expect(server.seen[0]).toBe(issuer.given[0])
  })

  test('renews it ahead of its end, and what an approved call is sent with is in hand by then', async () => {
    const server = await aServer()
    const post = upstreamOf(server, credentialsAt(server))
    await post()
    clock.nowMs += 245_000
    await post()
    expect(issuer.tokenRequests).toHaveLength(2)
    expect(await post({ freshConnection: true })).toBe(200)
    expect(issuer.tokenRequests).toHaveLength(2)
  })

  test('sends nothing after the claim when there is no token in hand, and says so', async () => {
    const server = await aServer()
    const post = upstreamOf(server, credentialsAt(server))
    const cold = await faultOf(post({ freshConnection: true }))
    expect(cold.isSent).toBe(false)
    await post()
    clock.nowMs += 299_000
    expect((await faultOf(post({ freshConnection: true }))).isSent).toBe(false)
    expect(server.seen).toHaveLength(1)
    expect(issuer.tokenRequests).toHaveLength(1)
  })

  test('gets another token once when the server refuses the first, but never for an approved call', async () => {
    const server = await aServer()
    const post = upstreamOf(server, credentialsAt(server))
    await post()
    const [revoked] = server.seen
    server.accept((token) => token !== revoked)
    expect(await post({ freshConnection: true })).toBe(401)
    expect(issuer.tokenRequests).toHaveLength(1)
    expect(await post()).toBe(200)
    expect(issuer.tokenRequests).toHaveLength(2)
    server.accept(() => false)
    clock.nowMs += 5_000
    const before = server.seen.length
    expect(await post()).toBe(401)
    expect(server.seen.length).toBe(before + 2)
    // A server that refuses whatever it gets is no reason to knock at the issuer with every call.
    for (let count = 0; count < 5; count++) expect((await faultOf(post())).isSent).toBe(false)
    expect(issuer.tokenRequests).toHaveLength(3)
  })

  test('sends its secret only to the issuer that the configuration names', async () => {
    const server = await aServer()
    const other = await startOAuthIssuer()
    closing.push(() => other.close())
    // The server now says that somebody else gives out its tokens.
    const post = upstreamOf(server, credentialsAt(server, machine({ issuer: new URL(other.url) })))
    const fault = await faultOf(post())
    expect([fault.isSent, fault.told]).toEqual([false, null])
    expect(issuer.tokenRequests).toEqual([])
    // Not named for the guarded fetch either, so not even asked.
    expect(other.requests).toEqual([])
  })

  test('follows no metadata that speaks for another issuer, or leads inside', async () => {
    const server = await aServer()
    issuer.behave({ metadataIssuer: 'https://other.example' })
    expect((await faultOf(upstreamOf(server, credentialsAt(server))())).message).toContain('other.example')
    issuer.behave({ metadataIssuer: null, tokenEndpoint: 'https://169.254.169.254/token' })
    expect((await faultOf(upstreamOf(server, credentialsAt(server))())).message).toContain('169.254.169.254')
    expect(server.seen).toEqual([])
  })

  test('leaves an authorization server alone for a while that says no', async () => {
    const server = await aServer()
    const post = upstreamOf(server, credentialsAt(server, machine({ clientSecret: 'wrong' })))
    for (let count = 0; count < 5; count += 1) await faultOf(post())
    // The SDK tries a second time with credentials that it has looked up anew.
    expect(issuer.tokenRequests.length).toBeLessThanOrEqual(2)
    expect(logged.join('\n')).not.toContain('wrong')
  })
})

describe('the account of a person', () => {
  const accountsOver = (server: Server, store = memoryAccounts(clock), more: Partial<UpstreamOAuth> = {}) => {
    const oauth: UpstreamOAuth = {
      grant: 'authorization_code',
      issuer: null,
      clientId: null,
      clientSecret: null,
      scopes: [],
      ...more,
    }
    const accounts = createAccounts({
      servers: new Map([['crm', { url: server.url, oauth }]]),
      store,
      vault: createVault(new Uint8Array(32).fill(9)),
      fetch: fetchFor(server),
      redirectUrl,
      clientMetadataUrl: undefined,
      linkOf: (name) => `https://holdpoint.example.com/accounts#${name}`,
      nowMs: () => clock.nowMs,
      clock: {
        monotonicMs: () => clock.nowMs,
        sleep: () => new Promise((resolve) => setTimeout(resolve, 5)),
      },
      log: allLog,
    })
    return { accounts, store, post: upstreamOf(server, accounts.credentialsOf('crm')) }
  }

  /** The browser: goes there, consents, and is sent back. */
  async function consent(url: URL) {
    const response = await fetch(url, { redirect: 'manual' })
    const back = new URL(response.headers.get('location') ?? '')
    expect(`${back.origin}${back.pathname}`).toBe(redirectUrl)
    const get = (name: string) => back.searchParams.get(name)
    return { state: get('state'), code: get('code'), iss: get('iss'), error: get('error') }
  }

  async function connect(accounts: RunningAccounts, person = 'jun') {
    const begun = await accounts.begin('crm', person)
    if (!begun.ok) throw new Error(begun.error)
    return accounts.finish(await consent(begun.value), person)
  }

  test('is what their agents act with, and nobody else’s', async () => {
    const server = await aServer()
    const { accounts, post } = accountsOver(server)
    const missing = await faultOf(post())
    expect([missing.isSent, missing.told]).toEqual([
      false,
      'jun has no account connected at "crm". jun can connect it at https://holdpoint.example.com/accounts#crm, then call again.',
    ])
    expect(await connect(accounts)).toEqual({ ok: true, value: 'crm' })
    expect(await post()).toBe(200)
    const other = { name: 'day-agent', owner: 'mina' }
    expect((await faultOf(post({ principal: other }))).told).toContain('mina has no account')
    const nobodys = { name: 'x#1', owner: unknownOwner('x#1') }
    expect((await faultOf(post({ principal: nobodys }))).told).toContain('not known which person answers')
    expect(server.seen).toEqual([issuer.given[0]])
  })

  test('is asked for with PKCE, for this server, with a state that nobody guesses', async () => {
    const server = await aServer()
    const { accounts } = accountsOver(server)
    const [one, two] = [await accounts.begin('crm', 'jun'), await accounts.begin('crm', 'jun')]
    if (!one.ok || !two.ok) throw new Error('not begun')
    const query = one.value.searchParams
    expect(query.get('code_challenge_method')).toBe('S256')
    expect(query.get('resource')).toBe(server.url.href)
    expect(query.get('redirect_uri')).toBe(redirectUrl)
    expect(query.get('state')).toMatch(/^[\w-]{43}$/)
    expect(query.get('state')).not.toBe(two.value.searchParams.get('state'))
  })

  test('comes back to the person who began it, once, in time, and from the server that was asked', async () => {
    const server = await aServer()
    const { accounts, store } = accountsOver(server)
    const begin = async () => {
      const begun = await accounts.begin('crm', 'jun')
      if (!begun.ok) throw new Error(begun.error)
      return consent(begun.value)
    }
    const refused = async (returned: Awaited<ReturnType<typeof begin>>, person = 'jun') => {
      const finished = await accounts.finish(returned, person)
      expect(finished.ok).toBe(false)
      return finished.ok ? '' : finished.error
    }
    // Somebody else's browser, which also ends the attempt.
    const stolen = await begin()
    expect(await refused(stolen, 'mina')).toContain('not begun by you')
    expect(await refused(stolen)).toContain('finished already')
    const old = await begin()
    clock.nowMs += 10 * 60_000 + 1
    expect(await refused(old)).toContain('ten minutes')
    expect(await refused({ ...(await begin()), state: 'made-up' })).toContain('not begun by you')
    expect(await refused({ ...(await begin()), state: null })).toContain('not begun by you')
    expect(await refused({ ...(await begin()), iss: 'https://evil.example' })).toContain(
      'another authorization server',
    )
    expect(await refused({ ...(await begin()), iss: null })).toContain('does not say which')
    expect(await refused({ ...(await begin()), code: null, error: 'access_denied' })).toContain(
      'access_denied',
    )
    expect(await refused({ ...(await begin()), code: 'made-up' })).toContain('Nothing was connected')
    expect(await store.list()).toEqual([])
    expect(new Set(issuer.tokenRequests.map((form) => form.get('code')))).toEqual(new Set(['made-up']))
    const used = await begin()
    expect((await accounts.finish(used, 'jun')).ok).toBe(true)
    expect(await refused(used)).toContain('finished already')
  })

  test('is renewed ahead of its end, once, however many ask and on however many gateways', async () => {
    const server = await aServer()
    const store = memoryAccounts(clock)
    const one = accountsOver(server, store)
    const two = accountsOver(server, store)
    await connect(one.accounts)
    expect([await one.post(), await two.post()]).toEqual([200, 200])
    clock.nowMs += 245_000
    const all = await Promise.all([one.post(), two.post(), one.post(), two.post(), one.post(), two.post()])
    expect(all).toEqual([200, 200, 200, 200, 200, 200])
    const refreshes = issuer.tokenRequests.filter((form) => form.get('grant_type') === 'refresh_token')
    expect(refreshes).toHaveLength(1)
    expect(refreshes[0]?.get('resource')).toBe(server.url.href)
    expect(await one.post({ freshConnection: true })).toBe(200)
    clock.nowMs += 245_000
    expect([await two.post(), await one.post()]).toEqual([200, 200])
    expect(issuer.tokenRequests.filter((form) => form.get('grant_type') === 'refresh_token')).toHaveLength(2)
  })

  test('that the server refuses is renewed once before an approved call, and never for it', async () => {
    const server = await aServer()
    const { accounts, post } = accountsOver(server)
    await connect(accounts)
    await post()
    const [revoked] = server.seen
    server.accept((token) => token !== revoked)
    expect(await post({ freshConnection: true })).toBe(401)
    expect(await post()).toBe(200)
    expect(await post({ freshConnection: true })).toBe(200)
    expect(issuer.tokenRequests.filter((form) => form.get('grant_type') === 'refresh_token')).toHaveLength(1)
  })

  test('that its authorization server has ended has to be connected again; one that is only away is kept', async () => {
    const server = await aServer()
    const { accounts, post, store } = accountsOver(server)
    await connect(accounts)
    clock.nowMs += 245_000
    issuer.behave({ failing: 503 })
    const away = await faultOf(post())
    expect([away.isSent, away.told]).toEqual([false, null])
    issuer.behave({ failing: null })
    expect(await post()).toBe(200)
    // The refresh token was used by somebody else.
    const used = issuer.given.findLast((token) => token.startsWith('refresh-'))
    await fetch(`${issuer.url}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: used ?? '',
        client_id: issuer.tokenRequests[0]?.get('client_id') ?? '',
      }),
    })
    clock.nowMs += 245_000
    expect((await faultOf(post())).told).toContain('can connect it at')
    expect(await store.list()).toEqual([])
  })

  test('that is disconnected on one gateway is gone on the other', async () => {
    const server = await aServer()
    const store = memoryAccounts(clock)
    const one = accountsOver(server, store)
    const two = accountsOver(server, store)
    await connect(one.accounts)
    expect(await two.post()).toBe(200)
    expect(await one.accounts.disconnect('crm', 'jun')).toBe(true)
    expect((await faultOf(two.post())).told).toContain('no account connected')
    expect((await faultOf(two.post({ freshConnection: true }))).isSent).toBe(false)
  })

  test('is unreadable where it is kept, and moved to somebody else it does not open', async () => {
    const server = await aServer()
    const { accounts, store } = accountsOver(server)
    await connect(accounts)
    const kept = await store.get('crm', 'jun')
    const bytes = Buffer.from(kept?.sealed ?? []).toString('latin1')
    for (const secret of issuer.given) expect(bytes).not.toContain(secret.slice(0, 20))
    await store.put('crm', 'mina', kept?.sealed ?? new Uint8Array())
    const { post } = accountsOver(server, store)
    expect((await faultOf(post({ principal: { name: 'a', owner: 'mina' } }))).told).toContain('no account')
    for (const secret of issuer.given) expect(logged.join('\n')).not.toContain(secret)
  })
})
