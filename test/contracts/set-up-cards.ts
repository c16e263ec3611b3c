/** What every store of the cards of servers without a policy must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { SetUpCards } from '../../src/ports/set-up-cards.ts'

const LONG_MS = 600_000

export function setUpCardsContract(name: string, open: () => Promise<SetUpCards>): void {
  describe(name, () => {
    let cards: SetUpCards
    beforeEach(async () => {
      cards = await open()
    })

    test('one draws at a time, and the next one knows what is shown and where', async () => {
      const [one, two] = await Promise.all([
        cards.take('shop', 'slack', LONG_MS),
        cards.take('shop', 'slack', LONG_MS),
      ])
      expect([one, two].filter((card) => card !== null)).toMatchObject([{ place: null, shown: null }])
      const turn = one?.turn ?? two?.turn ?? ''
      expect(await cards.drawn('shop', 'slack', turn, { place: 'C1 1.1', shown: '가나다' })).toBe(true)
      expect(await cards.take('shop', 'slack', LONG_MS)).toMatchObject({ place: 'C1 1.1', shown: '가나다' })
      expect(await cards.shown('slack')).toEqual(new Map([['shop', '가나다']]))
    })

    test('whoever gives back has drawn nothing; servers and channels are apart', async () => {
      const card = await cards.take('shop', 'slack', LONG_MS)
      expect(await cards.take('wiki', 'slack', LONG_MS)).not.toBeNull()
      expect(await cards.take('shop', 'other', LONG_MS)).not.toBeNull()
      await cards.giveBack('shop', 'slack', card?.turn ?? '')
      expect(await cards.shown('slack')).toEqual(new Map())
      expect(await cards.take('shop', 'slack', LONG_MS)).toMatchObject({ place: null, shown: null })
    })

    test('whoever takes too long loses the turn, and what they drew does not count', async () => {
      const late = await cards.take('shop', 'slack', 0)
      const next = await cards.take('shop', 'slack', LONG_MS)
      expect(next?.turn).not.toBe(late?.turn)
      expect(await cards.drawn('shop', 'slack', late?.turn ?? '', { place: 'old', shown: 'old' })).toBe(false)
      await cards.giveBack('shop', 'slack', late?.turn ?? '')
      expect(await cards.take('shop', 'slack', LONG_MS)).toBeNull()
      expect(await cards.drawn('shop', 'slack', next?.turn ?? '', { place: 'new', shown: 'new' })).toBe(true)
    })
  })
}
