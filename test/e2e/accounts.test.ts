/** A person connects their account in the console; from then on their agent acts at the server as them, and its approved call too. */
import { execFile } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectV1, textOf } from '../support/clients.ts'
import { freePort } from '../support/free-port.ts'
import { aPerson, type GatewayProcess, mintToken, query, startGateway } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { type OAuthIssuer, startOAuthIssuer } from '../support/oauth-issuer.ts'
import { freshDatabase } from '../support/postgres.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
let issuer: OAuthIssuer
let upstream: HttpUpstream
let gateway: GatewayProcess
let database: Awaited<ReturnType<typeof freshDatabase>>
let agent: string
let mina: ReturnType<typeof aPerson>

beforeAll(async () => {
  issuer = await startOAuthIssuer()
  upstream = await startHttpUpstream()
  database = await freshDatabase()
  const port = await freePort()
  const at = () => ({ url: upstream.url.href, approvers: ['ops'] })
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      crm: { ...at(), oauth: { grant: 'authorization_code', issuer: issuer.url } },
      machine: {
        ...at(),
        oauth: {
          grant: 'client_credentials',
          issuer: issuer.url,
          client_id: 'machine',
          client_secret: `\${MACHINE_SECRET}`,
        },
      },
    },
    env: {
      PORT: String(port),
      HOLDPOINT_PUBLIC_URL: `http://127.0.0.1:${port}`,
      MACHINE_SECRET: 'machine-secret',
    },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([upstream.close(), issuer.close(), database.drop()])
})

async function accountsCli(...args: string[]) {
  const env = {
    PATH: process.env.PATH ?? '',
    HOLDPOINT_CONFIG: join(dirname(gateway.dataDir), 'holdpoint.yaml'),
    HOLDPOINT_URL: gateway.url,
    DATABASE_URL: database.connectionString,
  }
  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'accounts', ...args, '--json'], {
    env,
  })
  return JSON.parse(stdout)
}

/** A browser that keeps one cookie. */
function aBrowser() {
  let cookie = ''
  return async function open(path: string, form: Record<string, string> | null = null) {
    const response = await fetch(new URL(path, gateway.url), {
      method: form === null ? 'GET' : 'POST',
      headers: { cookie, origin: gateway.url, 'sec-fetch-site': 'same-origin' },
      redirect: 'manual',
      ...(form === null ? {} : { body: new URLSearchParams(form) }),
    })
    const [set] = response.headers.getSetCookie()
    if (set !== undefined) cookie = set.split(';')[0] ?? ''
    return { status: response.status, text: await response.text() }
  }
}

/** Looking for its metadata is not calling it. */
const mcpRequests = () =>
  upstream.requests.filter(({ path, headers }) => path === '/mcp' && !isProbe(headers.authorization))

/** The gateway looks whether the server would answer just anybody. */
const isProbe = (authorization: string | undefined) => authorization === undefined

const unescaped = (html: string) => html.replaceAll('&amp;', '&')

async function consent(url: string): Promise<URL> {
  const response = await fetch(url, { redirect: 'manual' })
  return new URL(response.headers.get('location') ?? '')
}

test('an agent without an account is told where its person connects one; with it, it acts as them', async () => {
  const refused = await fetch(`${gateway.url}/mcp/crm`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${agent}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'e', version: '1' } },
    }),
  })
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain(`jun can connect it at ${gateway.url}/accounts#crm`)
  expect(mcpRequests()).toEqual([])

  const { signIn, page } = await accountsCli('connect', 'crm', '--person', 'jun')
  expect(page).toBe(`${gateway.url}/accounts#crm`)
  const open = aBrowser()
  expect((await open('/sign-in', { code: new URL(signIn).hash.slice(1), place: 'accounts' })).status).toBe(
    303,
  )
  const before = await open('/accounts')
  expect(before.text).toContain('not connected')
  const token = /name="token" value="([^"]+)"/.exec(before.text)?.[1] ?? ''
  expect((await open('/accounts', { server: 'crm', act: 'connect', token: 'wrong' })).status).toBe(403)
  const leaving = await open('/accounts', { server: 'crm', act: 'connect', token })
  const target = unescaped(/href="(http:\/\/127[^"]+authorize[^"]+)"/.exec(leaving.text)?.[1] ?? '')
  const back = await consent(target)
  expect(`${back.origin}${back.pathname}`).toBe(`${gateway.url}/oauth/callback`)
  // Somebody else's browser brings nothing, and nobody comes back twice.
  expect((await fetch(back)).status).toBe(401)
  const done = await open(`${back.pathname}${back.search}`)
  expect([done.status, done.text.includes('connected')]).toEqual([200, true])
  expect((await open(`${back.pathname}${back.search}`)).status).toBe(403)
  expect(await accountsCli('list')).toMatchObject([{ server: 'crm', person: 'jun' }])

  const client = await connectV1(`${gateway.url}/mcp/crm`, agent)
  const called = client.call('create_refund', { paymentId: 'p', amountKrw: 1 })
  const [id = ''] = await mina.waitForPending()
  await mina.decide(id, 'approve')
  expect(textOf(await called)).toContain('re_1')
  const [access = 'none', refresh = 'none'] = issuer.given
  expect(upstream.callsOf('create_refund').map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${access}`,
  ])
  for (const { headers } of mcpRequests()) expect(headers.authorization).toBe(`Bearer ${access}`)
  await client.close()

  // Nowhere else: not in the ledger, not in the log, not on a page.
  const rows = await Promise.all(
    ['approval', 'audit_event', 'upstream_account', 'credential'].map((table) =>
      query<{ text: string }>(database.connectionString, `SELECT t::text AS text FROM holdpoint.${table} t`),
    ),
  )
  const kept = JSON.stringify(rows) + JSON.stringify(await mina.show(id)) + gateway.output()
  for (const secret of [access, refresh]) {
    expect(kept).not.toContain(secret)
    expect(kept).not.toContain(Buffer.from(secret).toString('hex'))
  }

  expect(await accountsCli('disconnect', 'crm', '--person', 'jun')).toMatchObject({ disconnected: true })
  await expect.poll(async () => (await open('/accounts')).text.includes('not connected')).toBe(true)
  await expect(connectV1(`${gateway.url}/mcp/crm`, agent)).rejects.toThrow(/no account connected/)
})

test('a server that the gateway signs in at as itself gets a token for every call, and the client’s never', async () => {
  const start = mcpRequests().length
  const client = await connectV1(`${gateway.url}/mcp/machine`, agent)
  const called = client.call('delete_repository', { owner: 'o', name: 'n' })
  const [id = ''] = await mina.waitForPending()
  await mina.decide(id, 'approve')
  expect(textOf(await called)).toContain('deleted o/n')
  await client.close()
  const token = issuer.given.at(-1)
  for (const { headers } of mcpRequests().slice(start)) expect(headers.authorization).toBe(`Bearer ${token}`)
  expect(JSON.stringify(upstream.requests)).not.toContain(agent)
  expect(gateway.output()).not.toContain('machine-secret')
})
