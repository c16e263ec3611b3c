/** A 2026-07-28 client without tasks comes back with a state of ours: what finds its call, and what never does. */
import { expect, test } from 'vitest'
import { aHarness, modernHeaders, modernMeta } from './downstream-harness.ts'
import { aLadder, as, sentTimes } from './downstream-ladder.ts'

const call = { name: 'delete', arguments: { id: 7 } }

async function sentBack(timings = {}) {
  const ladder = await aLadder(undefined, { timings })
  const first = await ladder.modern('tools/call', call)
  expect(first.result).toEqual({ resultType: 'input_required', requestState: expect.any(String) })
  return { ...ladder, state: String(first.result.requestState) }
}

test('each round gets another state, and the outcome comes once it is there, of one call', async () => {
  const { modern, gateway, world, state, pendingId } = await sentBack()
  const second = await modern('tools/call', { ...call, requestState: state })
  expect(second.result.resultType).toBe('input_required')
  expect(second.result.requestState).not.toBe(state)
  const id = await pendingId()
  await gateway.decide(id)
  const third = await modern('tools/call', { ...call, requestState: second.result.requestState })
  expect(third.result).toEqual({ resultType: 'complete', content: [] })
  await sentTimes(world, 1)
  expect(world.upstream.sent).toMatchObject([{ approvalId: id }])
  // A state of ours is nothing that an upstream would understand.
  expect(JSON.stringify(world.upstream.sent)).not.toContain('hpr1')
})

test('after nine rounds it says what to do instead, before the SDKs give up with an error', async () => {
  const { modern, state } = await sentBack({ holdMs: 1 })
  let last = state
  for (let round = 2; round <= 9; round++) {
    const again = await modern('tools/call', { ...call, requestState: last })
    expect(again.result.resultType).toBe('input_required')
    last = again.result.requestState
  }
  const told = await modern('tools/call', { ...call, requestState: last })
  expect(told.result).toMatchObject({ resultType: 'complete', isError: true })
  expect(told.result.content[0].text).toMatch(/NOT EXECUTED\. Waiting for human approval.*\(retry: same\)$/)
})

test('changed in any one character, it finds nothing', async () => {
  const { modern, state, asked, world } = await sentBack({ holdMs: 1 })
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (let at = 'hpr1.'.length; at < state.length; at++) {
    const other = alphabet[(alphabet.indexOf(state.charAt(at)) + 1) % alphabet.length]
    const tampered = `${state.slice(0, at)}${other}${state.slice(at + 1)}`
    const answer = await modern('tools/call', { ...call, requestState: tampered })
    expect(answer.error?.message).toMatch(/not accepted: it was not given to you for this very call/)
  }
  for (const cut of [state.slice(0, -1), `${state}A`, 'hpr1.', 'hpr1.AAAA', `${state}.x`]) {
    const answer = await modern('tools/call', { ...call, requestState: cut })
    expect(answer.error).toMatchObject({ code: -32602 })
  }
  expect(asked).toEqual([])
  expect(world.upstream.sent).toEqual([])
})

test.each<[string, object, Record<string, string>]>([
  ['another agent', {}, as('other')],
  ['another tool', { name: 'erase' }, {}],
  ['other arguments', { arguments: { id: 8 } }, {}],
  ['an argument more', { arguments: { id: 7, force: true } }, {}],
  ['answers to a question that nobody asked', { inputResponses: { go: { action: 'accept' } } }, {}],
])('it is not for %s', async (_who, other, headers) => {
  const { modern, state, world, gateway, pendingId } = await sentBack({ holdMs: 1 })
  await gateway.decide(await pendingId())
  const answer = await modern('tools/call', { ...call, requestState: state, ...other }, headers)
  expect(answer.error).toMatchObject({ code: -32602 })
  expect(world.upstream.sent).toEqual([])
  expect(await world.ledger.list({ statuses: null, principal: null, limit: 9, after: null })).toHaveLength(1)
})

test('its time is over when the outcome is not kept any more', async () => {
  const { modern, state, world, gateway, pendingId } = await sentBack({ holdMs: 1, keepOutcomeMs: 5_000 })
  await gateway.decide(await pendingId(), 'reject')
  world.ledger.advance(6_000)
  const answer = await modern('tools/call', { ...call, requestState: state })
  expect(answer.error.message).toMatch(/its time is over/)
})

test('after the outcome was collected it finds nothing more', async () => {
  const { modern, state, world, gateway, pendingId } = await sentBack({ holdMs: 500 })
  await gateway.decide(await pendingId())
  const answer = await modern('tools/call', { ...call, requestState: state })
  expect(answer.result).toEqual({ resultType: 'complete', content: [] })
  const id = await pendingId()
  await expect.poll(() => world.ledger.deliveredAtMs(id)).not.toBeNull()
  // Nobody can know whether the client has read it, so for a moment it is given once more.
  const again = await modern('tools/call', { ...call, requestState: state })
  expect(again.result).toEqual({ resultType: 'complete', content: [] })
  world.ledger.advance(61_000)
  const replayed = await modern('tools/call', { ...call, requestState: state })
  expect(replayed.error.message).toMatch(/its outcome was collected/)
  await sentTimes(world, 1)
})

test('another gateway with the same key goes on with it', async () => {
  const { state, world, gateway, pendingId } = await sentBack({ holdMs: 500 })
  const second = await aLadder(world, { node: 'gateway-2' })
  await world.ledger.dropLease('gateway-1')
  await gateway.decide(await pendingId())
  const answer = await second.modern('tools/call', { ...call, requestState: state })
  expect(answer.result).toEqual({ resultType: 'complete', content: [] })
})

test('it never passes to an upstream, also when the policy has come to allow the tool', async () => {
  const harness = aHarness()
  const body = JSON.stringify({
    ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
    params: { name: 'ping_tool', arguments: {}, _meta: modernMeta, requestState: 'hpr1.AAAA' },
  })
  const response = await harness.post(body, modernHeaders('tools/call', 'ping_tool'))
  expect(await response.json()).toMatchObject({ error: { code: -32602 } })
  expect(harness.exchanges).toEqual([])
})
