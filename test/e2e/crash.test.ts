/** `npm start` on embedded stores, killed and stopped: nothing is lost, nothing runs twice, the next start goes on. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { connectV1, textOf } from '../support/clients.ts'
import { aPerson, type GatewayProcess, startProcess, temporaryDirectory } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'

// Each starts a database and several processes, one after the other.
vi.setConfig({ testTimeout: 120_000 })

const run = promisify(execFile)
const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
const main = resolve(import.meta.dirname, '../../dist/src/main.js')

interface Site {
  readonly env: Record<string, string>
  readonly dataDir: string
  readonly upstream: HttpUpstream
  start(): Promise<GatewayProcess>
  holdpoint(...args: string[]): Promise<string>
  /** A new one, which this gateway knows by then. */
  tokenAt(gateway: GatewayProcess, ...args: string[]): Promise<string>
}

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function aSite(): Promise<Site> {
  const directory = temporaryDirectory()
  const upstream = await startHttpUpstream()
  cleanUps.push(() => upstream.close())
  const dataDir = join(directory, 'data')
  const file = join(directory, 'holdpoint.yaml')
  writeFileSync(join(directory, 'pay.yaml'), 'default: require_approval\n')
  writeFileSync(
    file,
    stringify({
      people: { mina: {}, jun: {} },
      agents: { 'night-agent': { owner: 'jun' } },
      servers: { pay: { url: upstream.url.href, policy: 'pay.yaml', approvers: ['mina'] } },
      timings: { node_lease: '3s' },
    }),
  )
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    HOLDPOINT_CONFIG: file,
    HOLDPOINT_DATA: dataDir,
    PORT: '0',
  }
  const holdpoint = async (...args: string[]) => (await run(process.execPath, [cli, ...args], { env })).stdout
  return {
    env,
    dataDir,
    upstream,
    async start() {
      const gateway = await startProcess(env, dataDir)
      cleanUps.push(() => gateway.stop())
      return gateway
    },
    holdpoint,
    async tokenAt({ url }, ...args) {
      const { token } = JSON.parse(await holdpoint(...args, '--json'))
      const headers = { authorization: `Bearer ${token}` }
      const probe = async () => (await fetch(`${url}/api/v1/calls/HP-0000000000`, { headers })).status
      await expect.poll(probe, { timeout: 20_000 }).not.toBe(401)
      return token
    },
  }
}

/** The embedded server's own process id, from the first line of its lock file. */
const postmasterPid = (dataDir: string) =>
  Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])

test.each([
  ['the gateway alone', false],
  ['the gateway and its database', true],
])(
  'kill -9 of %s while a call is held: after a restart and an approval it runs once',
  async (_what, withDatabase) => {
    const site = await aSite()
    const first = await site.start()
    const agent = await site.tokenAt(first, 'agents', 'add', 'night-agent')
    const mina = await site.tokenAt(first, 'people', 'token', 'mina')
    const client = await connectV1(`${first.url}/mcp/pay`, agent)
    const held = expect(client.call('create_refund', { amount: 7 })).rejects.toThrow()
    const [id = ''] = await aPerson(first.url, mina).waitForPending()

    const database = postmasterPid(site.dataDir)
    await first.kill()
    if (withDatabase) process.kill(database, 'SIGKILL')
    await client.close()
    await held

    const second = await site.start()
    const approver = aPerson(second.url, mina)
    expect(await approver.waitForPending()).toEqual([id])
    expect(await approver.decide(id, 'approve')).toMatchObject({ ok: true })
    expect(site.upstream.executed).toEqual([])
    const back = await connectV1(`${second.url}/mcp/pay`, agent)
    const result = await back.call('create_refund', { amount: 7 })
    expect(textOf(result)).toContain('re_')
    expect(site.upstream.executed).toHaveLength(1)
    await back.close()
  },
)

test('a gateway killed while the upstream works leaves "nobody knows"; nothing is sent again', async () => {
  const site = await aSite()
  const first = await site.start()
  const agent = await site.tokenAt(first, 'agents', 'add', 'night-agent')
  const mina = await site.tokenAt(first, 'people', 'token', 'mina')
  const client = await connectV1(`${first.url}/mcp/pay`, agent)
  const held = expect(client.call('create_refund', { amount: 9 })).rejects.toThrow()
  const [id = ''] = await aPerson(first.url, mina).waitForPending()
  site.upstream.misbehave('tools/call', { kind: 'never_answer' })
  await aPerson(first.url, mina).decide(id, 'approve')
  await expect.poll(() => site.upstream.executed.length, { timeout: 15_000 }).toBe(1)
  await first.kill()
  await client.close()
  await held
  site.upstream.behave()

  const second = await site.start()
  await expect
    .poll(async () => (await aPerson(second.url, mina).show(id)).approval)
    .toMatchObject({ status: 'settled', outcome: { kind: 'indeterminate' } })
  const back = await connectV1(`${second.url}/mcp/pay`, agent)
  expect(textOf(await back.call('create_refund', { amount: 9 }))).toMatch(/MAY OR MAY NOT/)
  await run(
    process.execPath,
    [cli, 'approvals', 'annotate', id, '--finding', 'did-not-happen', '--note', 'looked at the bank'],
    {
      env: { ...site.env, HOLDPOINT_URL: second.url, HOLDPOINT_TOKEN: mina },
    },
  )
  const again = back.call('create_refund', { amount: 9 })
  const [next = ''] = await aPerson(second.url, mina).waitForPending()
  await aPerson(second.url, mina).decide(next, 'approve')
  expect(textOf(await again)).toContain('re_')
  expect(site.upstream.executed).toHaveLength(2)
  await back.close()
})

test('a second start says that one is running, and leaves it alone', async () => {
  const site = await aSite()
  const first = await site.start()
  const { stdout } = await run(process.execPath, [main], { env: site.env })
  expect(stdout).toContain(`already running at ${first.url}`)
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
})

/** What a stream says first, and everything that it has said by its end. Whoever has the first is held. */
async function begun(response: Response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) throw new Error('there is no body')
  let first = ''
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    first += part.value
    if (first.includes('\n\n')) break
  }
  return {
    first,
    async whole() {
      let text = first
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value
      return text
    },
  }
}

test('a stop answers held calls, ends in good order, and stops the database', async () => {
  const site = await aSite()
  const first = await site.start()
  const agent = await site.tokenAt(first, 'agents', 'add', 'night-agent')
  const post = (revision: string, message: object, session: string | null = null) =>
    fetch(`${first.url}/mcp/pay`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${agent}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': revision,
        ...(session === null ? {} : { 'mcp-session-id': session }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
    })
  const hold = async (revision: string) => {
    const clientInfo = { name: 'raw', version: '0' }
    const params = { protocolVersion: revision, capabilities: {}, clientInfo }
    const opened = await post(revision, { method: 'initialize', params })
    const call = { method: 'tools/call', params: { name: 'create_refund', arguments: { amount: 8 } } }
    return post(revision, call, opened.headers.get('mcp-session-id'))
  }
  // A call may be in the ledger, and its response have begun, before the gateway holds it: what it says first tells.
  const answered = await begun(await hold('2025-06-18'))
  const id = /HP-\w{10}/.exec(answered.first)?.[0] ?? answered.first
  const resumed = await begun(await hold('2025-11-25'))
  expect(resumed.first).toContain(`: held for ${id}`)
  const database = postmasterPid(site.dataDir)
  // Otherwise it leaves as after a crash, by itself: it gives itself nine seconds.
  expect(await first.stop()).toBe(0)
  expect(await answered.whole()).toContain(`NOT EXECUTED. Waiting for human approval, ticket ${id}`)
  // Who can resume is not told to begin anew: its stream ends, with the id to come back under.
  expect(await resumed.whole()).toMatch(
    /^: held for HP-\w+\n\nid: hpe1\.[\w-]+\nretry: 5000\ndata: \n\n(: still waiting\n\n)*$/,
  )
  expect(() => process.kill(database, 0)).toThrow()
})

test('a start without its database says so and goes, and the port is free again', async () => {
  const site = await aSite()
  const env = { ...site.env, DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  const failed: unknown = await run(process.execPath, [main], { env }).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('Is DATABASE_URL right') })
})
