/** Replays of the decision log with limits: counted in the order of time, with what cannot be known told apart. */
import { describe, expect, test } from 'vitest'
import type { RecordedVerdict } from '../../src/domain/recorded-verdict.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { readPolicyText } from '../../src/launch/policies.ts'
import { createSimulate } from '../../src/services/simulate.ts'
import { approvers, aRecordedVerdict } from '../support/builders.ts'
import { createMemoryDecisionLog } from '../support/memory-decision-log.ts'

const startMs = Date.UTC(2026, 7, 1, 9, 0, 0)
const minute = 60_000

/** One call a line: the minute, the amount (`null`: its arguments were not kept), and what differs. */
type Line = readonly [atMinute: number, amount: number | null, wish?: Partial<RecordedVerdict>]

async function simulated(text: string, lines: readonly Line[]) {
  const policy = readPolicyText('p.yaml', text)
  if (!policy.ok) throw new Error(policy.error)
  const decisionLog = createMemoryDecisionLog()
  await decisionLog.add(
    lines.map(([at, amount, wish], index) =>
      aRecordedVerdict({
        ...{ tool: 'pay', server: 'shop', verdict: 'allow', atMs: startMs + at * minute },
        ...{ keys: ['amount'], arguments: amount === null ? null : JSON.stringify({ amount }) },
        ...{ paramsDigest: String(index).padStart(64, '0'), ...wish },
      }),
    ),
  )
  const nowMs = async () => startMs + 24 * 60 * minute
  const simulate = createSimulate({
    ...{ decisionLog, timings: defaultTimings, people: new Map(), rules: {} },
    ledger: { nowMs, list: async () => [] },
  })
  const rules = { policy: policy.value, approvers, revision: 1 }
  return simulate('shop', rules, 7 * 24 * 60 * minute)
}

const capped = (more = 'action: allow') =>
  `default: deny\ntools: { pay: { ${more}, spend_limit: { path: args.amount, max: 100, window: 3600 } } }\n`
const rated = (more = 'action: allow') =>
  `default: deny\ntools: { pay: { ${more}, rate_limit: { max: 2, window: 3600 } } }\n`

describe('a limit', () => {
  test('refuses what would have gone over it, by the times of the calls, whatever order they were written in', async () => {
    const lines: Line[] = [
      [70, 60],
      [0, 60],
      [10, 30],
      [20, 30],
      [65, 60],
    ]
    const { strictest, mildest, limited, changed, uncertain } = await simulated(capped(), lines)
    // 60 + 30, then no room for 30; after an hour the 60 are gone, but with 30 and 60 there is no room for 60 again.
    expect(limited).toEqual({ atLeast: 2, atMost: 2 })
    expect([strictest.newly_denied, mildest.newly_denied, uncertain]).toEqual([2, 2, 0])
    expect(changed).toEqual([
      {
        ...{ tool: 'pay', was: 'allow', strictest: 'deny', mildest: 'deny', calls: 2 },
        rule: 'p.yaml#/tools/pay/spend_limit',
      },
    ])
  })

  test('counts each agent by itself, and the running hour of a calendar', async () => {
    const other = { principal: { name: 'other', owner: 'mina' } }
    const lines: Line[] = [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1, other],
    ]
    expect((await simulated(rated(), lines)).limited.atMost).toBe(1)
    const calendar = rated().replace('window: 3600', 'calendar: hour')
    expect(
      (
        await simulated(calendar, [
          [58, 1],
          [59, 1],
          [60, 1],
          [61, 1],
          [62, 1],
        ])
      ).limited.atMost,
    ).toBe(1)
  })

  test('what was refused by one is denied as it was, and let pass where there is room under the new one', async () => {
    const refused = { verdict: 'limited' } as const
    const { strictest } = await simulated(rated(), [
      [0, 1],
      [1, 1, refused],
      [2, 1, refused],
    ])
    expect(strictest).toMatchObject({ unchanged: 2, no_longer_denied: 1 })
  })

  test('is not counted by what another rule denies', async () => {
    const denying = `${rated()}rules: [{ tools: pay, when: { path: args.amount, gt: 50 }, action: deny }]\n`
    const { limited, strictest } = await simulated(denying, [
      [0, 90],
      [1, 90],
      [2, 1],
      [3, 1],
    ])
    expect([limited.atMost, strictest.newly_denied]).toEqual([0, 2])
  })
})

describe('where it cannot be known', () => {
  test('whether people said yes, a call counts in one reading only', async () => {
    const lines: Line[] = [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ]
    const { limited, approvals, strictest, mildest } = await simulated(
      rated('action: require_approval'),
      lines,
    )
    expect(limited).toEqual({ atLeast: 0, atMost: 2 })
    expect([strictest.newly_denied, mildest.newly_denied]).toEqual([2, 0])
    expect(approvals).toEqual({ atLeast: 2, atMost: 4 })
  })

  test('how much it was, the limit on the amount is not replayed, and that is counted', async () => {
    const { limited, unmeasured, strictest } = await simulated(capped(), [
      [0, null],
      [1, 90],
      [2, null],
      [3, 90],
    ])
    expect(unmeasured).toBe(2)
    expect(limited).toEqual({ atLeast: 1, atMost: 1 })
    expect(strictest.newly_denied).toBe(1)
  })

  test('but the number of such calls is', async () => {
    const { limited, unmeasured } = await simulated(rated(), [
      [0, null],
      [1, null],
      [2, null],
    ])
    expect([limited.atLeast, unmeasured]).toEqual([1, 0])
  })
})

test('what conditions ask about the past is counted as well', async () => {
  const third = `default: allow
rules:
  - { tools: pay, when: { history: { tools: pay, window: 3600 }, gte: 2 }, action: require_approval }
`
  const { strictest, mildest, approvals } = await simulated(third, [
    [0, 1],
    [1, 1],
    [2, 1],
    [90, 1],
  ])
  expect(approvals).toEqual({ atLeast: 1, atMost: 1 })
  expect([strictest.newly_asked, mildest.newly_asked]).toEqual([1, 1])
})

test('a repeat of a call within the time for a decision is one approval, from the first of them on', async () => {
  const same = { paramsDigest: 'a'.repeat(64) }
  const ask = 'default: require_approval'
  const { approvals } = await simulated(ask, [
    [0, 1, same],
    [60, 1, same],
    [200, 1, same],
    [260, 1, same],
  ])
  expect(approvals.atMost).toBe(2)
})
