/**
 * Read-only calls of the same server whose answers are shown beside a request, and again after an end that nobody knows.
 * They are no part of what is approved: they help a person to decide, and never allow or stop anything.
 */
import type { Approval, InstantMs } from './approval.ts'
import type { JsonValue } from './canonical.ts'
import { unclear, type ValuePath, valueAt } from './policy/value-path.ts'
import { err, ok, type Result } from './result.ts'

/** What a rule asks for. */
export interface LookupCall {
  /** What people read above the answer; `null`: the name of the tool. */
  readonly label: string | null
  readonly tool: string
  readonly arguments: readonly LookupArgument[]
}

export type LookupArgument = { readonly name: string } & (
  | { readonly value: string | number | boolean }
  /** Of the call that is asked about. */
  | { readonly path: ValuePath }
)

/** What came of one. The text is the upstream's: it may say anything. */
export interface Lookup {
  readonly label: string | null
  readonly tool: string
  /** RFC 8785 text of the arguments it was called with; `null`: it was not called. */
  readonly arguments: string | null
  readonly atMs: InstantMs
  readonly found:
    | {
        readonly kind: 'answer'
        readonly isError: boolean
        /** The beginning of it. */
        readonly text: string
        readonly isCut: boolean
        /** Of the whole answer. */
        readonly bytes: number
        readonly digest: string
      }
    | { readonly kind: 'none'; readonly reason: string }
}

/** Where the rule asks for nothing, there is nothing to come. */
export const nothingLookedUp = ({ lookups }: { readonly lookups: readonly LookupCall[] }): [] | null =>
  lookups.length === 0 ? [] : null

/** After an end that nobody knows: what is read later says little about that end, and nobody waits for it any more. */
export const LOOKUP_AFTER_MS = 15 * 60_000

/** Whether it is too late to read for it; then only that is noted. */
export const isTooLateToLook = (approval: Approval, nowMs: InstantMs): boolean =>
  approval.status === 'settled' && approval.settledAtMs <= nowMs - LOOKUP_AFTER_MS

/** Whether something is still to be read for people. */
export const wantsLookup = (approval: Approval): boolean =>
  approval.status === 'pending'
    ? approval.lookups === null
    : approval.status === 'settled' &&
      approval.outcome.kind === 'indeterminate' &&
      approval.outcome.evidence.lookupsAfter === null

/** @returns the arguments of a look-up for this call, or which of them it does not have */
export function lookupArguments(
  call: LookupCall,
  args: JsonValue,
): Result<Record<string, JsonValue>, string> {
  const filled: [string, JsonValue][] = []
  for (const argument of call.arguments) {
    const value = 'path' in argument ? valueAt(args, argument.path.steps) : argument.value
    if (value === unclear) return err(`nobody can know which value servers would read at ${nameOf(argument)}`)
    if (value === undefined && 'path' in argument) return err(`the call has no ${argument.path.source}`)
    if (value !== undefined) filled.push([argument.name, value])
  }
  return ok(Object.fromEntries(filled))
}

const nameOf = (argument: LookupArgument) => ('path' in argument ? argument.path.source : argument.name)

interface TextBlock {
  readonly type: 'text'
  readonly text: string
}

/** What of a tool's raw `result` people read: its text, where it has nothing else, otherwise all of it as JSON. */
export function readableText(resultText: string): string {
  let result: unknown
  try {
    result = JSON.parse(resultText)
  } catch {
    return resultText
  }
  if (typeof result !== 'object' || result === null || !('content' in result)) return resultText
  const { content } = result
  if (!Array.isArray(content) || content.length === 0 || !content.every(isTextBlock)) return resultText
  return content.map(({ text }) => text).join('\n')
}

const isTextBlock = (block: unknown): block is TextBlock =>
  typeof block === 'object' &&
  block !== null &&
  'type' in block &&
  block.type === 'text' &&
  'text' in block &&
  typeof block.text === 'string'
