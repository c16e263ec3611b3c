/** What every decision log must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { RecordedVerdict } from '../../src/domain/recorded-verdict.ts'
import type { DecisionLog, LogFilter } from '../../src/ports/decision-log.ts'
import { aRecordedVerdict, aTicket } from '../support/builders.ts'

export function decisionLogContract(name: string, open: () => Promise<DecisionLog>): void {
  describe(name, () => {
    let log: DecisionLog
    beforeEach(async () => {
      log = await open()
    })
    const add = (...wishes: Partial<RecordedVerdict>[]) => log.add(wishes.map(aRecordedVerdict))
    const list = (filter: Partial<LogFilter> = {}) => {
      const usual = {
        fromMs: 0,
        server: null,
        agent: null,
        owner: null,
        verdict: null,
        isTried: false,
        before: null,
      }
      return log.list({ ...usual, limit: 100, ...filter })
    }
    const tools = async (filter?: Partial<LogFilter>) => (await list(filter)).map(({ tool }) => tool)

    test('keeps a verdict as it was, newest first', async () => {
      const full = aRecordedVerdict({
        keys: ['a', 'ㄱ"\\\u0000'],
        arguments: '{"a":"\\u0000","b":"\\\\u0000"}',
        category: 'destructive',
        session: 's-1',
      })
      const bare = aRecordedVerdict({ rule: null, keys: null, paramsDigest: null, verdict: 'hide' })
      await log.add([full])
      await log.add([bare])
      const [second, first] = await list()
      expect(first).toEqual({ ...full, id: first?.id })
      expect(second).toEqual({ ...bare, id: second?.id })
      await log.add([])
      expect(await list()).toHaveLength(2)
    })

    test('keeps what was only tried, and finds it', async () => {
      const asIf = { verdict: 'deny', rule: 'shop.yaml#/rules/0' } as const
      await add(
        { tool: 'enforced' },
        { tool: 'tried', asIf },
        { tool: 'hidden', asIf: { verdict: 'hide', rule: null } },
      )
      expect(await tools({ isTried: true })).toEqual(['hidden', 'tried'])
      expect((await list()).map((line) => line.asIf)).toEqual([{ verdict: 'hide', rule: null }, asIf, null])
    })

    test('keeps a call of Holdpoint itself with what came of it', async () => {
      const lookUp = { approval: aTicket(), outcome: 'tool_error', tookMs: 1_234 } as const
      await add({ tool: 'get_state', verdict: 'look_up', lookUp }, { tool: 'get_state' })
      expect((await list({ verdict: 'look_up' })).map((line) => line.lookUp)).toEqual([lookUp])
      expect((await list()).map((line) => line.lookUp)).toEqual([null, lookUp])
    })

    test('one line that does not fit keeps no other out', async () => {
      await add({ tool: 'good' }, { principal: { name: 'nul\u0000', owner: 'lone\ud800' }, tool: 'odd' })
      expect(await tools()).toEqual(['odd', 'good'])
    })

    test('finds by time, server, agent, owner and verdict, page by page', async () => {
      const nowMs = Date.now()
      await add(
        { tool: 'old', atMs: nowMs - 86_400_000 },
        { tool: 'pay', server: 'pay' },
        { tool: 'other', principal: { name: 'other', owner: 'lee' } },
        { tool: 'denied', verdict: 'deny' },
      )
      expect(await tools({ fromMs: nowMs - 60_000 })).toEqual(['denied', 'other', 'pay'])
      expect(await tools({ server: 'pay' })).toEqual(['pay'])
      expect(await tools({ agent: 'other' })).toEqual(['other'])
      expect(await tools({ owner: 'lee' })).toEqual(['other'])
      expect(await tools({ verdict: 'deny' })).toEqual(['denied'])
      const page = await list({ limit: 3 })
      expect(await tools({ before: page.at(-1)?.id ?? null })).toEqual(['old'])
    })

    test('is swept by age and by number, in bounded pieces', async () => {
      const nowMs = Date.now()
      await add(...Array.from({ length: 5 }, () => ({ tool: 'old', atMs: nowMs - 10_000 })))
      await add(...Array.from({ length: 5 }, (_, index) => ({ tool: `new-${index}` })))
      expect(await log.sweep(5_000, 100, 3)).toBe(3)
      expect(await log.sweep(5_000, 100, 3)).toBe(2)
      expect(await log.sweep(5_000, 100, 3)).toBe(0)
      expect(await log.sweep(5_000, 2, 100)).toBe(3)
      expect(await tools()).toEqual(['new-4', 'new-3'])
    })
  })
}
