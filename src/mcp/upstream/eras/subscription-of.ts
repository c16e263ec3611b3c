/** Which subscription a notification came by (MCP 2026-07-28, Subscriptions). */
import { rawMember } from '../../raw-json.ts'
import { parseJson } from '../peek.ts'
import { META_SUBSCRIPTION_ID, paramsOf } from './words.ts'

export function subscriptionOf(message: string): unknown {
  const meta = rawMember(paramsOf(message), '_meta')
  return meta === null ? undefined : parseJson(rawMember(meta, META_SUBSCRIPTION_ID) ?? 'null')
}
