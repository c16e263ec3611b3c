/** Reads how long known clients wait: data that changes monthly, beside the code. */
import { readFileSync } from 'node:fs'
import ms, { type StringValue } from 'ms'
import { z } from 'zod'
import type { ClientBudget } from '../domain/hold-budget.ts'

const duration = z.custom<StringValue>(
  (text) => typeof text === 'string' && /^\d+(s|m|h)$/.test(text),
  'not a duration',
)
const fileShape = z.array(
  z.strictObject({
    names: z.array(z.string().min(1)).min(1),
    since: z
      .string()
      .regex(/^\d+(\.\d+)*$/)
      .optional(),
    client: z.string(),
    /** `null`: it waits as long as people may take. */
    hold: duration.nullable(),
    needsProgress: z.boolean(),
    /** What the client does, where that is known from, and when it was looked at. */
    limit: z.string(),
    source: z.string(),
    asOf: z.string(),
  }),
)

export function readClientBudgets(): readonly ClientBudget[] {
  const text = readFileSync(new URL('client-budgets.json', import.meta.url), 'utf8')
  return fileShape.parse(JSON.parse(text)).map(({ names, since = null, hold, needsProgress }) => ({
    names,
    since,
    holdMs: hold === null ? null : ms(hold),
    needsProgress,
  }))
}
