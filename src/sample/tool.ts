/** What one tool of the sample is: parsed arguments in, an answer out, everything else by the dependencies. */
import type { z } from 'zod'
import type { State } from './state.ts'

export interface Dependencies {
  readonly state: State
  nowMs(): number
  /** A fresh identifier that starts with `prefix`. */
  newId(prefix: string): string
}

export type Answer =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string }

export type Handler = (args: unknown) => Answer
export type Handlers = Readonly<Record<string, Handler>>

/** `data` follows the sentence as JSON, because that is what a model reads most reliably. */
export function done(sentence: string, data?: unknown): Answer {
  const text = data === undefined ? sentence : `${sentence}\n${JSON.stringify(data, null, 2)}`
  return { kind: 'done', text }
}

export const refused = (text: string): Answer => ({ kind: 'refused', text })

/** The server has checked the arguments against the listed schema; this gives them their types. */
export function handler<T>(schema: z.ZodType<T>, run: (args: T) => Answer): Handler {
  return (args) => run(schema.parse(args))
}

/** Puts a condition before each of the handlers: `missing` names what is not there, or is `null`. */
export function guarded(missing: () => string | null, handlers: Handlers): Handlers {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, run]) => [
      name,
      (args: unknown) => {
        const text = missing()
        return text === null ? run(args) : refused(text)
      },
    ]),
  )
}
