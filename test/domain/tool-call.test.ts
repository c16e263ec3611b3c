/** What makes two calls the same call, and what is shown, hashed and sent. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bindingDigest } from '../../src/domain/approval.ts'
import { attachKey, canonicalParams, toolDefinition } from '../../src/domain/tool-call.ts'
import { aToolCall } from '../support/builders.ts'

test.each([
  ['another argument', { arguments: { name: 'acme/shop2' } }],
  ['a trailing space', { arguments: { name: 'acme/shop ' } }],
  ['a no-break space', { arguments: { name: 'acme/shop\u00a0' } }],
  ['another normal form', { arguments: { name: 'acme/sho\u0301p' } }],
  ['another tool', { tool: 'delete_Repository' }],
  ['another server', { server: 'gitlab' }],
  ['another principal', { principal: { name: 'day-agent', owner: 'jun' } }],
  ['a fresh idempotency key', { idempotencyKey: 'k1' }],
  ['another era', { era: 'modern' as const }],
])('%s is another call', (_what, overrides) => {
  expect(attachKey(aToolCall(overrides))).not.toBe(attachKey(aToolCall()))
})

test('the order of arguments does not make another call', () => {
  const one = aToolCall({ arguments: { a: 1, b: [1, 2] } })
  const two = aToolCall({ arguments: { b: [1, 2], a: 1 } })
  expect(attachKey(one)).toBe(attachKey(two))
})

test('metadata that only carries the request is neither shown nor hashed, all other metadata is', () => {
  const carried = {
    progressToken: 7,
    'io.modelcontextprotocol/clientInfo': { name: 'x' },
    'claudecode/toolUseId': 'toolu_1',
    'dev.holdpoint/idempotency-key': 'k',
  }
  expect(canonicalParams('t', {}, carried)).toBe('{"arguments":{},"name":"t"}')
  expect(canonicalParams('t', {}, { ...carried, 'acme.com/sudo': true })).toBe(
    '{"_meta":{"acme.com/sudo":true},"arguments":{},"name":"t"}',
  )
})

test('what Codex adds to every call is no part of it; of anybody else the same names are', () => {
  const ids = { callId: 'call_1', itemId: 'i', sessionId: 's', threadId: 't', windowId: 'w' }
  const turn = { 'x-codex-turn-metadata': { turn_id: '01a2', turn_started_at_unix_ms: 1_795_373_193_819 } }
  expect(canonicalParams('t', {}, { ...ids, ...turn })).toBe('{"arguments":{},"name":"t"}')
  expect(canonicalParams('t', {}, { threadId: 'C012' })).toBe(
    '{"_meta":{"threadId":"C012"},"arguments":{},"name":"t"}',
  )
})

test('any two different parameter texts have different digests', () => {
  const binding = {
    nonce: 'n',
    server: 's',
    tool: 't',
    toolDefinitionDigest: 'd',
    ruleDigest: 'r',
    requester: { name: 'a', owner: 'o' },
  }
  fc.assert(
    fc.property(fc.json(), fc.json(), (one, two) => {
      const same =
        bindingDigest({ ...binding, canonicalParams: one }) ===
        bindingDigest({ ...binding, canonicalParams: two })
      expect(same).toBe(one === two)
    }),
  )
})

test('a changed description or schema is another tool definition, an unknown field is not', () => {
  const listed = { name: 't', description: 'x', inputSchema: { type: 'object' } }
  const { digest } = toolDefinition(listed)
  expect(toolDefinition({ ...listed, description: 'y' }).digest).not.toBe(digest)
  expect(toolDefinition({ ...listed, inputSchema: {} }).digest).not.toBe(digest)
  expect(toolDefinition({ ...listed, icons: [] }).digest).toBe(digest)
})
