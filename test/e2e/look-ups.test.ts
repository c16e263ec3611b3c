/** Evidence that a rule wants, with a real gateway and a real server: read when the call is asked, shown at every door, and only once. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decisionPage } from '../../src/api/decision-schemas.ts'
import { createRequest } from '../../src/commands/client.ts'
import { connectV1, type TestClient } from '../support/clients.ts'
import {
  aPerson,
  type GatewayProcess,
  mintToken,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'

let database: FreshDatabase
let gateway: GatewayProcess
let client: TestClient
let mina: ReturnType<typeof aPerson>
let minasToken: string
let jun: ReturnType<typeof aPerson>
let stranger: ReturnType<typeof aPerson>

beforeAll(async () => {
  database = await freshDatabase()
  const directory = temporaryDirectory()
  const policy = join(directory, 'nworks.yaml')
  writeFileSync(
    policy,
    `default: require_approval
allow: [nworks_whoami]
tools:
  nworks_logout:
    action: require_approval
    approval:
      evidence:
        - { tool: nworks_whoami, label: Who is logged in }
        - { tool: nworks_drive_delete, arguments: { fileId: x } }
`,
  )
  gateway = await startGateway({
    databaseUrl: database.connectionString,
    servers: {
      nworks: {
        command: process.execPath,
        args: [sampleMain],
        env: { NWORKS_SAMPLE_HOME: join(directory, 'home') },
        policy,
        approvers: ['ops'],
      },
    },
    more: { people: { mina: { name: '김미나' }, jun: {}, lee: {} } },
  })
  const mint = (kind: 'agent' | 'person', name: string) =>
    mintToken(database.connectionString, gateway, kind, name)
  minasToken = await mint('person', 'mina')
  mina = aPerson(gateway.url, minasToken)
  jun = aPerson(gateway.url, await mint('person', 'jun'))
  stranger = aPerson(gateway.url, await mint('person', 'lee'))
  client = await connectV1(`${gateway.url}/mcp/nworks`, await mint('agent', 'night-agent'))
})
afterAll(async () => {
  await client?.close()
  expect(await gateway?.stop()).toBe(0)
  await database?.drop()
})

test('people see what the server says about it; who may not decide does not; the call still runs once', async () => {
  const called = client.call('nworks_logout', {})
  const [id = ''] = await mina.waitForPending()
  await expect.poll(async () => (await mina.show(id)).lookups.before).not.toBeNull()
  const { lookups, audit } = await mina.show(id)
  expect(lookups.before).toMatchObject([
    {
      label: 'Who is logged in',
      tool: 'nworks_whoami',
      arguments: '{}',
      found: { kind: 'answer', isError: false },
    },
    {
      tool: 'nworks_drive_delete',
      found: { kind: 'none', reason: expect.stringContaining('not known to only read') },
    },
  ])
  expect((await jun.show(id)).lookups).toEqual(lookups)
  expect((await stranger.show(id)).lookups).toEqual({ before: [], after: [] })
  expect(audit.map(({ payload }) => JSON.parse(payload).event)).toEqual(['ask', 'look_up'])
  // A call of the gateway's own, in the log within a second or so; what it held back itself is no call.
  const request = createRequest({ url: gateway.url, token: minasToken })
  const logged = async () => {
    const page = await request('/decisions?verdict=look_up', decisionPage)
    return page.ok ? page.value.decisions : page.error
  }
  await expect.poll(logged, { timeout: 20_000 }).toMatchObject([
    {
      ...{ tool: 'nworks_whoami', agent: 'night-agent', verdict: 'look_up' },
      lookUp: { approval: id, outcome: 'answered' },
    },
  ])
  expect(await mina.decide(id, 'approve')).toMatchObject({ ok: true })
  expect((await called).isError).not.toBe(true)
})
