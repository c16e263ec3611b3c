/** What every store of tool pins must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import { type SeenTool, seenTool } from '../../src/domain/risk/drift.ts'
import type { ToolPins } from '../../src/ports/tool-pins.ts'

const seen = (name: string, description: string): SeenTool => {
  const made = seenTool({ name, description, inputSchema: { type: 'object' } })
  if (made === null) throw new Error('it has a canonical form')
  return made
}

export function toolPinsContract(name: string, open: () => Promise<ToolPins>): void {
  describe(name, () => {
    let pins: ToolPins
    beforeEach(async () => {
      pins = await open()
    })
    const pinOf = async (tool: string) => (await pins.all()).find((pin) => pin.tool === tool)
    const [first, second, third] = ['one', 'two', 'three'].map((words) => seen('get_page', `Get ${words}`))
    if (first === undefined || second === undefined || third === undefined) throw new Error('there are three')

    test('everything is accepted at the first sight of a server, once, however many look', async () => {
      const looks = await Promise.all(
        Array.from({ length: 5 }, () => pins.pinFirst('s', [first, seen('b', 'Get b')])),
      )
      expect(looks.filter((wasFirst) => wasFirst)).toHaveLength(1)
      expect(await pins.pinFirst('s', [seen('c', 'Get c')])).toBe(false)
      expect((await pins.all()).map(({ tool }) => tool).sort()).toEqual(['b', 'get_page'])
      expect(await pinOf('get_page')).toMatchObject({
        accepted: { ...first, by: 'first sight' },
        waiting: null,
      })
    })

    test('a change waits beside what was accepted, the newest one only', async () => {
      await pins.pinFirst('s', [first])
      expect(await pins.letWait('s', second, first.digest)).toBe(true)
      expect(await pins.letWait('s', second, first.digest)).toBe(false)
      expect(await pins.letWait('s', third, first.digest)).toBe(true)
      expect(await pins.letWait('s', third, second.digest)).toBe(false)
      expect(await pinOf('get_page')).toMatchObject({ accepted: first, waiting: third })
    })

    test('a tool that appears later waits without anything accepted', async () => {
      await pins.pinFirst('s', [first])
      const later = seen('later', 'Get later')
      expect(await pins.letWait('s', later, null)).toBe(true)
      expect(await pins.letWait('s', later, null)).toBe(false)
      expect(await pins.letWait('s', second, null)).toBe(false)
      expect(await pinOf('later')).toMatchObject({ accepted: null, waiting: later })
    })

    test('a person accepts exactly what they looked at, or keeps what was', async () => {
      await pins.pinFirst('s', [first])
      await pins.letWait('s', second, first.digest)
      await pins.letWait('s', third, first.digest)
      expect(await pins.accept('s', 'get_page', second.digest, 'mina')).toBe(false)
      expect(await pins.accept('s', 'get_page', third.digest, 'mina')).toBe(true)
      expect(await pinOf('get_page')).toMatchObject({
        accepted: { ...third, by: 'person:mina' },
        waiting: null,
      })
      expect(await pins.accept('s', 'get_page', third.digest, 'mina')).toBe(false)
      await pins.letWait('s', first, third.digest)
      expect(await pins.accept('s', 'get_page', third.digest, 'jun')).toBe(true)
      expect(await pinOf('get_page')).toMatchObject({
        accepted: { ...third, by: 'person:jun' },
        waiting: null,
      })
    })

    test('mere words are taken only in place of what they replace, and not past something that waits', async () => {
      await pins.pinFirst('s', [first])
      expect(await pins.take('s', second, third.digest)).toBe(false)
      expect(await pins.take('s', second, first.digest)).toBe(true)
      await pins.letWait('s', third, second.digest)
      expect(await pins.take('s', first, second.digest)).toBe(false)
    })

    test('the mark moves with every change, and with nothing else', async () => {
      const before = await pins.mark()
      await pins.pinFirst('s', [first])
      const pinned = await pins.mark()
      expect(pinned).not.toBe(before)
      await pins.pinFirst('s', [second])
      expect(await pins.mark()).toBe(pinned)
      await pins.letWait('s', second, first.digest)
      expect(await pins.mark()).not.toBe(pinned)
    })
  })
}
