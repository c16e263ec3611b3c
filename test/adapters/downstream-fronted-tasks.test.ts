/** Approved calls that the upstream makes tasks of its own of: ours stands for theirs, at any gateway, for its agent alone. */
import { describe, expect, test } from 'vitest'
import { everything } from '../../src/domain/stop.ts'
import type { Timings } from '../../src/domain/timings.ts'
import type { WireRequest, WireResponse } from '../../src/mcp/upstream/wire.ts'
import { aWorld, type World } from '../support/world.ts'
import { modernHeaders, wireJson } from './downstream-harness.ts'
import { aLadder, as, sentTimes, tasksMeta } from './downstream-ladder.ts'

const refund = { name: 'delete', arguments: { id: 7 } }
const THEIRS = 'their-task-1'
const created = `{"resultType":"task","taskId":"${THEIRS}","status":"working","createdAt":"1970-01-01T00:16:41.000Z","lastUpdatedAt":"1970-01-01T00:16:41.000Z","ttlMs":60000,"pollIntervalMs":10}`

interface Heard {
  readonly method: string
  readonly params: Record<string, unknown>
  readonly headers: WireRequest['headers']
  readonly body: string
}

/** An upstream that knows one task, which is as the test says. */
function anUpstreamWithTasks() {
  const heard: Heard[] = []
  const upstream = {
    heard,
    /** Raw JSON of `result`, or of the whole rest of the answer. */
    answers: new Map<string, string>(),
    /** How often it is not there at all. */
    async wire(request: WireRequest): Promise<WireResponse> {
      const { id, method, params } = JSON.parse(request.body ?? '')
      heard.push({ method, params, headers: request.headers, body: request.body ?? '' })
      const answer = upstream.answers.get(method) ?? '"error":{"code":-32601,"message":"Method not found"}'
      return wireJson(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},${answer}}`)
    },
    tells(more: string) {
      const times = '"createdAt":"1970-01-01T00:16:41.000Z","lastUpdatedAt":"1970-01-01T00:16:42.000Z"'
      const text = `"result":{"resultType":"complete","taskId":"${THEIRS}",${times},"ttlMs":60000,"pollIntervalMs":10,${more}}`
      upstream.answers.set('tasks/get', text)
    },
    of: (method: string) => heard.filter((message) => message.method === method),
  }
  upstream.tells('"status":"working","statusMessage":"half way","n":12345678901234567890')
  upstream.answers.set('tasks/update', '"result":{"resultType":"complete"}')
  upstream.answers.set('tasks/cancel', '"result":{"resultType":"complete"}')
  return upstream
}

async function accepted(options: { world?: World; timings?: Partial<Timings>; methods?: string[] } = {}) {
  const server = anUpstreamWithTasks()
  const { world = aWorld(), timings = {}, methods = ['tasks/update'] } = options
  const extraMethods = () => methods
  const ladder = await aLadder(world, { wire: server.wire, timings, extraMethods })
  world.upstream.answer = async () => ({
    kind: 'answered',
    reply: { kind: 'result', text: created, isError: false, isTask: true },
  })
  const { result } = await ladder.modern('tools/call', { ...refund, _meta: tasksMeta })
  const taskId = String(result.taskId)
  const about = (more: object = {}) => ({ taskId, _meta: tasksMeta, ...more })
  const id = await ladder.pendingId()
  await ladder.gateway.decide(id)
  await expect
    .poll(async () => (await world.ledger.get(id))?.approval.status, { timeout: 10_000 })
    .toBe('settled')
  return {
    ...ladder,
    server,
    taskId,
    about,
    id,
    get: async () => (await ladder.modern('tasks/get', about())).result,
  }
}

describe('a task of the upstream behind one of ours', () => {
  test('is told as it is, its own bytes under our name, and never by its own name', async () => {
    const { get, server, taskId, modern, about, post } = await accepted()
    expect(await get()).toMatchObject({
      resultType: 'complete',
      taskId,
      status: 'working',
      statusMessage: 'half way',
      createdAt: '1970-01-01T00:16:40.000Z',
      lastUpdatedAt: '1970-01-01T00:16:42.000Z',
      // Ours began a second earlier.
      ttlMs: 61_000,
      pollIntervalMs: 10,
    })
    const raw = await post(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/get', params: about() }),
      modernHeaders('tasks/get', taskId),
    )
    const text = await raw.text()
    expect(text).toContain('"n":12345678901234567890')
    expect(text).not.toContain(THEIRS)

    const [asked] = server.of('tasks/get')
    expect(asked?.headers).toMatchObject({ 'mcp-method': 'tasks/get', 'mcp-name': THEIRS })
    expect(asked?.params).toMatchObject({
      taskId: THEIRS,
      _meta: {
        'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      },
    })
    expect((await modern('tasks/get', { taskId: THEIRS, _meta: tasksMeta })).result).toMatchObject({
      taskId: THEIRS,
    })
  })

  test('ends with what the upstream says, and is collected then and not before', async () => {
    const { get, server, world, id } = await accepted()
    await get()
    expect(await world.ledger.deliveredAtMs(id)).toBeNull()
    server.tells(
      '"status":"completed","result":{"content":[{"type":"text","text":"refunded"}],"isError":false}',
    )
    expect(await get()).toMatchObject({
      status: 'completed',
      result: { content: [{ text: 'refunded' }], isError: false },
    })
    await expect.poll(() => world.ledger.deliveredAtMs(id)).not.toBeNull()
    server.tells('"status":"failed","error":{"code":-7,"message":"no"}')
    expect(await get()).toMatchObject({ status: 'failed', error: { code: -7 } })
    await sentTimes(world, 1)
  })

  test('is the same one for the same call, which does not run twice', async () => {
    const { modern, taskId, world, get } = await accepted()
    await get()
    world.ledger.advance(10 * 60_000)
    const again = await modern('tools/call', { ...refund, _meta: tasksMeta })
    expect(again.result).toMatchObject({ resultType: 'task', taskId, status: 'working' })
    await sentTimes(world, 1)
  })

  test('is not followed by a request without the extension, which is told where the result is', async () => {
    const { modern, taskId, world } = await accepted()
    const plain = await modern('tools/call', refund)
    expect(plain.error).toMatchObject({
      code: -32021,
      message: expect.stringMatching(
        /^SENT, ticket HP-.*works on it as a task of its own.*\(retry: never\)$/,
      ),
      data: {
        requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
        'dev.holdpoint/approval': { outcome: 'answered', retry: 'never' },
      },
    })
    expect(JSON.stringify(plain)).not.toContain(THEIRS)
    world.ledger.advance(10 * 60_000)
    const again = await modern('tools/call', { ...refund, _meta: tasksMeta })
    expect(again.result).toMatchObject({ taskId })
    await sentTimes(world, 1)
  })

  test('asks the client, whose answers go to the upstream as they came', async () => {
    const { get, server, about, taskId, post, modern } = await accepted()
    server.tells(
      '"status":"input_required","inputRequests":{"name":{"method":"elicitation/create","params":{}}}',
    )
    expect(await get()).toMatchObject({
      status: 'input_required',
      inputRequests: { name: { method: 'elicitation/create' } },
    })
    const answers = '{"name":{"action":"accept","content":{"n":12345678901234567890}}}'
    const params = JSON.stringify(about()).replace(/^\{/, `{"inputResponses":${answers},"stray":1,`)
    const response = await post(
      `{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":${params}}`,
      modernHeaders('tasks/update', taskId),
    )
    expect(await response.json()).toMatchObject({ result: { resultType: 'complete' } })
    const [update] = server.of('tasks/update')
    expect(update?.body).toContain(`"inputResponses":${answers}`)
    expect(update?.params).toMatchObject({ taskId: THEIRS })
    expect(update?.params).not.toHaveProperty('stray')
    expect((await modern('tasks/update', about({ inputResponses: 7 }))).error).toMatchObject({ code: -32602 })
    server.answers.set('tasks/update', '"error":{"code":-32602,"message":"no such key"}')
    expect((await modern('tasks/update', about({ inputResponses: {} }))).error.message).toBe('no such key')
    expect(server.of('tasks/update')).toHaveLength(2)
  })

  test('takes no answers that nobody has seen, unless an operator lets them through', async () => {
    const { modern, about, server } = await accepted({ methods: [] })
    const { error } = await modern('tasks/update', about({ inputResponses: { name: { action: 'accept' } } }))
    expect(error.message).toMatch(/^Nothing was sent\. HP-.*`methods: \[tasks\/update\]` in holdpoint\.yaml/)
    expect(server.of('tasks/update')).toEqual([])
  })

  test('is not asked about while a stop covers it, and can be cancelled all the same', async () => {
    const { world, about, server, taskId } = await accepted()
    const stop = { number: 1, scope: everything, by: 'mina', atMs: 0, reason: 'too much', lifted: null }
    const stopped = await aLadder(world, {
      wire: server.wire,
      node: 'gateway-2',
      stops: { over: () => stop },
      extraMethods: () => ['tasks/update'],
    })
    expect((await stopped.modern('tasks/get', about())).result).toMatchObject({
      taskId,
      status: 'working',
      statusMessage: expect.stringMatching(/not asked about while a stop is in force/),
    })
    expect((await stopped.modern('tasks/update', about({ inputResponses: {} }))).error.message).toMatch(
      /^STOPPED/,
    )
    expect(server.heard).toEqual([])
    expect((await stopped.modern('tasks/cancel', about())).result).toEqual({ resultType: 'complete' })
    expect(server.of('tasks/cancel')).toHaveLength(1)
  })

  test('is cancelled there', async () => {
    const { modern, about, server, get } = await accepted()
    expect((await modern('tasks/cancel', about())).result).toEqual({ resultType: 'complete' })
    expect(server.of('tasks/cancel')).toMatchObject([{ params: { taskId: THEIRS } }])
    server.tells('"status":"cancelled"')
    expect(await get()).toMatchObject({ status: 'cancelled' })
  })

  test('is asked about at any gateway, and by nobody else', async () => {
    const { world, server, about, get } = await accepted()
    const second = await aLadder(world, { wire: server.wire, node: 'gateway-2' })
    expect((await second.modern('tasks/get', about())).result).toMatchObject({ statusMessage: 'half way' })
    const asked = server.heard.length
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const refused = await second.modern(method, about({ inputResponses: {} }), as('other'))
      expect(refused.error).toEqual({ code: -32602, message: 'Failed to retrieve task: Task not found' })
    }
    expect(server.heard).toHaveLength(asked)
    world.ledger.advance(25 * 60 * 60_000)
    expect(await get()).toBeUndefined()
    expect(server.heard).toHaveLength(asked)
  })

  test('that the upstream does not know any more has ended, and nobody knows how', async () => {
    const { get, server, world } = await accepted()
    server.answers.set('tasks/get', '"error":{"code":-32602,"message":"Task not found"}')
    const lost = await get()
    expect(lost).toMatchObject({ status: 'completed', result: { isError: true } })
    expect(lost.result.content[0].text).toMatch(
      /MAY OR MAY NOT.*does not know that task any more.*\(retry: never\)$/,
    )
    await sentTimes(world, 1)
  })

  test('is said to work as long as the upstream is out of reach or says what is no task', async () => {
    const { get, server, modern, about } = await accepted()
    for (const answer of [
      '"error":{"code":-32603,"message":"later"}',
      '"result":{"taskId":"another","status":"completed","result":{"content":[]}}',
      '"result":"nothing"',
      `"result":{"taskId":"${THEIRS}","status":"done"}`,
    ]) {
      server.answers.set('tasks/get', answer)
      expect(await get()).toMatchObject({
        status: 'working',
        statusMessage: expect.stringMatching(
          /accepted it as a task of its own\. The server cannot be asked about it/,
        ),
      })
    }
    server.answers.set('tasks/cancel', '"neither":1')
    expect((await modern('tasks/cancel', about())).error).toMatchObject({ code: -32603 })
    server.answers.set('tasks/update', '"neither":1')
    expect((await modern('tasks/update', about({ inputResponses: {} }))).error).toMatchObject({
      code: -32603,
    })
  })

  test('is heard of by who listens to it, each time that it is another', async () => {
    const { request, server, taskId } = await accepted()
    const notifications = { taskIds: [taskId] }
    const listening = await request('/mcp/github', {
      method: 'POST',
      headers: {
        authorization: 'Bearer agent',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        host: 'gateway:8484',
        ...modernHeaders('subscriptions/listen'),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 'l1',
        method: 'subscriptions/listen',
        params: { notifications, _meta: tasksMeta },
      }),
    })
    let text = ''
    const reader = listening.body?.pipeThrough(new TextDecoderStream()).getReader()
    const reading = (async () => {
      for (let part = await reader?.read(); part?.done === false; part = await reader?.read())
        text += part.value
    })()
    await expect.poll(() => text, { timeout: 10_000 }).toContain('half way')
    server.tells('"status":"completed","result":{"content":[]}')
    await expect.poll(() => text, { timeout: 20_000 }).toContain('"status":"completed"')
    expect(text.split('half way')).toHaveLength(2)
    expect(text).not.toContain(THEIRS)
    await reader?.cancel()
    await reading
  })
})
