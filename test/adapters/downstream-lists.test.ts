/** Lists of tools that pass are read along with: as JSON and as events, whole and before anything is hidden, without a changed byte. */
import { expect, test } from 'vitest'
import type { Policy } from '../../src/domain/policy.ts'
import { aPolicy } from '../support/builders.ts'
import { aHarness, wireEvents, wireJson } from './downstream-harness.ts'

const message = '{"jsonrpc": "2.0","id":1, "result":{"tools":[{"name":"a"},{"name" : "secret"}],"x":1e3}}'
/** Where people are never asked, nothing is added to what a server lists. */
const open: Policy = { ...aPolicy({}), fallback: { action: 'allow', pointer: '/default', reason: null } }
const ask = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
const told = async (listed: { tools: readonly { name?: unknown }[] }[]) => {
  await expect.poll(() => listed.length).toBe(1)
  return listed[0]?.tools.map(({ name }) => name)
}

test('as one JSON message', async () => {
  const { post, listed } = aHarness({ wire: () => wireJson(message), policy: open })
  expect(await (await post(ask)).text()).toBe(message)
  expect(await told(listed)).toEqual(['a', 'secret'])
})

test('as events, among others', async () => {
  const events = `event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\ndata: ${message}\n\n`
  const { post, listed } = aHarness({ wire: () => wireEvents(events), policy: open })
  expect(await (await post(ask)).text()).toBe(events)
  expect(await told(listed)).toEqual(['a', 'secret'])
})

test('before hidden tools are taken out', async () => {
  const policy = { ...aPolicy({ a: 'allow' }), hidden: new Set(['secret']) }
  const { post, listed } = aHarness({ wire: () => wireJson(message), policy })
  expect(await (await post(ask)).text()).not.toContain('secret')
  expect(await told(listed)).toEqual(['a', 'secret'])
})

test('an error, or something else, is passed over', async () => {
  const error = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"tools"}}'
  const { post, listed } = aHarness({ wire: () => wireJson(error) })
  expect(await (await post(ask)).text()).toBe(error)
  expect(listed).toEqual([])
})
