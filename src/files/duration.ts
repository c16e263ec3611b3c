/** Durations as people write them: a number and a unit. */
import ms, { type StringValue } from 'ms'
import { z } from 'zod'
import { says } from './shape.ts'

export const durationShape = z
  .string()
  .regex(
    /^\d{1,9}(\.\d{1,3})? ?(ms|s|m|h|d)$/,
    says('this is not a duration', 'write a number and a unit, as 50s, 10m, 4h or 1d'),
  )

const isDuration = (value: string): value is StringValue => durationShape.safeParse(value).success

/** `NaN` for what is no duration. */
export const durationMs = (text: string): number => (isDuration(text) ? Math.round(ms(text)) : Number.NaN)
