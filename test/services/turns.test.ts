/** Work in turns: never more at once than allowed, one for each key, and everything comes to its turn. */
import { expect, test } from 'vitest'
import { createTurns } from '../../src/services/turns.ts'

test('so much at once, one for each key, and what fails gives its place away', async () => {
  const inTurn = createTurns(2)
  const busy: string[] = []
  let most = 0
  const done = await Promise.allSettled(
    ['a', 'a', 'b', 'c', 'a', 'b', 'c'].map((key, at) =>
      inTurn(key, async () => {
        expect(busy).not.toContain(key)
        busy.push(key)
        most = Math.max(most, busy.length)
        await new Promise((resolve) => setImmediate(resolve))
        busy.splice(busy.indexOf(key), 1)
        if (at % 2 === 1) throw new Error('it failed')
        return at
      }),
    ),
  )
  expect(most).toBe(2)
  expect(done.map((one) => (one.status === 'fulfilled' ? one.value : 'failed'))).toEqual([
    ...[0, 'failed', 2, 'failed', 4, 'failed', 6],
  ])
})
