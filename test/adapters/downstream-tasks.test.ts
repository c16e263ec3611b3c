/** Paused calls as tasks of both generations: durable, bound to their agent, polled anywhere, cancelled in time. */
import { describe, expect, test } from 'vitest'
import { aPolicy } from '../support/builders.ts'
import { aHarness, call, modernHeaders, modernMeta, wireEvents, wireJson } from './downstream-harness.ts'
import { aLadder, as, sentTimes, tasksMeta } from './downstream-ladder.ts'

const refund = { name: 'delete', arguments: { id: 7 } }
const modernCall = { ...refund, _meta: tasksMeta }
const legacyCall = { ...refund, task: { ttl: 60_000 } }

async function created() {
  const ladder = await aLadder()
  const { result } = await ladder.modern('tools/call', modernCall)
  const about = (more: object = {}) => ({ taskId: String(result.taskId), _meta: tasksMeta, ...more })
  return { ...ladder, task: result, about }
}

describe('a task of 2026-07-28', () => {
  test('is in the ledger before it is answered, and says who is asked and until when', async () => {
    const { task, world, pendingId } = await created()
    expect(task).toMatchObject({
      resultType: 'task',
      taskId: expect.stringMatching(/^hpt1_HP-[0-9A-Z]{10}_[\w-]{22}$/),
      status: 'working',
      statusMessage: expect.stringMatching(
        /Waiting for approval HP-.* so far, can be decided until .*Asked: group ops/,
      ),
      pollIntervalMs: 1_000,
    })
    expect(Date.parse(task.createdAt)).toBe(1_000_000)
    expect(task.ttlMs).toBe(29 * 60 * 60 * 1_000)
    expect((await world.ledger.get(await pendingId()))?.approval.status).toBe('pending')
  })

  test('runs while it is polled, once, and then carries the result of the call', async () => {
    const { modern, about, gateway, world, pendingId } = await created()
    expect((await modern('tasks/get', about())).result).toMatchObject({
      resultType: 'complete',
      status: 'working',
    })
    const id = await pendingId()
    await gateway.decide(id)
    await sentTimes(world, 1)
    await expect
      .poll(async () => (await modern('tasks/get', about())).result)
      .toMatchObject({ status: 'completed', result: { resultType: 'complete', content: [] } })
    await expect.poll(() => world.ledger.deliveredAtMs(id)).not.toBeNull()
    // The same name gives the same answer as long as it is kept; nothing runs again.
    world.ledger.advance(10 * 60_000)
    expect((await modern('tasks/get', about())).result).toMatchObject({ status: 'completed' })
    world.ledger.advance(24 * 60 * 60_000)
    expect((await modern('tasks/get', about())).error).toMatchObject({ code: -32602 })
    await sentTimes(world, 1)
  })

  test('does not run when nobody polls it any more, and does when somebody comes back, at any gateway', async () => {
    const ladder = await aLadder(undefined, { timings: { pollMs: 10 } })
    const { result } = await ladder.modern('tools/call', modernCall)
    const id = await ladder.pendingId()
    await expect.poll(() => ladder.world.ledger.waitingNodes(id)).toEqual([])
    await ladder.gateway.decide(id)
    await new Promise((done) => setTimeout(done, 50))
    expect(ladder.world.upstream.sent).toEqual([])
    const second = await aLadder(ladder.world, { node: 'gateway-2' })
    await second.modern('tasks/get', { taskId: result.taskId, _meta: tasksMeta })
    await sentTimes(ladder.world, 1)
  })

  test('fails with the error of the upstream, and completes with what people said', async () => {
    const failing = await created()
    failing.world.upstream.answer = async () => ({
      kind: 'answered',
      reply: { kind: 'error', text: '{"code":-7,"message":"no","data":12345678901234567890}', isError: true },
    })
    await failing.gateway.decide(await failing.pendingId())
    await expect
      .poll(async () => (await failing.modern('tasks/get', failing.about())).result)
      .toMatchObject({ status: 'failed', error: { code: -7 } })

    const denied = await created()
    await denied.gateway.decide(await denied.pendingId(), 'reject')
    const { result } = await denied.modern('tasks/get', denied.about())
    expect(result).toMatchObject({ status: 'completed', result: { isError: true } })
    expect(result.result.content[0].text).toMatch(
      /^NOT EXECUTED\. mina rejected this call.*\(retry: never\)$/,
    )
  })

  test('is cancelled by its agent until it is being sent; afterwards the cancel is only acknowledged', async () => {
    const { modern, about, world, gateway, pendingId } = await created()
    expect((await modern('tasks/cancel', about())).result).toEqual({ resultType: 'complete' })
    expect((await modern('tasks/get', about())).result).toMatchObject({ status: 'cancelled' })
    expect(await gateway.decide(await pendingId())).toMatchObject({ ok: false })

    const { modern: ask, about: sent, ...running } = await created()
    let answer: () => void = () => {}
    running.world.upstream.answer = () =>
      new Promise((resolve) => {
        answer = () =>
          resolve({ kind: 'answered', reply: { kind: 'result', text: '{"content":[]}', isError: false } })
      })
    await running.gateway.decide(await running.pendingId())
    await sentTimes(running.world, 1)
    expect((await ask('tasks/cancel', sent())).result).toEqual({ resultType: 'complete' })
    expect((await ask('tasks/get', sent())).result).toMatchObject({ status: 'working' })
    answer()
    await expect.poll(async () => (await ask('tasks/get', sent())).result.status).toBe('completed')
    expect(world.upstream.sent).toEqual([])
  })

  test('takes answers to questions that it never asked, and does nothing with them', async () => {
    const { modern, about, world } = await created()
    const update = about({ inputResponses: { go: { action: 'accept' } } })
    expect((await modern('tasks/update', update)).result).toEqual({ resultType: 'complete' })
    expect((await modern('tasks/get', about())).result).toMatchObject({ status: 'working' })
    expect(world.upstream.sent).toEqual([])
  })

  test('is nobody else’s: another agent, a guess and a changed name are all the same unknown', async () => {
    const { modern, about, task, exchanges, world, gateway, pendingId } = await created()
    const unknown = { code: -32602, message: 'Failed to retrieve task: Task not found' }
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      expect((await modern(method, about(), as('other'))).error).toEqual(unknown)
      for (const taskId of [
        `${task.taskId}x`,
        task.taskId.slice(0, -1),
        task.taskId.toLowerCase(),
        'hpt1_HP-0000000000_AAAAAAAAAAAAAAAAAAAAAA',
        'hpt1_',
      ]) {
        expect((await modern(method, about({ taskId }))).error).toEqual(unknown)
      }
    }
    expect((await world.ledger.get(await pendingId()))?.approval.status).toBe('pending')
    expect(await gateway.decide(await pendingId())).toMatchObject({ ok: true })
    expect(exchanges).toEqual([])
  })

  test('wants the capability on each request, and the header that names it', async () => {
    const { modern, about, task, post } = await created()
    expect(await modern('tasks/get', { taskId: task.taskId })).toMatchObject({
      status: 400,
      error: {
        code: -32021,
        data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
      },
    })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/get', params: about() })
    const response = await post(body, modernHeaders('tasks/get', 'another'))
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: -32020 } })
  })

  test('of the upstream is unknown where the upstream has no tasks, and is asked for by clients that know tasks', async () => {
    const none = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}'
    const harness = aHarness({ wire: () => ({ ...wireJson(none), status: 404 }) })
    const ask = (method: string, _meta: object) =>
      harness.post(
        JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { taskId: 'theirs', _meta } }),
        modernHeaders(method, 'theirs'),
      )
    const unknown = await ask('tasks/get', tasksMeta)
    expect(unknown.status).toBe(200)
    expect(await unknown.json()).toMatchObject({ error: { code: -32602 } })
    const asked = harness.exchanges.length
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const refused = await ask(method, modernMeta)
      expect(refused.status).toBe(400)
      expect(await refused.json()).toMatchObject({ error: { code: -32021 } })
    }
    expect(harness.exchanges).toHaveLength(asked)
  })

  test('is not made for a client that does not declare it', async () => {
    const { modern } = await aLadder()
    const { result } = await modern('tools/call', refund)
    expect(result.resultType).toBe('input_required')
  })

  test('tells a question of the upstream for what it is', async () => {
    const { modern, about, world, gateway, pendingId } = await created()
    const text = '{"resultType":"input_required","inputRequests":{}}'
    world.upstream.answer = async () => ({
      kind: 'answered',
      reply: { kind: 'result', text, isError: false },
    })
    await gateway.decide(await pendingId())
    await expect.poll(async () => (await modern('tasks/get', about())).result.status).toBe('completed')
    const { result } = await modern('tasks/get', about())
    expect(result.result.content[0].text).toMatch(/SENT.*asks for more input/)
  })
})

describe('a task of 2025-11-25', () => {
  test('is made where the client asks for one, and read by tasks/result', async () => {
    const { legacy, gateway, world, pendingId } = await aLadder()
    const { result } = await legacy('tools/call', legacyCall)
    expect(result.task).toMatchObject({ status: 'working', pollInterval: 1_000 })
    expect(result._meta['io.modelcontextprotocol/model-immediate-response']).toMatch(
      /Waiting for approval HP-/,
    )
    const { taskId } = result.task
    const reading = legacy('tasks/result', { taskId })
    await gateway.decide(await pendingId())
    expect((await reading).result).toEqual({
      content: [],
      _meta: { 'io.modelcontextprotocol/related-task': { taskId } },
    })
    expect((await legacy('tasks/get', { taskId })).result).toMatchObject({ taskId, status: 'completed' })
    await sentTimes(world, 1)
  })

  test('that people denied has failed, says why, and gives the same as its result', async () => {
    const { legacy, gateway, pendingId } = await aLadder()
    const { taskId } = (await legacy('tools/call', legacyCall)).result.task
    await gateway.decide(await pendingId(), 'reject')
    const { result } = await legacy('tasks/get', { taskId })
    expect(result).toMatchObject({
      status: 'failed',
      statusMessage: expect.stringMatching(/mina rejected this call/),
    })
    const told = await legacy('tasks/result', { taskId })
    expect(told.result).toMatchObject({ isError: true })
    // Asked for once more, there is a task of it, too, which has ended.
    const again = await legacy('tools/call', legacyCall)
    expect(again.result.task).toMatchObject({ taskId, status: 'failed' })
  })

  test('is cancelled once, and not after it has ended', async () => {
    const { legacy } = await aLadder()
    const { taskId } = (await legacy('tools/call', legacyCall)).result.task
    expect((await legacy('tasks/cancel', { taskId })).result).toMatchObject({ taskId, status: 'cancelled' })
    expect((await legacy('tasks/cancel', { taskId })).error).toMatchObject({
      code: -32602,
      message: expect.stringMatching(/Cannot cancel task/),
    })
  })

  test('is not part of earlier revisions', async () => {
    const { legacy } = await aLadder()
    const older = await legacy('tools/call', legacyCall, { 'mcp-protocol-version': '2025-06-18' })
    expect(older.error.message).toMatch(/'task' is not part of a call in MCP 2025-06-18/)
  })

  test('is listed behind those of the upstream, and alone where the upstream has none', async () => {
    const page = '{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"theirs","n":12345678901234567890}]}}'
    const ladder = await aLadder(undefined, { wire: () => wireJson(page) })
    const { taskId } = (await ladder.legacy('tools/call', legacyCall)).result.task
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/list', params: {} })
    const listed = await (await ladder.post(body, { 'mcp-protocol-version': '2025-11-25' })).text()
    expect(listed).toContain('{"taskId":"theirs","n":12345678901234567890},')
    expect(listed).toContain(taskId)

    const none = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}'
    const alone = await aLadder(ladder.world, {
      wire: () => wireEvents(`data: ${none}\n\n`),
      node: 'gateway-2',
    })
    expect((await alone.legacy('tasks/list', {})).result.tasks).toMatchObject([{ taskId }])
    expect((await alone.legacy('tasks/list', {}, as('other'))).result.tasks).toEqual([])

    const more = page.replace(/\}\}$/, ',"nextCursor":"2"}}').replace(']},', '],')
    const paged = await aLadder(ladder.world, { wire: () => wireJson(more), node: 'gateway-3' })
    expect((await paged.legacy('tasks/list', {})).result.tasks).toHaveLength(1)
  })
})

test('tasks of the upstream are not ours: their names pass', async () => {
  const { post, exchanges } = await aLadder()
  for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { taskId: 'theirs' } })
    await post(body, { 'mcp-protocol-version': '2025-11-25' })
    expect(exchanges.at(-1)?.body).toBe(body)
  }
  // Neither is a task of a call that nobody has to approve.
  const allowed = call('ping_tool', { arguments: {}, task: {} })
  await post(allowed, { 'mcp-protocol-version': '2025-11-25' })
  expect(exchanges.at(-1)?.body).toBe(allowed)
})

describe('what a server says it can do', () => {
  const initialize = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' },
  }
  const tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } }

  test.each([
    ['nothing of tasks', '{"tools":{}}', { tools: { listChanged: true }, tasks }],
    [
      'some of them',
      '{"tasks":{"requests":{"sampling":{"createMessage":{}}},"x":1}}',
      { tasks: { ...tasks, x: 1, requests: { sampling: { createMessage: {} }, tools: { call: {} } } } },
    ],
  ])('has tasks added where the upstream says %s', async (_what, capabilities, expected) => {
    const wire = () =>
      wireJson(
        `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":${capabilities}}}`,
      )
    const { legacy } = await aLadder(undefined, { wire })
    expect((await legacy('initialize', initialize)).result.capabilities).toEqual(expected)
  })

  test('has no tasks in a revision without them', async () => {
    const answer =
      '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}}'
    const { post } = await aLadder(undefined, { wire: () => wireJson(answer) })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize })
    expect(await (await post(body)).text()).toBe(answer)
  })

  test('has the extension in server/discover', async () => {
    const wire = () =>
      wireJson('{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{},"extensions":{"a/b":{}}}}}')
    const { modern } = await aLadder(undefined, { wire })
    expect((await modern('server/discover', {})).result.capabilities).toEqual({
      tools: { listChanged: true },
      extensions: { 'a/b': {}, 'io.modelcontextprotocol/tasks': {} },
    })
  })

  test('marks gated tools of 2025-11-25, and keeps their bytes otherwise', async () => {
    const gated = '{"name":"delete","outputSchema":{"type":"object"},"n":12345678901234567890}'
    const free = '{"name":"ping_tool","execution":{"taskSupport":"forbidden"}}'
    const wire = () =>
      wireJson(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${gated},${free}],"nextCursor":"2"}}`)
    const { post } = await aLadder(undefined, { wire, policy: aPolicy({ ping_tool: 'allow' }) })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
    const text = await (await post(body, { 'mcp-protocol-version': '2025-11-25' })).text()
    expect(text).toContain(`${gated.slice(0, -1)},"execution":{"taskSupport":"optional"}}`)
    expect(text).toContain(free)
    expect(text).toContain('"nextCursor":"2"')
  })
})
