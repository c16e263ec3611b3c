/** The shape of what another policy would have said, in the REST API. */
import { z } from '@hono/zod-openapi'
import type { Simulation } from '../domain/simulation.ts'
import { iso } from './view.ts'

const count = z.number().int()
const answer = z.enum(['allow', 'require_approval', 'deny'])
const byChange = z.object({
  ...{ unchanged: count, newly_denied: count, newly_asked: count },
  ...{ no_longer_asked: count, no_longer_denied: count },
})

export const simulationView = z
  .object({
    from: z.string().openapi({ description: 'the oldest call that was looked at', format: 'date-time' }),
    to: z.string().openapi({ format: 'date-time' }),
    calls: count,
    isMore: z.boolean().openapi({ description: 'these are the newest calls of that time, not all' }),
    uncertain: count.openapi({
      description: 'calls whose answer depends on arguments that were not kept, or on counts of the past',
    }),
    limited: z.object({ atLeast: count, atMost: count }).openapi({
      description: 'calls that a limit would have refused, counted from zero at the oldest call',
    }),
    unmeasured: count.openapi({
      description: 'calls with a limit on an amount that was not kept; that limit is not replayed',
    }),
    strictest: byChange.openapi({ description: 'if everything that is unknown turns out the stricter way' }),
    mildest: byChange,
    asIf: byChange.nullable().openapi({
      description: 'what enforcing the rules in shadow would change; null: there are none',
    }),
    changed: z.array(
      z.object({
        ...{ tool: z.string(), was: answer, strictest: answer, mildest: answer },
        ...{ rule: z.string().nullable(), calls: count },
      }),
    ),
    approvals: z.object({ atLeast: count, atMost: count }),
    people: z
      .array(z.object({ person: z.string(), approvals: count, perDay: z.number(), busiestDay: count }))
      .openapi({ description: 'of `atMost`; everybody who may decide is asked' }),
    busiestHour: z.object({ from: z.string(), approvals: count }).nullable(),
    usualDecisionMs: z.number().nullable(),
    expectedQueue: z.number().nullable(),
  })
  .openapi('PolicySimulation')
export type SimulationView = z.infer<typeof simulationView>

export function toSimulation({
  fromMs,
  toMs,
  busiestHour,
  changed,
  people,
  ...rest
}: Simulation): SimulationView {
  return {
    ...rest,
    ...{ from: iso(fromMs), to: iso(toMs), changed: [...changed], people: [...people] },
    busiestHour:
      busiestHour === null ? null : { from: iso(busiestHour.fromMs), approvals: busiestHour.approvals },
  }
}
