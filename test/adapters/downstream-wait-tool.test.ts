/** `holdpoint_wait`: who sees it, under which name, and what a ticket gets. And how long a request is held before. */
import { describe, expect, test } from 'vitest'
import { aPolicy } from '../support/builders.ts'
import { call, modernHeaders, modernMeta, wireJson } from './downstream-harness.ts'
import { aLadder, as, sentTimes } from './downstream-ladder.ts'

const refund = { name: 'delete', arguments: { id: 7 } }
const tool = (name: string) => ({ name, inputSchema: { type: 'object' } })
const page = (names: string[], nextCursor?: string) => () =>
  wireJson(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      result: { tools: names.map(tool), ...(nextCursor && { nextCursor }) },
    }),
  )
const namesIn = ({ result }: { result: { tools: { name: string }[] } }) =>
  result.tools.map(({ name }) => name)

describe('holdpoint_wait', () => {
  test('stands behind the tools of the last page, and on no page before', async () => {
    const single = await aLadder(undefined, { wire: page(['delete']) })
    expect(namesIn(await single.legacy('tools/list', {}))).toEqual(['delete', 'holdpoint_wait'])
    const first = await aLadder(undefined, { wire: page(['delete'], '2') })
    expect(namesIn(await first.legacy('tools/list', {}))).toEqual(['delete'])
    const last = await aLadder(undefined, { wire: page(['erase']) })
    last.world.upstream.described = { kind: 'unlisted' }
    expect(namesIn(await last.legacy('tools/list', { cursor: '2' }))).toEqual(['erase', 'holdpoint_wait'])
  })

  test('gives way to a tool of the upstream that has its name', async () => {
    const taken = await aLadder(undefined, {
      wire: page(['holdpoint_wait', 'holdpoint_wait_2']),
      policy: aPolicy({ holdpoint_wait: 'allow' }),
    })
    expect(namesIn(await taken.legacy('tools/list', {}))).toEqual([
      'holdpoint_wait',
      'holdpoint_wait_2',
      'holdpoint_wait_3',
    ])
    // A call of the upstream's own tool is judged like every other.
    const before = taken.exchanges.length
    await taken.post(call('holdpoint_wait', { arguments: { ticket: 'x' } }))
    expect(taken.exchanges).toHaveLength(before + 1)
    expect(
      (await taken.legacy('tools/call', { name: 'holdpoint_wait_3', arguments: {} })).error.message,
    ).toMatch(/'ticket' must be/)
    const full = await aLadder(undefined, {
      wire: page(['holdpoint_wait', 'holdpoint_wait_2', 'holdpoint_wait_3']),
    })
    expect(namesIn(await full.legacy('tools/list', {}))).toHaveLength(3)
  })

  test('is not listed where nobody is ever asked, nor to a client that waits as long as people do', async () => {
    const allowed = { ...aPolicy(), fallback: { action: 'allow', pointer: '/', reason: null } as const }
    const free = await aLadder(undefined, { wire: page(['delete']), policy: allowed })
    expect(namesIn(await free.legacy('tools/list', {}))).toEqual(['delete'])
    const patient = await aLadder(undefined, { wire: page(['delete']), agentHoldMs: () => 24 * 60 * 60_000 })
    expect(namesIn(await patient.legacy('tools/list', {}))).toEqual(['delete'])
  })

  test('waits on, says stop at the second pending answer, and delivers like a repeat of the call', async () => {
    const { legacy, gateway, world, pendingId } = await aLadder(undefined, { wire: page(['delete']) })
    await legacy('tools/list', {})
    const first = await legacy('tools/call', refund)
    const ticket = await pendingId()
    expect(first.result.content[0].text).toContain(`Call holdpoint_wait {"ticket":"${ticket}"}`)
    const wait = (args: object = { ticket }, headers = {}) =>
      legacy('tools/call', { name: 'holdpoint_wait', arguments: args }, headers)
    const second = await wait()
    expect(second.result.content[0].text).toMatch(/Stop now, tell your user/)
    expect(second.result._meta['dev.holdpoint/approval']).toMatchObject({ id: ticket, retry: 'same' })
    await gateway.decide(ticket)
    expect((await wait({ ticket: ticket.toLowerCase() })).result).toEqual({ content: [] })
    await expect.poll(() => world.ledger.deliveredAtMs(ticket)).not.toBeNull()
    await sentTimes(world, 1)

    // Another agent has not listed the tools here, so the upstream is asked whether it has one of that name.
    world.upstream.described = { kind: 'unlisted' }
    const unknown = await wait({ ticket: 'HP-0000000000' })
    expect(unknown.result.content[0].text).toMatch(/no call with this ticket among yours/)
    expect(await wait({ ticket }, as('other'))).toEqual(unknown)
    expect(await wait({ ticket: 'nonsense' })).toEqual(unknown)
    expect((await wait({ ticket: 7 })).error).toMatchObject({ code: -32602 })
  })
})

describe('a request is held', () => {
  const initialize = (name: string, version: string) => ({
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name, version },
  })
  const hours = 60 * 60_000

  test.each([
    ['of an unknown client', 'somebody', {}, 50_000],
    ['of Claude Code that hears of progress', 'claude-code', { progressToken: 1 }, 5 * hours],
    ['of Claude Code that does not', 'claude-code', {}, 50_000],
    ['of VS Code', 'Visual Studio Code', {}, 5 * hours],
    ['of Gemini CLI', 'gemini-cli-mcp-client', {}, 540_000],
    ['of one that is only called alike', 'gemini-cli-mcp-client-x', {}, 50_000],
    ['of Codex since it waits for 5 min', 'codex-mcp-client', {}, 270_000, '0.169.0'],
    ['of a newer Codex', 'codex-mcp-client', {}, 270_000, '1.0'],
    ['of an older Codex', 'codex-mcp-client', {}, 50_000, '0.99.12'],
    ['of a Codex that states no numbers', 'codex-mcp-client', {}, 50_000, 'dev'],
    ['of one behind a bridge', 'goose (via mcp-remote 0.1.37)', {}, 270_000],
  ])('%s as long as it is known to wait', async (_who, name, meta, holdMs, version = '1.2') => {
    const wire = () =>
      wireJson('{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}', {
        'mcp-session-id': 'upstream-1',
      })
    const holdsMs: (number | (() => number))[] = []
    const ladder = await aLadder(undefined, { wire, timings: { holdMs: 50_000 }, holdsMs })
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: initialize(name, version),
    })
    const opened = await ladder.post(body)
    const session = opened.headers.get('mcp-session-id') ?? ''
    const response = await ladder.post(call('delete', { arguments: {}, _meta: meta }), {
      'mcp-session-id': session,
    })
    await expect.poll(() => holdsMs).toEqual([holdMs])
    await response.body?.cancel()
  })

  const claudeCode = {
    ...modernMeta,
    'io.modelcontextprotocol/clientInfo': { name: 'claude-code', version: '2.1.330' },
  }

  test('of Claude Code on 2026-07-28 half an hour a round, so that ten rounds last as long as people may take', async () => {
    const holdsMs: (number | (() => number))[] = []
    const ladder = await aLadder(undefined, { wire: page(['delete']), timings: { holdMs: 50_000 }, holdsMs })
    const body = (meta: object) => call('delete', { arguments: {}, _meta: { ...claudeCode, ...meta } })
    const hear = await ladder.post(body({ progressToken: 1 }), modernHeaders('tools/call', 'delete'))
    await expect.poll(() => holdsMs).toEqual([0.5 * hours])
    await hear.body?.cancel()
    const deaf = await ladder.post(body({}), modernHeaders('tools/call', 'delete'))
    await expect.poll(() => holdsMs).toEqual([0.5 * hours, 50_000])
    await deaf.body?.cancel()
    // Nobody tells it to come back, so that it needs nothing to come back with; an unknown client is told.
    expect(namesIn(await ladder.modern('tools/list', { _meta: claudeCode }))).toEqual(['delete'])
    expect(namesIn(await ladder.modern('tools/list', {}))).toEqual(['delete', 'holdpoint_wait'])
  })

  test('as long as an operator says for its agent, in every revision', async () => {
    const holdsMs: (number | (() => number))[] = []
    const ladder = await aLadder(undefined, { agentHoldMs: () => 30, timings: { holdMs: 50_000 }, holdsMs })
    await ladder.legacy('tools/call', refund)
    await ladder.modern('tools/call', refund)
    expect(holdsMs).toEqual([30, 30])
  })
})
