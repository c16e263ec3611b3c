/** The real services in a simulated world: every promise holds for every seed. A failing seed is printed and replays. */
import { expect, test } from 'vitest'
import { simulate } from './simulate.ts'

const first = Number(process.env.SIM_SEED ?? 1)
const count = Number(process.env.SIM_SEEDS ?? 60)

test(`${count} seeds from ${first}`, { timeout: 3_600_000 }, async () => {
  const failed: string[] = []
  const outcomes: Record<string, number> = {}
  let hits = 0
  let bySeveral = 0
  let byGrant = 0
  for (let seed = first; seed < first + count; seed++) {
    const { broken, world } = await simulate(seed)
    hits += world.hits.length
    for (const approval of await world.ledger.list({
      statuses: null,
      principal: null,
      limit: 1_000,
      after: null,
    })) {
      if (
        approval.status === 'settled' &&
        'decision' in approval.outcome &&
        approval.outcome.decision.under !== null
      )
        byGrant++
      if (
        approval.status === 'settled' &&
        'decision' in approval.outcome &&
        approval.outcome.decision.with.length > 0
      )
        bySeveral++
      const kind = approval.status === 'settled' ? approval.outcome.kind : approval.status
      outcomes[kind] = (outcomes[kind] ?? 0) + 1
    }
    if (broken.length > 0) failed.push(`seed ${seed}: ${broken.join('; ')}`)
  }
  console.log(
    `${count} seeds, ${hits} upstream requests, ${bySeveral} approved by several people, ${byGrant} under a grant, outcomes ${JSON.stringify(outcomes)}`,
  )
  expect(failed, 'replay one with SIM_SEED=<seed> SIM_SEEDS=1').toEqual([])
  if (count >= 60) expect(bySeveral).toBeGreaterThan(0)
  if (count >= 60) expect(byGrant).toBeGreaterThan(0)
  // A simulation that never gets anywhere would break nothing.
  for (const kind of [
    'answered',
    'rejected',
    'expired',
    'lapsed',
    'cancelled',
    'invalidated',
    'not_sent',
    'indeterminate',
  ]) {
    if (count >= 60) expect(outcomes[kind], kind).toBeGreaterThan(0)
  }
})
