/**
 * What a 2026-07-28 request states about itself in `_meta`, as far as it may go with a call that people approve. Nobody is
 * shown it, so it is written anew from what is known, and has room for nothing else.
 */
import { LoggingLevelSchema } from '@modelcontextprotocol/sdk/types.js'
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { ENVELOPE_BYTES_MAX } from '../../domain/limits.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { envelopeKeys } from '../../domain/tool-call.ts'
import { rawMember, withMember } from '../raw-json.ts'
import { isObject, objectMember } from './json.ts'
import { printable } from './message.ts'
import { META_PROTOCOL_VERSION, type Spoken } from './spoken.ts'

const META_PREFIX = 'io.modelcontextprotocol/'
const META_CLIENT_INFO = `${META_PREFIX}clientInfo`
const META_CLIENT_CAPABILITIES = `${META_PREFIX}clientCapabilities`
const META_LOG_LEVEL = `${META_PREFIX}logLevel`
export const TASKS_EXTENSION = `${META_PREFIX}tasks`

/** Whether a 2026-07-28 request says that its client understands tasks. Each request says it for itself. */
export function declaresTasks(meta: JsonValue | undefined, { era }: Spoken): boolean {
  const extensions = objectMember(objectMember(meta, META_CLIENT_CAPABILITIES), 'extensions')
  return era === 'modern' && isObject(extensions[TASKS_EXTENSION])
}

/** @returns the raw JSON object, or a half sentence that says what may not be carried */
export function readEnvelope(meta: JsonObject, spoken: Spoken): Result<string, string> {
  const stranger = Object.keys(meta).find((key) => key.startsWith(META_PREFIX) && !envelopeKeys.has(key))
  if (stranger !== undefined)
    return err(`'${printable(stranger)}' in '_meta' cannot be shown to people; leave it out`)
  if (spoken.era === 'legacy') return ok('{}')

  const { [META_CLIENT_INFO]: info, [META_CLIENT_CAPABILITIES]: capabilities, [META_LOG_LEVEL]: level } = meta
  if (!isObject(capabilities)) return err(`'_meta' lacks ${META_CLIENT_CAPABILITIES}`)
  if (info !== undefined && !isObject(info)) return err(`'${META_CLIENT_INFO}' must be an object`)
  if (level !== undefined && !LoggingLevelSchema.safeParse(level).success)
    return err(`'${META_LOG_LEVEL}' must be one of ${LoggingLevelSchema.options.join(', ')}`)
  if (Buffer.byteLength(JSON.stringify([info ?? null, capabilities])) > ENVELOPE_BYTES_MAX)
    return err(`what the client says about itself is larger than ${ENVELOPE_BYTES_MAX} bytes; say less`)
  return ok(
    JSON.stringify({
      [META_PROTOCOL_VERSION]: spoken.revision,
      ...(info === undefined ? {} : { [META_CLIENT_INFO]: info }),
      [META_CLIENT_CAPABILITIES]: withoutTasks(capabilities),
      ...(level === undefined ? {} : { [META_LOG_LEVEL]: level }),
    }),
  )
}

/**
 * For the requests of a client that follows its call as a task of ours, behind which a task of the upstream's can stand.
 * @param envelope of `readEnvelope`
 */
export function withTasks(envelope: string): string {
  const member = (object: string, name: string) => rawMember(object, name) ?? '{}'
  const capabilities = member(envelope, META_CLIENT_CAPABILITIES)
  const extensions = withMember(member(capabilities, 'extensions'), TASKS_EXTENSION, '{}')
  return withMember(envelope, META_CLIENT_CAPABILITIES, withMember(capabilities, 'extensions', extensions))
}

/** Whoever waits in another way has no room for a promise of an answer. */
function withoutTasks(capabilities: JsonObject): JsonObject {
  const { [TASKS_EXTENSION]: tasks, ...others } = objectMember(capabilities, 'extensions')
  return tasks === undefined ? capabilities : { ...capabilities, extensions: others }
}
