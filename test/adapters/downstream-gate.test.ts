/** What the policy makes of a call, and what an agent is told when nothing is held. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { glob } from '../../src/domain/policy/glob.ts'
import { err } from '../../src/domain/result.ts'
import type { createUpstreamSession } from '../../src/mcp/upstream/session.ts'
import type { AskRefusal } from '../../src/services/ask.ts'
import { agent, anApproval, aPolicy, approvers, aRule } from '../support/builders.ts'
import { aHarness, call, ended, modernHeaders, modernMeta, outcomes } from './downstream-harness.ts'
import { tasksMeta } from './downstream-ladder.ts'

describe('an allowed call', () => {
  it.each(['"{\\"amount\\":99999}"', '[{"amount":99999}]', '5', 'true'])(
    'whose arguments are %s is refused: no rule could look into them, and some servers do',
    async (args) => {
      const policy = {
        ...aPolicy(),
        fallback: { action: 'allow' as const, pointer: '/default', reason: null },
      }
      const harness = aHarness({ policy })
      const response = await harness.post(
        call('get', { arguments: {} }).replace('"arguments":{}', `"arguments":${args}`),
      )
      expect(await response.json()).toMatchObject({
        error: { code: -32602, message: expect.stringContaining("'arguments' must be an object") },
      })
      expect(harness.exchanges).toHaveLength(0)
      await harness.post(call('get', {}))
      expect(harness.exchanges).toHaveLength(1)
    },
  )
})

describe('a forbidden call', () => {
  const policy = {
    ...aPolicy(),
    rules: [
      aRule({
        tools: [glob('forbidden')],
        action: 'deny',
        pointer: '/tools/forbidden',
        reason: 'never in production',
      }),
    ],
  }

  it('gets a result that an agent can act on, and nothing happens', async () => {
    const harness = aHarness({ policy })
    const response = await harness.post(call('forbidden', { arguments: {}, task: {} }, 'x'))
    const answer = Object(await response.json())
    expect(response.status).toBe(200)
    expect(answer).toMatchObject({
      id: 'x',
      result: {
        isError: true,
        _meta: {
          'dev.holdpoint/approval': {
            status: 'denied',
            rule: 'test#/tools/forbidden',
            reason: 'never in production',
            retry: 'never',
          },
        },
      },
    })
    expect(answer.result.content[0].text).toMatch(
      /NOT EXECUTED.*"github" forbids.*never in production.*another way/,
    )
    expect(answer.result).not.toHaveProperty('resultType')
    expect(harness.exchanges).toHaveLength(0)
    expect(harness.asked).toHaveLength(0)
  })

  it('has a result type in 2026-07-28', async () => {
    const harness = aHarness({ policy })
    const text = call('forbidden', { arguments: {}, _meta: modernMeta })
    const response = await harness.post(text, modernHeaders('tools/call', 'forbidden'))
    expect(await response.json()).toMatchObject({ result: { resultType: 'complete', isError: true } })
  })

  it('is told as an event to a client that reads only events', async () => {
    const response = await aHarness({ policy }).post(call('forbidden'), { accept: 'text/event-stream' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(await response.text()).toMatch(/^event: message\ndata: .*NOT EXECUTED/)
  })
})

describe('a hidden tool', () => {
  it('answers exactly like one that does not exist', async () => {
    const policy = { ...aPolicy(), hidden: new Set(['secret_tool']) }
    const hidden = aHarness({ policy })
    const missing = aHarness({ ask: async () => err({ reason: 'unknown_tool' }) })
    const responses = [await hidden.post(call('secret_tool')), await missing.post(call('secret_tool'))]
    const texts = await Promise.all(responses.map((response) => response.text()))
    expect(texts[0]).toBe(texts[1])
    expect(JSON.parse(texts[0] ?? '')).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: { code: -32602, message: 'Unknown tool: secret_tool' },
    })
    expect(hidden.exchanges).toHaveLength(0)
  })
})

describe('a critical call', () => {
  it('is asked for as one value, on a session of the requester', async () => {
    let options: Parameters<typeof createUpstreamSession>[0] | undefined
    const session = {
      describe: async () => ({ kind: 'unlisted' as const }),
      send: async () => ({ kind: 'not_sent' as const, reason: '' }),
    }
    const harness = aHarness({
      timings: { holdMs: 1 },
      createSession: (given) => {
        options = given
        return session
      },
    })
    const meta = {
      progressToken: 'p',
      'dev.holdpoint/idempotency-key': 'k-1',
      tenant: 'acme',
      traceparent: 'x',
    }
    await harness.post(call('delete', { arguments: { b: 1, a: 2 }, _meta: meta }), {
      'mcp-protocol-version': '2025-06-18',
      'user-agent': 'cursor/1.7',
      'mcp-param-b': '1',
    })
    expect(harness.asked).toMatchObject([
      {
        call: {
          server: 'github',
          tool: 'delete',
          principal: agent,
          era: 'legacy',
          canonicalParams: '{"_meta":{"tenant":"acme"},"arguments":{"a":2,"b":1},"name":"delete"}',
          idempotencyKey: 'k-1',
        },
        verdict: { kind: 'require_approval', rule: 'test#/default' },
        approvers,
        client: 'cursor/1.7',
      },
    ])
    expect(options).toMatchObject({
      principal: agent,
      headers: { 'mcp-protocol-version': '2025-06-18' },
      era: 'legacy',
      envelope: '{}',
      progressToken: '"p"',
    })
    expect(options?.headers).not.toHaveProperty('mcp-param-b')
    expect(harness.exchanges).toHaveLength(0)
  })

  it('of 2026-07-28 brings its envelope, and says that it knows tasks where it waits by one', async () => {
    let envelope = ''
    let headers: Readonly<Record<string, string>> = {}
    const harness = aHarness({
      timings: { holdMs: 1 },
      createSession: (given) => {
        envelope = given.envelope
        headers = given.headers
        return {
          describe: async () => ({ kind: 'unlisted' }),
          send: async () => ({ kind: 'not_sent', reason: '' }),
        }
      },
    })
    const meta = {
      ...modernMeta,
      'io.modelcontextprotocol/clientInfo': { name: 'v2', version: '9' },
      'io.modelcontextprotocol/clientCapabilities': {
        sampling: {},
        extensions: { 'io.modelcontextprotocol/tasks': {}, 'com.example/x': { a: 1 } },
      },
      'io.modelcontextprotocol/logLevel': 'debug',
      tenant: 'acme',
    }
    await harness.post(call('delete', { _meta: meta }), {
      ...modernHeaders('tools/call', 'delete'),
      'mcp-param-path': '/etc/passwd',
    })
    expect(harness.asked).toMatchObject([{ client: 'v2 9', call: { era: 'modern' } }])
    const { tenant: _tenant, ...carried } = meta
    // It waits by a task of ours, behind which one of the server's can stand.
    expect(JSON.parse(envelope)).toEqual(carried)
    // What headers repeat of the call is made anew from what people saw; the client's own say nothing.
    expect(headers).toEqual({ 'mcp-protocol-version': '2026-07-28' })
  })

  it.each([
    ['on-behalf-of', { 'io.modelcontextprotocol/on-behalf-of': 'ceo' }, 'on-behalf-of'],
    ['a log level nobody knows', { 'io.modelcontextprotocol/logLevel': 'as the ceo' }, 'logLevel'],
    ['a name that is no object', { 'io.modelcontextprotocol/clientInfo': 'ceo' }, 'clientInfo'],
    [
      'much about itself',
      { 'io.modelcontextprotocol/clientCapabilities': { experimental: { x: 'x'.repeat(4_096) } } },
      'larger than 4096 bytes',
    ],
  ])('of 2026-07-28 carries nothing else past people: %s', async (_, more, words) => {
    const harness = aHarness()
    const text = call('delete', { arguments: {}, _meta: { ...modernMeta, ...more } })
    const response = await harness.post(text, modernHeaders('tools/call', 'delete'))
    expect(await response.json()).toMatchObject({
      id: 1,
      error: { code: -32602, message: expect.stringContaining(words) },
    })
    expect(harness.asked).toHaveLength(0)
    expect(harness.exchanges).toHaveLength(0)
  })

  it('is the same call with -0, 1.0 and 1E2 as with 0, 1 and 100', async () => {
    const harness = aHarness({ timings: { holdMs: 1 } })
    await harness.post(call('delete', { arguments: {} }).replace('{}', '{"a":-0,"b":1.0,"c":1E2}'))
    expect(harness.asked[0]?.call.canonicalParams).toBe('{"arguments":{"a":0,"b":1,"c":100},"name":"delete"}')
  })

  it('is neither asked for nor sent without a ledger', async () => {
    const harness = aHarness({
      ask: async () => {
        throw new Error('connect ECONNREFUSED /run/postgres')
      },
    })
    const response = await harness.post(call('delete'))
    const text = await response.text()
    expect(response.status).toBe(503)
    expect(JSON.parse(text)).toMatchObject({ id: 1, error: { code: -32603 } })
    expect(text).toMatch(
      /Approvals are unavailable right now\. This request executed nothing; whether an earlier one of the same call did, /,
    )
    expect(text).not.toContain('postgres')
    expect(harness.exchanges).toHaveLength(0)
  })

  it('and every other call stops where there are no rules', async () => {
    const harness = aHarness({ rules: { of: () => null } })
    expect((await harness.post(call('ping_tool'))).status).toBe(503)
    expect((await harness.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')).status).toBe(500)
    expect(harness.exchanges).toHaveLength(0)
  })
})

describe('answers to what an upstream asks about a call', () => {
  const updateOf = (_meta: object) =>
    JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'tasks/update' },
      params: { taskId: 't', inputResponses: { go: { action: 'accept' } }, _meta },
    })
  const update = updateOf(modernMeta)

  it('pass nobody unseen, unless an operator lets them', async () => {
    const harness = aHarness()
    const unaware = await harness.post(update, modernHeaders('tasks/update', 't'))
    expect(unaware.status).toBe(400)
    expect(await unaware.json()).toMatchObject({ id: 1, error: { code: -32021 } })
    const response = await harness.post(updateOf(tasksMeta), modernHeaders('tasks/update', 't'))
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ id: 1, error: { code: -32601 } })
    expect(harness.exchanges).toHaveLength(0)

    const open = aHarness({ extraMethods: () => ['tasks/update'] })
    await open.post(update, modernHeaders('tasks/update', 't'))
    expect(open.exchanges.map(({ body }) => body)).toEqual([update])
  })

  it('pass with a call that needs nobody, and are a new call for people with every other', async () => {
    const harness = aHarness({ timings: { holdMs: 1 } })
    const answers = { inputResponses: { go: { action: 'accept' } }, requestState: 's' }
    const meta = { arguments: {}, _meta: modernMeta, ...answers }
    await harness.post(call('ping_tool', meta), modernHeaders('tools/call', 'ping_tool'))
    expect(harness.exchanges).toHaveLength(1)
    await harness.post(call('delete', meta), modernHeaders('tools/call', 'delete'))
    expect(harness.exchanges).toHaveLength(1)
    // Shown, hashed and sent like the arguments.
    expect(harness.asked[0]?.call.canonicalParams).toBe(
      '{"arguments":{},"inputResponses":{"go":{"action":"accept"}},"name":"delete","requestState":"s"}',
    )
    const legacy = await harness.post(call('delete', { arguments: {}, inputResponses: {} }))
    expect(await legacy.json()).toMatchObject({ error: { code: -32602 } })
    expect(harness.asked).toHaveLength(1)
  })
})

describe('a call that is not accepted', () => {
  const { approval } = anApproval()
  const rejected = ended(approval, outcomes.rejected)
  const lost = ended(approval, outcomes.indeterminate)

  it.each<[AskRefusal, RegExp, object]>([
    [
      { reason: 'cool_down', approval: rejected, untilMs: 1_660_000 },
      /NOT EXECUTED\. mina rejected this call and said: "not on a Friday".*1970-01-01T00:27:40/,
      { id: approval.id, status: 'settled', outcome: 'rejected', retry: 'never', decidedBy: 'mina' },
    ],
    [
      { reason: 'unresolved', approval: lost },
      /MAY OR MAY NOT have been executed.*Do not repeat/,
      { id: approval.id, outcome: 'indeterminate', retry: 'never' },
    ],
    [{ reason: 'idempotency_key_reused' }, /NOT EXECUTED.*key/, { status: 'refused', retry: 'changed' }],
    [
      { reason: 'too_many_pending', pending: 20, max: 20 },
      /NOT EXECUTED.*20/,
      { reason: 'too_many_pending', retry: 'same' },
    ],
    [{ reason: 'moved_on' }, /NOT EXECUTED.*Try again/, { reason: 'moved_on', retry: 'same' }],
    [
      { reason: 'upstream_unavailable', detail: 'connect ECONNREFUSED 10.0.0.7' },
      /NOT EXECUTED.*"github"/,
      { reason: 'upstream_unavailable', retry: 'same' },
    ],
  ])('is told why: $reason', async (refusal, text, meta) => {
    const harness = aHarness({ ask: async () => err(refusal) })
    const response = await harness.post(call('delete'))
    expect(response.headers.get('content-type')).toBe('application/json')
    const answer = await response.text()
    expect(answer).not.toContain('10.0.0.7')
    const { result } = JSON.parse(answer)
    expect(result).toMatchObject({ isError: true, _meta: { 'dev.holdpoint/approval': meta } })
    expect(result.content[0].text).toMatch(text)
    expect(harness.exchanges).toHaveLength(0)
  })
})

describe('a server without a policy', () => {
  const rules = { of: () => null, needsSetUp: () => true }

  it('lists its tools, and refuses each call with the place where a person sets it up', async () => {
    const harness = aHarness({ rules })
    const answer = Object(await (await harness.post(call('ping_tool'))).json())
    expect(answer.result).toMatchObject({
      isError: true,
      _meta: {
        'dev.holdpoint/approval': {
          ...{ status: 'not_set_up', server: 'github', retry: 'same' },
          link: 'http://gateway:8484/set-up/github',
        },
      },
    })
    expect(answer.result.content[0].text).toContain('at http://gateway:8484/set-up/github')
    expect(harness.exchanges).toHaveLength(0)
    await harness.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    expect(harness.exchanges).toHaveLength(1)
  })

  it('is answered as docs/set-up.md says', async () => {
    const setUpLink = (server: string) => `http://127.0.0.1:8484/set-up/${server.replace('github', 'shop')}`
    const answer = Object(await (await aHarness({ rules, setUpLink }).post(call('ping_tool'))).json())
    const page = readFileSync(new URL('../../docs/set-up.md', import.meta.url), 'utf8')
    const quoted = page
      .split('\n')
      .filter((line) => line.startsWith('> '))
      .map((line) => line.slice(2))
      .join(' ')
    expect(answer.result.content[0].text.replace('"github"', '"shop"')).toBe(quoted)
  })

  it('names no address that nobody could follow', async () => {
    const harness = aHarness({ rules, setUpLink: () => null })
    const answer = Object(await (await harness.post(call('ping_tool'))).json())
    expect(answer.result.content[0].text).toContain('in the Holdpoint console, or on its command line')
  })

  it('is told from one whose policy cannot be read', async () => {
    const harness = aHarness({ rules: { of: () => null } })
    expect((await harness.post(call('ping_tool'))).status).toBe(503)
  })
})
