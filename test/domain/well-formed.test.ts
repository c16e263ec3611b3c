/** Texts of others that are kept: cut anywhere, and whatever they hold, an audit event can be written with them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import { beginning } from '../../src/domain/well-formed.ts'
import { anApproval } from '../support/builders.ts'

test('the beginning of a text never ends in half a sign', () => {
  expect(beginning('ab😀', 3)).toBe('ab')
  expect(beginning('ab😀', 4)).toBe('ab😀')
  expect(beginning('a\uD83D', 10)).toBe('a\uFFFD')
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '😀', '\uD83D', '\uDE00') }),
      fc.nat(20),
      (text, max) => {
        const begun = beginning(text, max)
        expect(begun.isWellFormed()).toBe(true)
        expect(begun.length).toBeLessThanOrEqual(max)
      },
    ),
  )
})

test.each([
  { kind: 'lose_track', reason: 'it said \uD83D' },
  { kind: 'fail_unsent', reason: 'it said \uD83D' },
  { kind: 'look_after', looked: { isReachable: false, said: 'it said \uD83D' } },
  {
    kind: 'look_up',
    digest: 'a',
    lookups: [
      { label: null, tool: 'get', arguments: null, found: { kind: 'none', reason: 'it said \uD83D' } },
    ],
  },
] as const)('$kind with half a sign is written to the audit', (event) => {
  const { payload } = auditEvent(CHAIN_START, event, anApproval().approval, 1_000_000)
  expect(payload).toContain('it said \uFFFD')
})
