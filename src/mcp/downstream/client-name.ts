/** Name and version of a client as it states them: shown to people, trusted by nobody. */
import type { JsonObject } from '../../domain/canonical.ts'
import { objectMember, stringMember } from './json.ts'
import { type Message, printable } from './message.ts'

/** From `initialize`, from the envelope of a 2026-07-28 request, or else from HTTP. */
export function clientName(message: Message, headers: Headers): string | null {
  const params = message.kind === 'request' ? message.params : undefined
  const stated =
    inWords(objectMember(params, 'clientInfo')) ??
    inWords(objectMember(objectMember(params, '_meta'), 'io.modelcontextprotocol/clientInfo')) ??
    headers.get('user-agent')
  return stated === null ? null : printable(stated)
}

function inWords(info: JsonObject): string | null {
  const [name, version] = [stringMember(info, 'name'), stringMember(info, 'version')]
  return name === null ? null : [name, version ?? ''].join(' ').trim()
}
