/** Where nothing can be looked up, or there is no room to: nobody is told that a call did not run which may have run. */
import { describe, expect, test } from 'vitest'
import { aWorld } from '../support/world.ts'
import { call, modernHeaders, modernMeta, usualHeaders } from './downstream-harness.ts'
import { aLadder, sentTimes } from './downstream-ladder.ts'

const wish = { name: 'delete', arguments: { id: 7 } }
const november = { 'mcp-protocol-version': '2025-11-25' }

/** Whatever can be told about a call whose end is not known here. */
const NOT_RUN = /not executed|nothing was executed|executed nothing/i
const REPEAT =
  /This request executed nothing; whether an earlier one of the same call did, cannot be looked up now\. Retry later with identical arguments\./
const KNOWN =
  /What became of this call cannot be looked up now, and nothing is said about it\. Ask again later\./

/** A call that one gateway has sent, and another gateway that cannot look it up, or has no room to. */
async function sentElsewhere(limits: { heldRequestsMax?: number; heldPerPrincipalMax?: number } | 'away') {
  const world = aWorld()
  const first = await aLadder(world)
  const state = String((await first.modern('tools/call', wish)).result.requestState)
  const task = (await first.legacy('tools/call', { ...wish, arguments: { id: 8 }, task: {} }, november))
    .result
  const held = await first.post(call('delete', { arguments: { id: 9 } }), november)
  const lastEventId = (await held.text()).match(/^id: (.*)$/m)?.[1] ?? ''
  const ticket = await first.pendingId()
  world.upstream.answer = () => new Promise(() => {})
  void first.gateway.hold(ticket, 60_000)
  await first.gateway.decide(ticket)
  await sentTimes(world, 1)
  // Then `holdpoint_wait` is a tool of ours.
  world.upstream.described = { kind: 'unlisted' }
  const second = await aLadder(world, { node: 'gateway-2', ...(limits === 'away' ? {} : { limits }) })
  if (limits === 'away') {
    const away = async () => {
      throw new Error('connect ECONNREFUSED /run/postgres')
    }
    Object.assign(world.ledger, { get: away, unsettledByAttachKey: away, nowMs: away })
  }
  return { second, state, taskId: String(task.task.taskId), lastEventId, ticket }
}

const inTheWay = [
  ['the ledger is away', 'away', /Approvals are unavailable right now\./],
  ['the gateway is full', { heldRequestsMax: 0 }, /Too many calls wait at this gateway\./],
  ['the agent has as many requests as it may', { heldPerPrincipalMax: 0 }, /this one was not taken\./],
] as const

describe.each(inTheWay)('while %s', (_what, limits, why) => {
  const textOf = async (response: Response) => JSON.stringify(await response.json())

  test('a repeat is told what this request did, and that nothing is known of an earlier one', async () => {
    const { second } = await sentElsewhere(limits)
    const text = await textOf(await second.post(call('delete', { arguments: { id: 9 } }), november))
    expect(text).toMatch(why)
    expect(text).toMatch(REPEAT)
  })

  test('a ticket, a requestState, a stream and a task are told nothing about what became of them', async () => {
    const { second, state, taskId, lastEventId, ticket } = await sentElsewhere(limits)
    const comesBack = call('delete', { arguments: { id: 7 }, _meta: modernMeta, requestState: state })
    const ticketCall = call('holdpoint_wait', { arguments: { ticket } })
    const result = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/result', params: { taskId } })
    const headers = {
      ...usualHeaders,
      accept: 'text/event-stream',
      ...november,
      'last-event-id': lastEventId,
    }
    const texts = [
      await textOf(await second.post(ticketCall, november)),
      await textOf(await second.post(comesBack, modernHeaders('tools/call', 'delete'))),
      await textOf(await second.request('/mcp/github', { headers })),
      await textOf(await second.post(result, november)),
    ]
    for (const text of texts) expect(text).not.toMatch(NOT_RUN)
    for (const text of texts.slice(0, 3)) expect(text).toMatch(KNOWN)
    expect(texts[3]).toMatch(/cannot be (read right|looked up) now/)
  })
})

test('a requestState that is not taken any more says nothing about what became of its call', async () => {
  const { second, state } = await sentElsewhere({})
  const answer = await second.modern('tools/call', { ...wish, arguments: { id: 8 }, requestState: state })
  expect(answer.error.message).toMatch(/not accepted: it was not given to you for this very call/)
  expect(answer.error.message).not.toMatch(NOT_RUN)
})
