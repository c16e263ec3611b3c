/** The `params` of a `tools/call`: what every call must look like, and what one that people decide about may contain. */
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { DECIDABLE_BYTES_MAX } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { META_IDEMPOTENCY_KEY } from '../../domain/tool-call.ts'
import { readEnvelope } from './envelope.ts'
import { isObject } from './json.ts'
import { printable, type RequestMessage } from './message.ts'
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
      "'name' must be 1 to 128 letters, digits, '_', '-' or '.', exactly as tools/list has it",
      id,
    )
  }
  return ok({ id, name, params })
}

export interface DecidableCall {
  readonly arguments: JsonObject
  readonly meta: JsonObject
  readonly idempotencyKey: string | null
  readonly progressToken: Id | null
  /** Raw JSON object: what is carried of the `_meta` of a 2026-07-28 request; `{}` for a legacy one. */
  readonly envelope: string
}

const IDEMPOTENCY_KEY_LENGTH_MAX = 255

/** People are shown everything that is sent; what could not be shown is refused by name. */
export function readDecidableCall({ id, params }: NamedCall, spoken: Spoken): Result<DecidableCall, Refusal> {
  const carried = Object.keys(params).find(
    (member) => member !== 'name' && member !== 'arguments' && member !== '_meta',
  )
  if (carried !== undefined) {
    return invalid(`'${carried}' is not supported for a call that a person approves; leave it out`, id)
  }
  const args = params.arguments ?? {}
  if (params.arguments === null || !isObject(args)) return invalid("'arguments' must be an object", id)
  const meta = params._meta ?? {}
  if (params._meta === null || !isObject(meta)) return invalid("'_meta' must be an object", id)

  // As long as the text that people would be shown, which only differs in the order of its members.
  if (Buffer.byteLength(JSON.stringify([args, meta])) > DECIDABLE_BYTES_MAX) {
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
  return ok({ arguments: args, meta, idempotencyKey, progressToken, envelope: envelope.value })
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
