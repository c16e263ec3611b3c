/** What a stopped agent is told, and what it may still ask. */
import { expect, test } from 'vitest'
import { everything, type Stop, type StopScope, stopOver } from '../../src/domain/stop.ts'
import { aHarness, call, modernHeaders, modernMeta } from './downstream-harness.ts'

const aStop = (scope: Partial<StopScope>): Stop => ({
  ...{ number: 7, scope: { ...everything, ...scope }, reason: '밤새 "저장소"를 지웠어요', by: 'mina' },
  ...{ atMs: Date.UTC(2026, 7, 1, 9), lifted: null },
})
const harnessWith = (scope: Partial<StopScope>) =>
  aHarness({ stops: { over: (asked) => stopOver([aStop(scope)], asked) } })
const request = (method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id: 3, method, params })

test('an allowed call is refused before the policy, in words it can act on', async () => {
  const harness = harnessWith({ server: 'github', tool: 'ping_tool' })
  const response = await harness.post(call('ping_tool', { arguments: {} }, 'x'))
  expect(response.status).toBe(200)
  const answer = Object(await response.json())
  expect(answer).toMatchObject({
    id: 'x',
    result: {
      isError: true,
      _meta: {
        'dev.holdpoint/approval': {
          ...{ status: 'stopped', outcome: null, retry: 'never', reason: '밤새 "저장소"를 지웠어요' },
          stop: { number: 7, by: 'mina', at: '2026-08-01T09:00:00.000Z', tool: 'ping_tool', agent: null },
        },
      },
    },
  })
  expect(answer.result.content[0].text).toMatch(
    /^NOT EXECUTED\. STOPPED by mina at 2026-08-01T09:00:00\.000Z: "밤새 .*the tool ping_tool of the server github, until a person lifts it.*\(retry: never\)$/,
  )
  expect(harness.exchanges).toHaveLength(0)
})

test('a critical call is refused without asking anybody, also in 2026-07-28 and as a task', async () => {
  const harness = harnessWith({ agent: 'night-agent' })
  const plain = await harness.post(call('delete_repository', { arguments: {}, task: {} }))
  expect(await plain.json()).toMatchObject({ result: { isError: true } })
  const text = call('delete_repository', { arguments: {}, _meta: modernMeta })
  const modern = await harness.post(text, modernHeaders('tools/call', 'delete_repository'))
  expect(await modern.json()).toMatchObject({ result: { resultType: 'complete', isError: true } })
  expect(harness.asked).toHaveLength(0)
})

test('what the stop does not cover passes', async () => {
  for (const scope of [{ server: 'pay' }, { agent: 'other' }, { server: 'github', tool: 'other_tool' }]) {
    const harness = harnessWith(scope)
    await harness.post(call('ping_tool'))
    await harness.post(request('tools/list'))
    expect(harness.exchanges).toHaveLength(2)
  }
})

test('a stopped agent or server gets no other answers either, only that the gateway is there', async () => {
  for (const scope of [everything, { agent: 'night-agent' }, { server: 'github' }]) {
    const harness = harnessWith(scope)
    for (const method of ['tools/list', 'resources/read', 'prompts/get', 'completion/complete']) {
      const response = await harness.post(request(method))
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        id: 3,
        error: {
          code: -31403,
          message: expect.stringMatching(/^STOPPED by mina/),
          data: { status: 'stopped', stop: { number: 7 }, retry: 'never' },
        },
      })
    }
    expect(harness.exchanges).toHaveLength(0)
    await harness.post(request('ping'))
    const clientInfo = { name: 'test', version: '1' }
    await harness.post(request('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }))
    expect(harness.exchanges).toHaveLength(2)
  }
})

test('a stop of one tool hides nothing', async () => {
  const harness = harnessWith({ server: 'github', tool: 'ping_tool' })
  await harness.post(request('tools/list'))
  expect(harness.exchanges).toHaveLength(1)
})
