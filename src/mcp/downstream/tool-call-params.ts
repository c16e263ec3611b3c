/** The `params` of a `tools/call`: what every call must look like, and what one that people decide about may contain. */
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { DECIDABLE_BYTES_MAX } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { META_IDEMPOTENCY_KEY } from '../../domain/tool-call.ts'
import { declaresTasks, readEnvelope } from './envelope.ts'
import { isObject } from './json.ts'
import { printable, type RequestMessage } from './message.ts'
import { isOwnRequestState } from './request-state.ts'
import { type Id, INVALID_PARAMS, type Refusal, refusal } from './rpc.ts'
import type { Spoken } from './spoken.ts'

export interface NamedCall {
  readonly id: Id
  readonly name: string
  readonly params: JsonObject
}

/** Exact bytes, so that no look-alike of a name is another name to somebody. Dots alone mean directories to some. */
const namePattern = /^(?!\.+$)[A-Za-z0-9_.-]{1,128}$/
/** All that any revision defines. Another spelling of `name` could be the name to a parser that ignores case. */
const members = new Set(['name', 'arguments', '_meta', 'task', 'inputResponses', 'requestState'])

export function readNamedCall({ id, params }: RequestMessage): Result<NamedCall, Refusal> {
  if (!isObject(params)) return invalid("'params' must be an object with 'name' and 'arguments'", id)
  const stranger = Object.keys(params).find((member) => !members.has(member))
  if (stranger !== undefined) {
    return invalid(`unknown member '${printable(stranger)}' in 'params'; leave it out`, id)
  }
  const { name } = params
  if (typeof name !== 'string') return invalid("'name' must be a string", id)
  if (!namePattern.test(name)) {
    return invalid(
      "'name' must be 1 to 128 letters, digits, '_', '-' or '.'; tools with other names cannot be called through this gateway",
      id,
    )
  }
  const { arguments: args } = params
  // What some servers would take apart themselves, no condition could look into. `null` is nothing, as a missing one is.
  if (args !== undefined && args !== null && !isObject(args))
    return invalid("'arguments' must be an object", id)
  return ok({ id, name, params })
}

export interface DecidableCall {
  readonly arguments: JsonObject
  readonly meta: JsonObject
  readonly idempotencyKey: string | null
  readonly progressToken: Id | null
  /** Raw JSON object: what is carried of the `_meta` of a 2026-07-28 request; `{}` for a legacy one. */
  readonly envelope: string
  /** The client waits for this call as a task, if it gets one. */
  readonly asTask: boolean
  /** Answers to what the upstream asked about an earlier call like this one. They are shown and sent like the arguments. */
  readonly answers: JsonObject
  /** Our own state, with which the client comes back to wait on. */
  readonly requestState: string | null
}

const IDEMPOTENCY_KEY_LENGTH_MAX = 255

/** People are shown everything that is sent; what could not be shown is refused by name. */
export function readDecidableCall({ id, params }: NamedCall, spoken: Spoken): Result<DecidableCall, Refusal> {
  const waiting = readWaiting(params, spoken)
  if (!waiting.ok) return invalid(waiting.error, id)
  const args = params.arguments ?? {}
  if (params.arguments === null || !isObject(args)) return invalid("'arguments' must be an object", id)
  const meta = params._meta ?? {}
  if (params._meta === null || !isObject(meta)) return invalid("'_meta' must be an object", id)

  // As long as the text that people would be shown, which only differs in the order of its members.
  if (Buffer.byteLength(JSON.stringify([args, meta, waiting.value.answers])) > DECIDABLE_BYTES_MAX) {
    const remedy = 'nobody could read that; send less, or where to find it'
    return invalid(
      `'arguments' are larger than ${DECIDABLE_BYTES_MAX} bytes in a call that a person approves: ${remedy}`,
      id,
    )
  }
  const reserved = Object.keys(meta).find(
    (key) => key.startsWith('dev.holdpoint/') && key !== META_IDEMPOTENCY_KEY,
  )
  if (reserved !== undefined)
    return invalid(`'${printable(reserved)}' in '_meta' is not for clients to set`, id)
  const envelope = readEnvelope(meta, spoken)
  if (!envelope.ok) {
    const status = spoken.era === 'modern' ? 400 : 200
    return err(refusal(status, INVALID_PARAMS, `Invalid params: ${envelope.error}.`, id))
  }
  const idempotencyKey = meta[META_IDEMPOTENCY_KEY] ?? null
  if (meta[META_IDEMPOTENCY_KEY] === null || !isKey(idempotencyKey)) {
    return invalid(
      `'${META_IDEMPOTENCY_KEY}' must be a string of 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} printable characters`,
      id,
    )
  }
  const progressToken = meta.progressToken ?? null
  if (progressToken !== null && typeof progressToken !== 'string' && typeof progressToken !== 'number') {
    return invalid("'progressToken' must be a string or a number", id)
  }
  const asTask = waiting.value.asTask || declaresTasks(meta, spoken)
  const { answers, requestState } = waiting.value
  const common = { arguments: args, meta, idempotencyKey, progressToken, envelope: envelope.value }
  return ok({ ...common, asTask, answers, requestState })
}

type Waiting = Pick<DecidableCall, 'asTask' | 'answers' | 'requestState'>

/** The members beside the call itself, each of one revision. */
function readWaiting(params: JsonObject, { revision, era }: Spoken): Result<Waiting, string> {
  const { task, inputResponses, requestState } = params
  const stranger = (member: string) =>
    err(`'${member}' is not part of a call in MCP ${revision} that a person approves; leave it out`)
  if (task !== undefined && revision !== '2025-11-25') return stranger('task')
  if (task !== undefined && !isObject(task)) return err("'task' must be an object")
  if (era === 'legacy' && inputResponses !== undefined) return stranger('inputResponses')
  if (era === 'legacy' && requestState !== undefined) return stranger('requestState')
  if (inputResponses !== undefined && !isObject(inputResponses))
    return err("'inputResponses' must be an object")
  if (requestState !== undefined && typeof requestState !== 'string')
    return err("'requestState' must be a string")
  const asTask = task !== undefined
  if (isOwnRequestState(requestState)) {
    if (inputResponses !== undefined && Object.keys(inputResponses).length > 0)
      return err('nothing was asked with this requestState, so there is nothing to answer in inputResponses')
    return ok({ asTask, answers: {}, requestState })
  }
  const answers = {
    ...(inputResponses === undefined ? {} : { inputResponses }),
    ...(requestState === undefined ? {} : { requestState }),
  }
  return ok({ asTask, answers, requestState: null })
}

function isKey(key: JsonValue): key is string | null {
  if (key === null) return true
  return (
    typeof key === 'string' &&
    key.length > 0 &&
    key.length <= IDEMPOTENCY_KEY_LENGTH_MAX &&
    !/\p{Control}/u.test(key)
  )
}

function invalid(message: string, id: Id): Result<never, Refusal> {
  return err(refusal(200, INVALID_PARAMS, `Invalid params: ${message}.`, id))
}
