/** What a process knows of its own lease: whether it may have been taken for dead, also when it holds one again. */
import { expect, test } from 'vitest'
import { createSleepCountingClock } from '../../src/launch/clock.ts'
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

test('a machine that was suspended has not stopped the lease, though its own clock stood still', () => {
  const now = { awakeMs: 5_000, bootMs: 900_000 }
  const clock = createSleepCountingClock(
    () => now.awakeMs,
    () => now.bootMs,
  )
  const lease = createLease(clock, { nodeLeaseMs: 10_000 })
  lease.renewed(clock.monotonicMs())
  const isSame = lease.watch()
  now.awakeMs += 2_000
  // Read a moment later, and rounded.
  now.bootMs += 2_090
  expect(clock.monotonicMs()).toBe(7_000)
  expect(isSame()).toBe(true)
  now.bootMs += 60_000
  expect(lease.isHeld()).toBe(false)
  lease.renewed(clock.monotonicMs())
  expect(lease.isHeld()).toBe(true)
  expect(isSame()).toBe(false)
  // A time since boot that goes by a clock which was set back.
  now.bootMs -= 600_000
  now.awakeMs += 9_000
  expect(lease.isHeld()).toBe(true)
  now.awakeMs += 1_000
  expect(lease.isHeld()).toBe(false)
})
