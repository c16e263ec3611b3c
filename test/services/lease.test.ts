/** What a process knows of its own lease: whether it may have been taken for dead, also when it holds one again. */
import { expect, test } from 'vitest'
import { createLease } from '../../src/services/watch.ts'

function aLease() {
  const clock = { now: 0, monotonicMs: () => clock.now, wallMs: () => clock.now, sleep: async () => {} }
  return { clock, lease: createLease(clock, { nodeLeaseMs: 10_000 }) }
}

test('renewed in time it is one and the same', () => {
  const { clock, lease } = aLease()
  lease.renewed(0)
  const isSame = lease.watch()
  for (clock.now = 2_500; clock.now < 60_000; clock.now += 2_500) lease.renewed(clock.now - 10)
  expect(lease.isHeld()).toBe(true)
  expect(isSame()).toBe(true)
})

test('a process that stood still beyond it holds another one afterwards, and does not send what it had claimed', () => {
  const { clock, lease } = aLease()
  lease.renewed(0)
  const isSame = lease.watch()
  clock.now = 12_000
  expect(lease.isHeld()).toBe(false)
  lease.renewed(12_000)
  expect(lease.isHeld()).toBe(true)
  expect(isSame()).toBe(false)
})

test('an answer of the ledger that came after the lapse proves nothing about when it was renewed', () => {
  const { clock, lease } = aLease()
  lease.renewed(0)
  const isSame = lease.watch()
  clock.now = 10_500
  lease.renewed(9_900)
  expect(isSame()).toBe(false)
})
