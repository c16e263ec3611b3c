/** A modern request names the level of the messages it wants to hear, or hears none (MCP 2026-07-28, Logging). */
import { LoggingLevelSchema } from '@modelcontextprotocol/sdk/types.js'
import { rawMember } from '../../raw-json.ts'
import { parseJson } from '../peek.ts'
import { paramsOf } from './words.ts'

/** From the least to the most serious (RFC 5424, the other way round). */
const levels: readonly unknown[] = LoggingLevelSchema.options

/** @param wanted `null`: nothing is wanted */
export function speaksAt(logMessage: string, wanted: string | null): boolean {
  if (wanted === null) return false
  const level = parseJson(rawMember(paramsOf(logMessage), 'level') ?? 'null')
  return levels.indexOf(level) >= levels.indexOf(wanted)
}
