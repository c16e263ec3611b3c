/**
 * One JSON-RPC message as a value. What another JSON parser could take for a different message is refused, because
 * messages that are not ours to judge pass on as the bytes they came in.
 */
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { JSONRPC_ID_LENGTH_MAX } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { type JsonFault, parseStrictJson } from '../../domain/strict-json.ts'
import { isOwnId } from '../own-id.ts'
import { isObject } from './json.ts'
import { type Id, INVALID_REQUEST, PARSE_ERROR, type Refusal, refusal } from './rpc.ts'

export type Message =
  | RequestMessage
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonValue | undefined }
  /** The client's answer to a request of the upstream. */
  | { readonly kind: 'response' }

export interface RequestMessage {
  readonly kind: 'request'
  readonly id: Id
  readonly method: string
  readonly params: JsonValue | undefined
}

/**
 * JSON-RPC has no other members, and a parser that ignores case (as Go's does) would read `Method` as `method`.
 */
const members = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error'])

export function readMessage(text: string): Result<Message, Refusal> {
  // Most calls are scanned once; what only looks like one is looked at again for what it is.
  const whole = text.includes('tools/call') ? parseStrictJson(text, 'whole') : null
  if (whole?.ok === false && isOfAnyScope(whole.error)) return err(faultRefusal(whole.error, null))
  const parsed = whole?.ok ? whole : parseStrictJson(text, 'envelope')
  if (!parsed.ok) return err(faultRefusal(parsed.error, null))
  const json = parsed.value
  if (Array.isArray(json)) return invalid('batches are not accepted; send each message by itself')
  if (!isObject(json)) return invalid('a message is a JSON object')

  const id = Object.hasOwn(json, 'id') ? readId(json.id) : ok(null)
  const knownId = id.ok ? id.value : null
  const stranger = Object.keys(json).find((name) => !members.has(name))
  if (stranger !== undefined) {
    return invalid(
      `unknown member '${printable(stranger)}'; a message has ${[...members].join(', ')}`,
      knownId,
    )
  }
  if (json.jsonrpc !== '2.0') return invalid('\'jsonrpc\' must be the string "2.0"', knownId)
  if (!Object.hasOwn(json, 'method')) return readResponse(json)
  if (!id.ok) return invalid(id.error)
  return readCall(json, id.value, () => whole ?? parseStrictJson(text, 'whole'))
}

/** A closer look found what a shorter one would find too. */
const isOfAnyScope = ({ reason }: JsonFault) => reason === 'too_deep' || reason === 'too_many_tokens'

/** A request or a notification. */
function readCall(
  json: JsonObject,
  id: Id | null,
  readWhole: () => Result<JsonValue, JsonFault>,
): Result<Message, Refusal> {
  const { method, params } = json
  if (typeof method !== 'string') return invalid("'method' must be a string", id)
  if (Object.hasOwn(json, 'result') || Object.hasOwn(json, 'error')) {
    return invalid("a message has either 'method' or 'result' / 'error'", id)
  }
  if (id === null) {
    if (method.startsWith('notifications/')) return ok({ kind: 'notification', method, params })
    return invalid(`'id' is missing: '${printable(method)}' is a request and is not executed without one`)
  }
  if (isOwnId(id))
    return invalid("'id' begins with 'holdpoint-', which this gateway uses itself; send another", id)
  if (method === 'tools/call') {
    const whole = readWhole()
    if (!whole.ok) return err(faultRefusal(whole.error, id))
  }
  return ok({ kind: 'request', id, method, params })
}

/** Ids of responses are the upstream's own; whether they mean anything is for it to say. */
function readResponse(json: JsonObject): Result<Message, Refusal> {
  const isAnswer = Object.hasOwn(json, 'result') !== Object.hasOwn(json, 'error')
  if (!isAnswer || !Object.hasOwn(json, 'id') || Object.hasOwn(json, 'params')) {
    return invalid("'method' is missing, and it is not a response either")
  }
  return ok({ kind: 'response' })
}

/** Ids are echoed and never used as keys; `null`, fractions and what rounds would not come back as they were. */
function readId(id: JsonValue | undefined): Result<Id, string> {
  if (typeof id === 'string') {
    if (id.length > JSONRPC_ID_LENGTH_MAX)
      return err(`'id' is longer than ${JSONRPC_ID_LENGTH_MAX} characters`)
    if (/\p{Control}|\p{Surrogate}/u.test(id))
      return err("'id' has control characters or unpaired surrogates")
    return ok(id)
  }
  if (typeof id === 'number' && Number.isSafeInteger(id)) return ok(id)
  return err("'id' must be a string or an integer that JSON holds exactly")
}

function faultRefusal({ reason, message, atByte }: JsonFault, id: Id | null): Refusal {
  const code = reason === 'forbidden_key' ? INVALID_REQUEST : PARSE_ERROR
  return refusal(400, code, `The message was not accepted: ${message}.`, id, { reason, atByte })
}

function invalid(message: string, id: Id | null = null): { ok: false; error: Refusal } {
  return err(refusal(400, INVALID_REQUEST, `Invalid request: ${message}.`, id))
}

const PRINTED_LENGTH_MAX = 80

/** What the client sent, short and harmless enough to be quoted. */
export function printable(text: string): string {
  const harmless = text.replace(/\p{Control}|\p{Surrogate}|\p{Format}/gu, '\uFFFD')
  return harmless.length <= PRINTED_LENGTH_MAX ? harmless : `${harmless.slice(0, PRINTED_LENGTH_MAX)}…`
}
