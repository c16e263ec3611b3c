/** One line of the decision log: what the policy said about a call, and as much of the call as may be kept. */
import type { InstantMs } from './approval.ts'
import type { ApprovalId } from './approval-id.ts'
import { canonical, type JsonObject, type JsonValue, sha256 } from './canonical.ts'
import { foldName } from './fold-name.ts'
import type { Principal } from './principal.ts'
import type { Category, Risk } from './risk.ts'
import { keptMeta } from './tool-call.ts'

/**
 * `limited`: the policy allows it, and a limit was reached or could not be counted. `stopped`: the kill switch refused it before
 * any policy was asked. `not_set_up`: nobody has accepted a policy for the server. `look_up`: no call of an agent, but one of
 * Holdpoint's own, for the evidence that a rule wants beside a request.
 */
export const recordedKinds = [
  'allow',
  'deny',
  'hide',
  'require_approval',
  'limited',
  'stopped',
  'not_set_up',
  'look_up',
] as const
export type RecordedKind = (typeof recordedKinds)[number]

/** What came of asking the server for evidence. `tool_error`: it answered that it failed; `none`: no answer came, or none in time. */
export const lookUpOutcomes = ['answered', 'tool_error', 'none'] as const

/** A call of Holdpoint's own, with the requester's account. */
export interface RecordedLookUp {
  /** Beside which it is shown. */
  readonly approval: ApprovalId
  readonly outcome: (typeof lookUpOutcomes)[number]
  /** In milliseconds, with finding out what the tool is. */
  readonly tookMs: number
}

export interface RecordedVerdict {
  /** By the clock that time windows of policies were judged with. */
  readonly atMs: InstantMs
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  /** Of the protocol; `null` where it has none. */
  readonly session: string | null
  readonly verdict: RecordedKind
  /** Source and JSON Pointer of the rule, or which stop; `null` for hidden tools, and where there is no policy. */
  readonly rule: string | null
  /** What rules that are only tried would have said, where that is another answer or by another rule; `null`: nothing else. */
  readonly asIf: { readonly verdict: RecordedKind; readonly rule: string | null } | null
  /** The number of the policy revision that said so, or that was in force; 0: none was. */
  readonly revision: number
  readonly category: Category | null
  readonly risk: Risk
  /** SHA-256 of the canonical `params`; `null`: they were larger than is looked at, or have no canonical form. */
  readonly paramsDigest: string | null
  /** Names of the arguments that had a value; `null`: more than are kept. */
  readonly keys: readonly string[] | null
  /** RFC 8785 text of the arguments, where the server is configured so and they are small enough. */
  readonly arguments: string | null
  /** How long the judgement took, in microseconds. */
  readonly judgedInUs: number
  /** Of a `look_up`; `rule` is then the one that wants it. */
  readonly lookUp: RecordedLookUp | null
}

/** Of a call whose params are larger no digest is made: that would keep everybody else waiting for longer than a judgement does. */
export const DIGESTED_BYTES_MAX = 64 * 1024
/** Arguments are kept up to this size: enough for what conditions ask about, and a month of them still fits on a disk. */
export const KEPT_ARGUMENTS_BYTES_MAX = 8 * 1024
/** No tool has as many arguments as this; their names come from the agent and must not fill the log. */
const KEYS_MAX = 64
const KEY_LENGTH_MAX = 128

/** Names of the arguments with a value, and whatever is another spelling of one. What is not an object has none. */
export function keysOf(args: JsonValue): readonly string[] | null {
  if (!isObject(args)) return args === null ? [] : null
  const withValue = new Set(Object.keys(args).flatMap((key) => (args[key] === null ? [] : [foldName(key)])))
  const keys = Object.keys(args).filter((key) => withValue.has(foldName(key)))
  const fits = keys.length <= KEYS_MAX && keys.every((key) => key.length <= KEY_LENGTH_MAX)
  return fits ? keys : null
}

/** The digest that an approval of the same call shows as its params. */
export function paramsDigest(params: JsonObject): string | null {
  const { task: _task, _meta: meta, arguments: args = {}, ...rest } = params
  const kept = isObject(meta) ? keptMeta(meta) : {}
  const text = canonicalOrNull({
    ...rest,
    arguments: args,
    ...(Object.keys(kept).length === 0 ? {} : { _meta: kept }),
  })
  return text === null ? null : sha256(text)
}

/** `null`: too large, or nothing that has a canonical form. */
export function keptArguments(args: JsonValue): string | null {
  const text = canonicalOrNull(args)
  return text === null || Buffer.byteLength(text) > KEPT_ARGUMENTS_BYTES_MAX ? null : text
}

/** About as many bytes as the value takes; stops counting at `max`. */
export function roughBytes(value: JsonValue, max: number): number {
  let bytes = 0
  const left: JsonValue[] = [value]
  while (left.length > 0 && bytes < max) {
    const each = left.pop()
    if (typeof each === 'string') bytes += 2 + each.length
    else if (isObject(each)) {
      for (const [key, below] of Object.entries(each)) {
        bytes += key.length + 4
        left.push(below)
      }
    } else if (Array.isArray(each)) for (const below of each) left.push(below)
    else bytes += 8
  }
  return bytes
}

/** A lone surrogate, for one, has no canonical form. */
function canonicalOrNull(value: JsonValue): string | null {
  try {
    return canonical(value)
  } catch {
    return null
  }
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
