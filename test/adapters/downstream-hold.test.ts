/** A paused call: its stream while it waits, its one answer, and what is marked as delivered. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Approval, Outcome } from '../../src/domain/approval.ts'
import { err } from '../../src/domain/result.ts'
import { createAnswerStream } from '../../src/mcp/downstream/answer-stream.ts'
import { createHeldRequests } from '../../src/mcp/downstream/held-requests.ts'
import { createSessionSeal } from '../../src/mcp/downstream/sealed-session.ts'
import type { Awaited, AwaitRequest } from '../../src/services/await-outcome.ts'
import { admission, agent, anApproval } from '../support/builders.ts'
import {
  aHarness,
  approvedNow,
  call,
  eventually,
  executingNow,
  type Harness,
  type HarnessOptions,
  messagesIn,
  modernHeaders,
  modernMeta,
  outcomes,
  settledAs,
  usualHeaders,
} from './downstream-harness.ts'

/** A harness whose outcome comes when the test says so; a requester who leaves gets none. */
function aWait(options: HarnessOptions = {}) {
  const { approval } = anApproval()
  const awaited: AwaitRequest[] = []
  let settle: (awaited: Awaited) => void = () => {}
  const settled = new Promise<Awaited>((resolve) => {
    settle = resolve
  })
  const harness = aHarness({
    ask: async () => ({ ok: true, value: { kind: 'waiting', approval, isNew: true } }),
    awaitOutcome(request) {
      awaited.push(request)
      const left = new Promise<Awaited>((resolve) => {
        request.signal.addEventListener('abort', () => resolve({ kind: 'left' }))
      })
      return Promise.race([settled, left])
    },
    ...options,
  })
  return { ...harness, approval, awaited, settle: (value: Awaited) => settle(value) }
}

const sealedFor = (id: string) =>
  createSessionSeal(new Uint8Array(32).fill(7)).seal(
    { principal: agent, server: 'github' },
    { id, client: null },
  )

const slow = { commentMs: 60_000, progressMs: 60_000 }

describe('a paused call', () => {
  it('opens its stream at once, and ends it with the upstream’s own bytes', async () => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete', { arguments: {} }, 'a"b'))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    const reader = response.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(
      `: held for ${wait.approval.id}\n\n`,
    )

    wait.settle(settledAs(wait.approval, outcomes.answered(), '{"content":[],"n":12345678901234567890}'))
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(
      'event: message\ndata: {"jsonrpc":"2.0","id":"a\\"b","result":{"content":[],"n":12345678901234567890}}\n\n',
    )
    expect(wait.delivered).toEqual([])
    expect((await reader?.read())?.done).toBe(true)
    await eventually(() => wait.delivered.length === 1)
    expect(wait.delivered).toEqual([wait.approval.id])
    expect(wait.awaited).toMatchObject([{ id: wait.approval.id, holdMs: 50_000 }])
  })

  it('hands on an error of the upstream verbatim', async () => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete'))
    wait.settle(settledAs(wait.approval, outcomes.answered('error'), '{"code":-7,"message":"no","data":1.0}'))
    expect(await response.text()).toContain(
      '{"jsonrpc":"2.0","id":1,"error":{"code":-7,"message":"no","data":1.0}}',
    )
  })

  it('keeps the connection alive with comments', async () => {
    const wait = aWait({ timings: { ...slow, commentMs: 2 } })
    const response = await wait.post(call('delete'))
    const reader = response.body?.getReader()
    let text = ''
    while (text.split(': still waiting\n\n').length < 4) {
      text += Buffer.from((await reader?.read())?.value ?? []).toString()
    }
    wait.settle(settledAs(wait.approval, outcomes.expired))
    expect(messagesIn(text)).toEqual([])
    await reader?.cancel()
  })

  it.each([7, '7', 1.5, 'x'])(
    'reports progress under the token %j, always rising, always tiny',
    async (token) => {
      const wait = aWait({ timings: { ...slow, progressMs: 1 } })
      const response = await wait.post(call('delete', { arguments: {}, _meta: { progressToken: token } }))
      const reader = response.body?.getReader()
      let text = ''
      while (messagesIn(text).length < 5) text += Buffer.from((await reader?.read())?.value ?? []).toString()
      await reader?.cancel()
      const params = messagesIn(text).map((message) => Object(message).params)
      for (const [index, { progressToken, progress, message }] of params.entries()) {
        expect(progressToken).toBe(token)
        expect(progress).toBeGreaterThan(index === 0 ? 0 : params[index - 1].progress)
        expect(progress).toBeLessThan(0.001)
        expect(message).toContain(`Waiting for approval ${wait.approval.id}`)
        expect(message).toContain('group ops')
        expect(message).toContain('1970-01-01T00:17Z')
        expect(message.length).toBeLessThanOrEqual(200)
      }
    },
  )

  it('reports no progress that nobody asked for', async () => {
    const wait = aWait({ timings: { ...slow, progressMs: 1, commentMs: 5 } })
    const response = await wait.post(call('delete'))
    const reader = response.body?.getReader()
    let text = ''
    while (!text.includes('still waiting'))
      text += Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
    expect(messagesIn(text)).toEqual([])
  })

  it('passes on what the upstream says while the call runs, and then stops reporting itself', async () => {
    let say: (rawMessage: string) => void = () => {}
    const wait = aWait({
      timings: { ...slow, progressMs: 1 },
      createSession: ({ onMessage }) => {
        say = onMessage
        return {
          describe: async () => ({ kind: 'unlisted' }),
          send: async () => ({ kind: 'not_sent', reason: '' }),
        }
      },
    })
    const response = await wait.post(call('delete', { arguments: {}, _meta: { progressToken: 1 } }))
    const text = response.text()
    await wait.awaited[0]?.session.send({
      approvalId: wait.approval.id,
      canonicalParams: '{}',
      idempotencyKey: null,
      mayStillStart: () => true,
    })
    const own =
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0}}'
    const question = '{"jsonrpc":"2.0","id":"srv-1","method":"sampling/createMessage","params":{}}'
    say(own)
    say(question)
    await new Promise((resolve) => setTimeout(resolve, 20))
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{}'))
    const withoutIds = (await text).replaceAll(/^(id|retry): .*\n/gm, '')
    const events = withoutIds.split('\n\n').filter((event) => event.startsWith('event: message'))
    const ownAt = events.indexOf(`event: message\ndata: ${own}`)
    expect(events.slice(ownAt)).toEqual([
      `event: message\ndata: ${own}`,
      `event: message\ndata: ${question}`,
      'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}',
    ])
  })

  it('says that it is running once it was sent', async () => {
    const wait = aWait({ timings: { ...slow, progressMs: 1 } })
    const response = await wait.post(call('delete', { arguments: {}, _meta: { progressToken: 1 } }))
    wait.awaited[0]?.onLook(executingNow(wait.approval))
    const reader = response.body?.getReader()
    let text = ''
    while (!text.includes(`${wait.approval.id} was approved by mina and is running`)) {
      text += Buffer.from((await reader?.read())?.value ?? []).toString()
    }
    await reader?.cancel()
  })

  it('is answered in JSON to a client that reads only JSON', async () => {
    const wait = aWait({ timings: { commentMs: 1, progressMs: 1 } })
    const text = call('delete', { arguments: {}, _meta: { progressToken: 1 } })
    const response = await wait.post(text, { accept: 'application/json' })
    expect(response.headers.get('content-type')).toBe('application/json')
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{"content":[]}'))
    expect(await response.text()).toBe('{"jsonrpc":"2.0","id":1,"result":{"content":[]}}')
    await eventually(() => wait.delivered.length === 1)
  })

  it('gives a stored reply the result type that 2026-07-28 requires', async () => {
    const text = call('delete', { arguments: {}, _meta: modernMeta })
    for (const [reply, expected] of [
      ['{"content":[]}', { resultType: 'complete', content: [] }],
      ['{"resultType":"input_required"}', { resultType: 'input_required' }],
    ] as const) {
      const wait = aWait({ timings: slow })
      const response = await wait.post(text, modernHeaders('tools/call', 'delete'))
      wait.settle(settledAs(wait.approval, outcomes.answered(), reply))
      expect(messagesIn(await response.text())).toEqual([{ jsonrpc: '2.0', id: 1, result: expected }])
    }
  })
})

describe('an outcome without an answer of the upstream', () => {
  it.each<[string, Outcome, RegExp, object]>([
    [
      'rejected',
      outcomes.rejected,
      /^NOT EXECUTED\. mina rejected.*"not on a Friday".*another way/,
      { retry: 'never', decidedBy: 'mina', coolDownUntil: '1970-01-01T00:27:40.000Z' },
    ],
    ['expired', outcomes.expired, /^NOT EXECUTED\. Nobody decided in time/, { retry: 'same' }],
    ['lapsed', outcomes.lapsed, /^NOT EXECUTED\. mina said yes/, { retry: 'same' }],
    ['cancelled', outcomes.cancelled, /^NOT EXECUTED\..*withdrawn by jun/, { retry: 'never' }],
    ['invalidated', outcomes.invalidated, /^NOT EXECUTED\..*changed the definition/, { retry: 'changed' }],
    ['not_sent', outcomes.not_sent, /^NOT EXECUTED, certainly/, { retry: 'same' }],
    [
      'indeterminate',
      outcomes.indeterminate,
      /^This call MAY OR MAY NOT have been executed/,
      { retry: 'never' },
    ],
    ['answered, its text lost', outcomes.answered(), /^EXECUTED/, { retry: 'never' }],
  ])('is told as text and as data: %s', async (_, outcome, text, meta) => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete'))
    wait.settle(settledAs(wait.approval, outcome))
    const stream = await response.text()
    expect(stream).not.toMatch(/ECONN|10\.0\.0\.7/)
    const result = Object(messagesIn(stream)[0]).result
    expect(result).toMatchObject({
      isError: true,
      _meta: {
        'dev.holdpoint/approval': { id: wait.approval.id, status: 'settled', outcome: outcome.kind, ...meta },
      },
    })
    expect(result.content[0].text).toMatch(text)
    expect(result.content[0].text).toContain(wait.approval.id)
    await eventually(() => wait.delivered.length === 1)
  })
})

describe('a hold that ends before the approval', () => {
  const waiting = (approval: Approval): Awaited => ({ kind: 'still_waiting', approval })

  it.each<[string, (approval: Approval) => Approval, boolean, RegExp]>([
    [
      'pending',
      (approval) => approval,
      true,
      /^NOT EXECUTED\. Waiting for human approval, ticket HP-\w+\. Call the same tool again with identical arguments.*Do not try another way.*group ops.*1970-01-01T00:17:40/,
    ],
    [
      'pending',
      (approval) => approval,
      false,
      /^NOT EXECUTED\..*You have asked before\. Stop now, tell your user/,
    ],
    ['approved', approvedNow, true, /^APPROVED by mina, but not executed so far.*1970-01-01T01:16:40/],
  ])('says how to go on: %s', async (status, now, isNew, text) => {
    const { approval } = anApproval()
    const harness = aHarness({
      timings: slow,
      ask: async () => ({ ok: true, value: { kind: 'waiting', approval, isNew } }),
      awaitOutcome: async () => waiting(now(approval)),
    })
    const response = await harness.post(call('delete'))
    const result = Object(messagesIn(await response.text())[0]).result
    expect(result.content[0].text).toMatch(text)
    expect(result).toMatchObject({
      isError: true,
      _meta: {
        'dev.holdpoint/approval': {
          id: approval.id,
          status,
          outcome: null,
          retry: 'same',
          expiresAt: '1970-01-01T00:17:40.000Z',
          approvers: { groups: ['ops'], people: [], selfConfirm: false },
        },
      },
    })
    expect(harness.delivered).toEqual([])
  })

  it('goes on while the call is being sent, because "not executed" would be false', async () => {
    const { approval } = anApproval()
    const looks: Awaited[] = [
      waiting(executingNow(approval)),
      waiting(executingNow(approval)),
      settledAs(approval, outcomes.answered(), '{"content":[]}'),
    ]
    const clock = {
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now(),
      sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 1)),
    }
    const harness = aHarness({
      clock,
      timings: slow,
      ask: async () => ({ ok: true, value: { kind: 'waiting', approval, isNew: true } }),
      awaitOutcome: async () => looks.shift() ?? waiting(approval),
    })
    const response = await harness.post(call('delete'))
    expect(messagesIn(await response.text())).toEqual([{ jsonrpc: '2.0', id: 1, result: { content: [] } }])
    expect(looks).toEqual([])
  })

  it('does not go on for ever', async () => {
    const { approval } = anApproval()
    const harness = aHarness({
      timings: { ...slow, replyIdleMs: 20 },
      ask: async () => ({ ok: true, value: { kind: 'waiting', approval, isNew: true } }),
      awaitOutcome: async () => waiting(executingNow(approval)),
    })
    const text = await (await harness.post(call('delete'))).text()
    expect(text).toContain('APPROVED by mina and BEING SENT')
    expect(text).not.toContain('NOT EXECUTED')
    expect(harness.delivered).toEqual([])
  })

  it('answers even when the ledger is gone, and claims nothing', async () => {
    const harness = aHarness({
      timings: slow,
      awaitOutcome: async () => {
        throw new Error('connect ECONNREFUSED')
      },
    })
    const text = await (await harness.post(call('delete'))).text()
    expect(messagesIn(text)).toMatchObject([{ id: 1, error: { code: -32603 } }])
    expect(text).not.toMatch(/NOT EXECUTED|ECONN/)
    expect(harness.delivered).toEqual([])
  })

  it('stands although the mark fails', async () => {
    const wait = aWait({
      timings: slow,
      markDelivered: async () => {
        throw new Error('no ledger')
      },
    })
    const response = await wait.post(call('delete'))
    wait.settle(settledAs(wait.approval, outcomes.expired))
    expect(await response.text()).toContain('NOT EXECUTED')
    await eventually(() => wait.logged.includes('a delivered outcome could not be marked'))
  })
})

describe('a client that leaves at the last moment', () => {
  it('has not received what it did not take', async () => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete'))
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{}'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await response.body?.cancel()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(wait.delivered).toEqual([])
  })

  it('gets nothing after it cancelled, although the outcome came in the same moment', async () => {
    const { approval } = anApproval()
    let settle = () => {}
    const harness = aHarness({
      timings: slow,
      ask: async () => ({ ok: true, value: { kind: 'waiting', approval, isNew: true } }),
      awaitOutcome: () =>
        new Promise((resolve) => {
          settle = () => resolve(settledAs(approval, outcomes.answered(), '{}'))
        }),
    })
    const headers = { 'mcp-session-id': sealedFor('s1') }
    const response = await harness.post(call('delete'), headers)
    await harness.post(
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
      headers,
    )
    settle()
    expect(messagesIn(await response.text())).toEqual([])
    expect(harness.delivered).toEqual([])
  })
})

describe('the stream of an answer', () => {
  const aStream = (stalledMs: number) => {
    const left: string[] = []
    const onLeave = () => void left.push('left')
    return { left, ...createAnswerStream({ format: 'json', unreadBytesMax: 1_000, stalledMs, onLeave }) }
  }

  it('keeps every character of an answer that goes out in pieces', async () => {
    for (const shift of ['', 'x', 'xx']) {
      const text = `${shift}${'\u{1F600}'.repeat(100_000)}`
      const stream = aStream(60_000)
      const finished = stream.finish(text)
      expect(await stream.response.text()).toBe(text)
      expect(await finished).toBe(true)
    }
  })

  it('cuts a client that takes nothing, and no other', async () => {
    const unread = aStream(20)
    expect(await unread.finish('x'.repeat(1_000_000))).toBe(false)
    await expect(unread.response.text()).rejects.toThrow('took nothing')
    expect(unread.left).toEqual(['left'])

    const slowly = aStream(2_000)
    const finished = slowly.finish('x'.repeat(1_000_000))
    const reader = slowly.response.body?.getReader()
    for (let done = false; !done; ) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      done = (await reader?.read())?.done ?? true
    }
    expect(await finished).toBe(true)
  })
})

describe('a limit on held requests', () => {
  it('counts each once, however often it is released', () => {
    const held = createHeldRequests({ heldRequestsMax: 1, heldPerPrincipalMax: 9, heldPerApprovalMax: 9 })
    const place = held.add(agent, 'a', () => {})
    if (!place.ok) throw new Error(place.error)
    place.value.release()
    place.value.release()
    expect(held.add(agent, 'b', () => {})).toMatchObject({ ok: true })
    expect(held.add(agent, 'b', () => {})).toEqual(err('gateway'))
  })

  it('refuses before anyone is asked, and counts only what is held', async () => {
    const wait = aWait({ timings: slow, limits: { heldRequestsMax: 2 } })
    const first = await wait.post(call('delete', {}, 1))
    const second = await wait.post(call('delete', {}, 1))
    const third = await wait.post(call('delete', {}, 1))
    expect(third.status).toBe(503)
    expect(await third.json()).toMatchObject({
      id: 1,
      error: { code: -32603, message: /Too many calls wait/ },
    })
    await first.body?.cancel()
    await eventually(() => wait.awaited[0]?.signal.aborted === true)
    const fourth = await wait.post(call('delete', {}, 1))
    expect(fourth.status).toBe(200)
    await Promise.all([second.body?.cancel(), fourth.body?.cancel()])
  })

  it('is held until the answer was taken', async () => {
    const wait = aWait({ timings: slow, limits: { heldRequestsMax: 1 } })
    const first = await wait.post(call('delete', {}, 1))
    wait.settle(settledAs(wait.approval, outcomes.answered(), `"${'x'.repeat(1_000_000)}"`))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await wait.post(call('delete', {}, 2))).status).toBe(503)
    await first.text()
    await eventually(() => wait.delivered.length === 1)
    expect((await wait.post(call('delete', {}, 3))).status).toBe(200)
  })

  it('leaves room for other agents', async () => {
    const other = { name: 'other', owner: 'jun' }
    const wait = aWait({
      timings: slow,
      limits: { heldPerPrincipalMax: 2 },
      authenticate: async (headers) =>
        admission(headers.get('authorization') === 'Bearer other' ? other : agent),
    })
    const held = [await wait.post(call('delete', {}, 1)), await wait.post(call('delete', {}, 2))]
    const third = await wait.post(call('delete', {}, 3))
    expect(third.status).toBe(429)
    expect(await third.json()).toMatchObject({ id: 3, error: { code: -31429, message: /^2 of your calls/ } })
    expect(wait.asked).toHaveLength(0)
    const others = await wait.post(call('delete', {}, 3), { authorization: 'Bearer other' })
    expect(others.status).toBe(200)
    for (const response of [...held, others]) await response.body?.cancel()
  })

  it('leaves room for other tickets of the same agent', async () => {
    const wait = aWait({ timings: slow, limits: { heldPerApprovalMax: 2, heldPerPrincipalMax: 3 } })
    const held = [await wait.post(call('delete', {}, 1)), await wait.post(call('delete', {}, 2))]
    for (const id of [3, 4]) {
      const third = await wait.post(call('delete', {}, id))
      expect(third.status).toBe(429)
      const text = await third.text()
      expect(text).toContain(`2 of your requests wait for ticket ${wait.approval.id}`)
      expect(text).not.toContain('xecuted')
    }
    await held[0]?.body?.cancel()
    await eventually(() => wait.awaited[0]?.signal.aborted === true)
    const again = await wait.post(call('delete', {}, 5))
    expect(again.status).toBe(200)
    for (const response of [held[1], again]) await response?.body?.cancel()
  })

  it('is given back by calls that are not accepted', async () => {
    const harness = aHarness({
      limits: { heldRequestsMax: 1 },
      ask: async () => err({ reason: 'unknown_tool' }),
    })
    for (let round = 0; round < 3; round++) expect((await harness.post(call('delete'))).status).toBe(200)
  })
})

describe('notifications/cancelled', () => {
  const cancel = (requestId: unknown) =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })

  it('ends the held request of the same session without an answer, and stays here', async () => {
    const wait = aWait({ timings: slow })
    const headers = { 'mcp-session-id': sealedFor('s1') }
    const response = await wait.post(call('delete', {}, 7), headers)
    const cancelled = await wait.post(cancel(7), headers)
    expect(cancelled.status).toBe(202)
    expect(messagesIn(await response.text())).toEqual([])
    expect(wait.awaited[0]?.signal.aborted).toBe(true)
    expect(wait.exchanges).toHaveLength(0)
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{}'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(wait.delivered).toEqual([])
  })

  it('without a session may be another client’s: the held request ends with an answer, and the upstream hears of it', async () => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete', {}, 7))
    expect((await wait.post(cancel(7))).status).toBe(200)
    expect(wait.exchanges.map(({ body }) => body)).toEqual([cancel(7)])
    const [answer] = messagesIn(await response.text())
    expect(answer).toMatchObject({ id: 7 })
    expect(JSON.stringify(answer)).toContain(`Ticket ${wait.approval.id} goes on`)
    expect(wait.delivered).toEqual([])
  })

  it('of another session, id or type of id passes and changes nothing', async () => {
    const wait = aWait({ timings: slow })
    const response = await wait.post(call('delete', {}, 7), { 'mcp-session-id': sealedFor('s1') })
    await wait.post(cancel(7), { 'mcp-session-id': sealedFor('s2') })
    await wait.post(cancel('7'), { 'mcp-session-id': sealedFor('s1') })
    await wait.post(cancel(8), { 'mcp-session-id': sealedFor('s1') })
    expect(wait.exchanges.map(({ body }) => body)).toEqual([cancel(7), cancel('7'), cancel(8)])
    expect(wait.awaited[0]?.signal.aborted).toBe(false)
    await response.body?.cancel()
  })
})

describe('a name that moves to another owner', () => {
  it('cancels nothing of the agent that had it before', async () => {
    const moved = { ...agent, owner: 'mina' }
    const wait = aWait({
      timings: slow,
      authenticate: async (headers) =>
        admission(headers.get('authorization') === 'Bearer moved' ? moved : agent),
    })
    const response = await wait.post(call('delete', {}, 7))
    const cancelled = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}'
    await wait.post(cancelled, { authorization: 'Bearer moved' })
    expect(wait.awaited[0]?.signal.aborted).toBe(false)
    await response.body?.cancel()
  })
})

describe('the ids of requests that the gateway makes itself', () => {
  it('are for no client to use', async () => {
    const harness = aHarness()
    for (const method of ['tools/call', 'ping']) {
      const text = JSON.stringify({
        jsonrpc: '2.0',
        id: 'holdpoint-1',
        method,
        params: { name: 'ping_tool' },
      })
      const response = await harness.post(text)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ id: 'holdpoint-1', error: { code: -32600 } })
    }
    expect(harness.exchanges).toHaveLength(0)
  })

  it.each(['requestId', 'RequestId'])('are for no client to cancel by %s', async (name) => {
    const harness = aHarness()
    const response = await harness.post(
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"${name}":"holdp\\u006fint-1"}}`,
    )
    expect(response.status).toBe(202)
    expect(harness.exchanges).toHaveLength(0)
  })
})

describe('many clients with the same id', () => {
  it('each receive their own outcome', async () => {
    const approvals = Array.from({ length: 200 }, () => anApproval().approval)
    const byTool = new Map(approvals.map((approval, index) => [`tool_${index}`, approval]))
    const harness = aHarness({
      timings: slow,
      ask: async ({ call }) => {
        const approval = byTool.get(call.tool)
        return approval === undefined
          ? err({ reason: 'unknown_tool' })
          : { ok: true, value: { kind: 'waiting', approval, isNew: true } }
      },
      async awaitOutcome({ id }) {
        const approval = approvals.find((candidate) => candidate.id === id) ?? approvals[0]
        if (approval === undefined) throw new Error(id)
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10))
        return settledAs(approval, outcomes.answered(), `{"own":"${id}"}`)
      },
    })
    await Promise.all(
      approvals.map(async ({ id }, index) => {
        const response = await harness.post(call(`tool_${index}`, {}, 1))
        expect(messagesIn(await response.text())).toEqual([{ jsonrpc: '2.0', id: 1, result: { own: id } }])
      }),
    )
  })
})

describe('over a real connection', () => {
  let server: ServerType | undefined
  afterEach(async () => {
    if (server !== undefined && 'closeAllConnections' in server) server.closeAllConnections()
    server?.close()
  })

  async function listen({ app }: Pick<Harness, 'app'>): Promise<number> {
    server = createAdaptorServer(app)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  it('headers and the first comment arrive at once, and a client that leaves ends its wait', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
    const wait = aWait({ timings: slow })
    const port = await listen(wait)
    const { host: _, ...headers } = usualHeaders
    const request = httpRequest({ port, host: '127.0.0.1', path: '/mcp/github', method: 'POST', headers })
    request.on('error', () => {})
    request.end(call('delete'))
    const [response] = await once(request, 'response')
    const [chunk] = await once(response, 'data')
    response.on('error', () => {})
    expect(String(chunk)).toBe(`: held for ${wait.approval.id}\n\n`)
    expect(wait.awaited[0]?.signal.aborted).toBe(false)
    request.destroy()
    await eventually(() => wait.awaited[0]?.signal.aborted === true)
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{}'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(wait.delivered).toEqual([])
    expect(errors).not.toHaveBeenCalled()
    errors.mockRestore()
  })

  it('a client that does not read keeps its place and a piece of the answer, not all of it', async () => {
    const wait = aWait({ timings: slow, limits: { heldRequestsMax: 1 } })
    const port = await listen(wait)
    const { host: _, ...headers } = usualHeaders
    const request = httpRequest({ port, host: '127.0.0.1', path: '/mcp/github', method: 'POST', headers })
    request.on('error', () => {})
    request.end(call('delete'))
    const [response] = await once(request, 'response')
    response.on('error', () => {})
    response.pause()
    wait.settle(settledAs(wait.approval, outcomes.answered(), `"${'x'.repeat(30_000_000)}"`))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await wait.post(call('delete'))).status).toBe(503)
    expect(wait.delivered).toEqual([])
    request.destroy()
    await eventually(() => wait.logged.includes('an answer was not taken'))
    expect(wait.delivered).toEqual([])
    expect((await wait.post(call('delete'))).status).toBe(200)
  })

  it('an outcome is marked once it was written', async () => {
    const wait = aWait({ timings: slow })
    const port = await listen(wait)
    const { host: _, ...headers } = usualHeaders
    const pending = fetch(`http://127.0.0.1:${port}/mcp/github`, {
      method: 'POST',
      headers,
      body: call('delete'),
    })
    const response = await pending
    wait.settle(settledAs(wait.approval, outcomes.answered(), '{"content":[]}'))
    expect(messagesIn(await response.text())).toEqual([{ jsonrpc: '2.0', id: 1, result: { content: [] } }])
    await eventually(() => wait.delivered.length === 1)
  })

  it('a client that leaves an upstream’s stream ends that exchange, without an outcry', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(': open\n\n')),
      cancel: () => {
        isCancelled = true
      },
    })
    const harness = aHarness({
      wire: () => ({ status: 200, headers: { 'content-type': 'text/event-stream' }, body }),
    })
    const port = await listen(harness)
    const leaving = new AbortController()
    const { host: _, ...headers } = usualHeaders
    const response = await fetch(`http://127.0.0.1:${port}/mcp/github`, {
      headers: { ...headers, 'mcp-protocol-version': '2025-06-18' },
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    leaving.abort()
    await eventually(() => isCancelled)
    expect(harness.exchanges[0]?.signal.aborted).toBe(false)
    expect(errors).not.toHaveBeenCalled()
    errors.mockRestore()
  })

  it('a body that is too large is refused while it arrives', async () => {
    const harness = aHarness({ limits: { bodyBytesMax: 1_000 } })
    const port = await listen(harness)
    const { host: _, ...headers } = usualHeaders
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      path: '/mcp/github',
      method: 'POST',
      headers: { ...headers, 'transfer-encoding': 'chunked' },
    })
    request.on('error', () => {})
    request.write(' '.repeat(2_000))
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(413)
    request.destroy()
    expect(harness.exchanges).toHaveLength(0)
  })
})
