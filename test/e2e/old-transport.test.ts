/** The HTTP+SSE transport of 2024-11-05 on both sides of a real gateway: real clients that know nothing else, and real servers. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectSse, connectV1, type TestClient, textOf } from '../support/clients.ts'
import { type Everything, modernMain, startEverything } from '../support/everything.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { freshDatabase } from '../support/postgres.ts'
import { type SseServer, startSseServer } from '../support/sse-server.ts'

const database = await freshDatabase()
const directory = temporaryDirectory()
let gateway: GatewayProcess
let agent: string
let mina: ReturnType<typeof aPerson>
let everything: Everything
let mine: SseServer

beforeAll(async () => {
  mkdirSync(join(directory, 'nworks'))
  const policy = join(directory, 'policy.yaml')
  writeFileSync(policy, 'default: allow\nrequire_approval: [logout, get-sum, nworks_logout]\n')
  const node = process.execPath
  everything = await startEverything('sse')
  mine = await startSseServer()
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      old: { url: everything.url, policy },
      said: { url: everything.url, transport: 'sse', policy },
      mine: { url: mine.url, policy },
      nworks: {
        command: node,
        args: [sampleMain],
        env: { NWORKS_SAMPLE_HOME: join(directory, 'nworks') },
        policy,
      },
      modern: { command: node, args: [modernMain], policy },
    },
    // Of night-agent, who is told soon to come back.
    agent: { hold: '2s' },
  })
  agent = await mintToken(database.connectionString, gateway, 'agent', 'day-agent')
  mina = aPerson(gateway.url, await mintToken(database.connectionString, gateway, 'person', 'mina'))
})
afterAll(async () => {
  await gateway?.stop()
  await everything?.stop()
  await mine?.close()
  await database.drop()
})

const at = (server: string) => `${gateway.url}/mcp/${server}`

/** Everything that an old client does. */
async function useEverything(client: TestClient): Promise<void> {
  const { tools } = (await client.request('tools/list')) as { tools: { name: string }[] }
  expect(tools.map(({ name }) => name)).toContain('trigger-elicitation-request')
  expect(textOf(await client.call('echo', { message: '안녕 \u{1F510}' }))).toBe('Echo: 안녕 \u{1F510}')
  expect(textOf(await client.call('trigger-elicitation-request'))).toContain('Kim')
  expect(textOf(await client.call('trigger-sampling-request', { prompt: 'p', maxTokens: 5 }))).toContain(
    'sampled',
  )
  const seen: number[] = []
  await client.call(
    'trigger-long-running-operation',
    { duration: 0.4, steps: 4 },
    { onProgress: ({ progress }) => seen.push(progress) },
  )
  expect(seen.slice(0, 3)).toEqual([1, 2, 3])
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => client.call('echo', { message: `m${index}` })),
  )
  expect(answers.map(textOf)).toEqual(Array.from({ length: 20 }, (_, index) => `Echo: m${index}`))
}

describe('a server that speaks nothing else', () => {
  test.each(['old', 'said'])('serves a client of Streamable HTTP (%s)', async (server) => {
    const client = await connectV1(at(server), agent)
    await useEverything(client)
    await client.close()
  })

  test('runs a call once that people approved', async () => {
    const client = await connectV1(at('old'), agent)
    const called = client.call('get-sum', { a: 2, b: 3 })
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toContain('5')
    await client.close()
  })

  test('that loses its stream in the middle of an approved call leaves it open, and is not asked again', async () => {
    const client = await connectV1(at('mine'), agent)
    mine.onPost = ({ message, accept, stream }) => {
      if (message.params?.name !== 'logout') return
      accept()
      setTimeout(() => stream.destroy(), 50)
      return true
    }
    const called = client.call('logout')
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toMatch(/MAY OR MAY NOT have been executed/)
    const { approval } = await mina.show(id)
    expect(approval).toMatchObject({ status: 'settled', outcome: { kind: 'indeterminate' } })
    expect(mine.calls('logout')).toHaveLength(1)
    await client.close()
  })
})

describe('a client that speaks nothing else', () => {
  test.each(['', '/sse'])('uses a server as old as itself at the same URL%s', async (path) => {
    const client = await connectSse(`${at('old')}${path}`, agent)
    await useEverything(client)
    await client.close()
  })

  test('uses a command, and a call waits for a person', async () => {
    const client = await connectSse(at('nworks'), agent)
    const progress: string[] = []
    const called = client.call(
      'nworks_logout',
      {},
      { onProgress: ({ message }) => progress.push(message ?? '') },
    )
    const [id = ''] = await mina.waitForPending()
    await expect.poll(() => progress.join()).toContain(id)
    // Nothing else waits behind it.
    expect(textOf(await client.call('nworks_whoami'))).toContain('nworks')
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toMatch(/log/i)
    await client.close()
  })

  test('uses a server of 2026-07-28, and is asked by it', async () => {
    const client = await connectSse(at('modern'), agent)
    expect(textOf(await client.call('ask'))).toBe('accept: {"name":"Kim","check":true} asked')
    await client.close()
  })

  test('that loses its stream collects the result of the call by calling again', async () => {
    const first = await connectSse(at('old'), agent)
    const lost = first.call('get-sum', { a: 20, b: 22 }).catch(String)
    const [id = ''] = await mina.waitForPending()
    await first.close()
    await lost
    expect((await mina.show(id)).approval.status).toBe('pending')
    const again = await connectSse(at('old'), agent)
    const called = again.call('get-sum', { a: 20, b: 22 })
    await mina.decide(id, 'approve')
    expect(textOf(await called)).toContain('42')
    await again.close()
  })

  test('whose time is up is told to wait with the ticket, and does', async () => {
    const impatient = await mintToken(database.connectionString, gateway, 'agent', 'night-agent')
    const client = await connectSse(at('old'), impatient)
    const { tools } = (await client.request('tools/list')) as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toContain('holdpoint_wait')
    const waiting = textOf(await client.call('get-sum', { a: 1, b: 1 }))
    expect(waiting).toContain('NOT EXECUTED')
    const [id = ''] = await mina.waitForPending()
    expect(waiting).toContain(id)
    const waited = client.call('holdpoint_wait', { ticket: id })
    await mina.decide(id, 'approve')
    expect(textOf(await waited)).toContain('2')
    await client.close()
  })

  test('without a token is told where to get one', async () => {
    await expect(connectSse(at('old'))).rejects.toThrow('401')
  })
})
