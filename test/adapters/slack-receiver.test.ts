/** The HTTP door of Slack: what is not signed by Slack, now, in one piece, changes nothing. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSlackRoutes } from '../../src/channels/slack/receiver.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { Tampering } from '../support/slack/delivery.ts'
import { aSlackWorld, type SlackWorld } from './slack-world.ts'

let world: SlackWorld
let id: ApprovalId
beforeAll(async () => {
  world = await aSlackWorld({ mode: 'http' })
  await world.link('mina')
  id = (await world.ask()).id
  await world.card(id)
})
afterAll(() => world.close())

const seconds = () => Math.floor(Date.now() / 1_000)

describe('refused before anything is read', () => {
  test.each<[string, Tampering]>([
    ['no signature', { headers: { 'x-slack-signature': null } }],
    ['no timestamp', { headers: { 'x-slack-request-timestamp': null } }],
    ['another secret', { secret: 'guessed' }],
    ['a signature of another version', { headers: { 'x-slack-signature': `v1=${'a'.repeat(64)}` } }],
    ['a signature that is too short', { headers: { 'x-slack-signature': 'v0=abc' } }],
    ['upper-case digits', { headers: { 'x-slack-signature': `v0=${'A'.repeat(64)}` } }],
    ['a time 301 s ago', { timestampOffsetS: -301 }],
    ['a time in 305 s', { timestampOffsetS: 305 }],
    ['a time that is none', { headers: { 'x-slack-request-timestamp': 'NaN' } }],
    ['a negative time', { headers: { 'x-slack-request-timestamp': '-1' } }],
    ['a huge time', { headers: { 'x-slack-request-timestamp': `1${'0'.repeat(20)}` } }],
    ['two times', { headers: { 'x-slack-request-timestamp': `${seconds()}, ${seconds()}` } }],
    ['another app', { payload: (payload) => ({ ...payload, api_app_id: 'A0OTHER' }) }],
  ])('%s', async (_what, tampering) => {
    const clicked = await world.click(id, 'approve', world.users.mina, { tampering })
    expect(clicked.status).toBe(401)
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })
})

describe('signed, and yet nothing', () => {
  const payload = (text: string) => new URLSearchParams({ payload: text }).toString()
  test.each<[string, string, number]>([
    ['two payloads', `${payload('{}')}&${payload('{}')}`, 400],
    ['a payload that is no JSON', payload('{'), 400],
    ['a payload that is a list', payload('[]'), 400],
    ['three megabytes', payload('x'.repeat(3_000_000)), 413],
  ])('%s', async (_what, body, status) => {
    expect((await world.slack.post(body)).status).toBe(status)
  })

  test.each<[string, object]>([
    ['no user', { user: undefined }],
    ['no team', { team: undefined, user: { id: 'U1' } }],
    ['no container', { container: undefined, message: undefined, channel: undefined }],
    ['no actions', { actions: [] }],
    ['a user of another team', { user: { id: 'U1', team_id: 'T0OTHER' } }],
  ])('a click with %s decides nothing and breaks nothing', async (_what, change) => {
    const tampering: Tampering = { payload: (sent) => JSON.parse(JSON.stringify({ ...sent, ...change })) }
    await world.click(id, 'approve', world.users.mina, { tampering })
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
    expect((await world.slack.sslCheck()).status).toBe(200)
  })
})

test('the handshakes of Slack are answered', async () => {
  expect(await world.slack.urlVerification()).toBe(true)
  expect((await world.slack.sslCheck()).status).toBe(200)
})

test('events and Home tabs nobody asked for are acknowledged', async () => {
  const deliveries = await world.slack.openHome({ user: world.users.mina })
  expect(deliveries.map(({ outcome }) => outcome)).toEqual(['acknowledged'])
})

test('a Slack that is too slow to say who clicked decides nothing, within its own three seconds', async () => {
  const { id: slowId } = await world.ask()
  await world.card(slowId)
  const user = world.slack.addUser({ name: 'slow' }).id
  await world.store.identities.link('slack', `${world.slack.teamId}:${user}`, 'mina')
  world.slack.slow(2_000)
  const clicked = await world.click(slowId, 'approve', user)
  world.slack.slow(0)
  expect(clicked.outcome).toBe('acknowledged')
  expect(await world.statusOf(slowId)).toMatchObject({ status: 'pending' })
})

describe('when the answer cannot be given', () => {
  async function post(processEvent: () => Promise<void>): Promise<Response> {
    const routes = createSlackRoutes({
      app: { processEvent },
      signingSecret: 'secret-of-the-app',
      ownAppId: () => null,
      log: silentLog,
    })
    const body = new URLSearchParams({ payload: '{"type":"block_actions"}' }).toString()
    const timestamp = String(seconds())
    const mac = createHmac('sha256', 'secret-of-the-app').update(`v0:${timestamp}:${body}`).digest('hex')
    return routes.request('/slack/events', {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-slack-request-timestamp': timestamp,
        'x-slack-signature': `v0=${mac}`,
      },
    })
  }

  test('because the ledger is away, the person sees an error', async () => {
    expect((await post(() => Promise.reject(new Error('no ledger')))).status).toBe(500)
  })

  test('in time, Slack hears so before it gives up', async () => {
    const startedMs = performance.now()
    expect((await post(() => new Promise(() => {}))).status).toBe(503)
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })
})
