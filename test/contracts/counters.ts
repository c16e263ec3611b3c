/** What every store of counters must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Counted, Counters } from '../../src/ports/counters.ts'

const aWish = (overrides: Partial<Counted> = {}): Counted => ({
  key: 'calls',
  window: { kind: 'sliding', seconds: 3_600 },
  amount: 1,
  max: 5,
  ...overrides,
})

export function countersContract(
  name: string,
  open: () => Promise<{ counters: Counters; age: (seconds: number) => Promise<void> }>,
): void {
  describe(name, () => {
    let counters: Counters
    let age: (seconds: number) => Promise<void>
    let calls = 0
    beforeEach(async () => {
      ;({ counters, age } = await open())
    })
    const reserve = (...wishes: Counted[]) => counters.reserve(`call-${++calls}`, wishes)
    const sum = async (wish = aWish()) => (await counters.read([wish])).get(wish.key)

    test('of many at once exactly as many pass as there is room for', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => reserve(aWish())))
      expect(answers.filter(({ kind }) => kind === 'reserved')).toHaveLength(5)
      expect(await sum()).toBe(5)
    })

    test('all are counted or none, whatever order the keys come in', async () => {
      const day = aWish({ key: 'day', max: 3 })
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          index % 2 === 0 ? reserve(aWish(), day) : reserve(day, aWish()),
        ),
      )
      expect(answers.filter(({ kind }) => kind === 'reserved')).toHaveLength(3)
      expect(answers).toContainEqual({ kind: 'exceeded', index: 0 })
      expect(answers).toContainEqual({ kind: 'exceeded', index: 1 })
      expect([await sum(), await sum(day)]).toEqual([3, 3])
    })

    test('amounts add up exactly, and the sum may reach the limit', async () => {
      const tenth = aWish({ key: 'spend', amount: 0.1, max: 0.3 })
      for (const kind of ['reserved', 'reserved', 'reserved', 'exceeded'])
        expect((await reserve(tenth)).kind).toBe(kind)
      expect((await reserve({ ...tenth, amount: 0 })).kind).toBe('reserved')
    })

    test('whether there is room is asked by the same arithmetic, and counts nothing', async () => {
      for (const [first, second, max] of [
        [1.1, 2.2, 3.3],
        [0.1, 0.2, 0.3],
        [16.1, 3.8, 19.9],
      ] as const) {
        const spend = aWish({ key: `spend up to ${max}`, amount: first, max })
        await reserve(spend)
        expect(await counters.full([{ ...spend, amount: second }]), `${first} + ${second}`).toBeNull()
        expect(await counters.full([aWish(), { ...spend, amount: second + 0.01 }])).toBe(1)
        expect((await reserve({ ...spend, amount: second })).kind).toBe('reserved')
      }
      expect(await counters.full([aWish({ key: 'nobody', max: 0 }), aWish({ key: 'nobody' })])).toBe(0)
      expect(await counters.full([aWish({ max: null })])).toBeNull()
    })

    test('what no window reaches any more is swept, whoever it was counted for, and nothing else', async () => {
      const long = aWish({ key: 'long', window: { kind: 'sliding', seconds: 7_200 } })
      const today = aWish({ key: 'today', window: { kind: 'calendar', unit: 'day' } })
      for (let session = 0; session < 5; session++) await reserve(aWish({ key: `session ${session}` }))
      await reserve(long)
      expect(await counters.sweep(100)).toBe(0)
      await age(3_601)
      await reserve(today)
      expect(await counters.sweep(3)).toBe(3)
      expect(await counters.sweep(3)).toBe(2)
      expect(await counters.sweep(3)).toBe(0)
      expect([await sum(long), await sum(today)]).toEqual([1, 1])
    })

    test('an amount beyond all limits counts nothing', async () => {
      expect(await reserve(aWish({ amount: 1e15 }))).toEqual({ kind: 'exceeded', index: 0 })
      expect(await sum()).toBe(0)
    })

    test('what is only counted has no limit', async () => {
      for (let call = 0; call < 7; call++) {
        expect((await reserve(aWish({ max: null }))).kind).toBe('reserved')
      }
      expect(await sum()).toBe(7)
    })

    test('what is taken back leaves room, and only once', async () => {
      const one = aWish({ max: 1 })
      await counters.reserve('first', [one])
      await counters.release('first')
      await counters.release('first')
      await counters.release('never-seen')
      expect((await reserve(one)).kind).toBe('reserved')
      expect((await reserve(one)).kind).toBe('exceeded')
    })

    test('a window slides: what is older no longer counts', async () => {
      const wish = aWish({ max: 1 })
      await reserve(wish)
      await age(3_599)
      expect((await reserve(wish)).kind).toBe('exceeded')
      await age(2)
      expect(await sum()).toBe(0)
      expect((await reserve(wish)).kind).toBe('reserved')
    })

    test('a day of the calendar ends with the day', async () => {
      const wish = aWish({ window: { kind: 'calendar', unit: 'day' }, max: 1 })
      await reserve(wish)
      expect((await reserve(wish)).kind).toBe('exceeded')
      await age(86_400)
      expect((await reserve(wish)).kind).toBe('reserved')
    })

    test('a key that nobody counted has 0', async () => {
      expect(await sum(aWish({ key: 'other' }))).toBe(0)
      expect(await counters.read([])).toEqual(new Map())
    })
  })
}
