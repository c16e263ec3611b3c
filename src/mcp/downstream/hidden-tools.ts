/** Takes hidden tools out of what an upstream lists. Everything else keeps its bytes. */
import { z } from 'zod'
import { isHidden, type Policy } from '../../domain/policy.ts'
import type { Era } from '../../domain/tool-call.ts'
import type { Rules } from '../../ports/rules.ts'
import { rawItems, rawMember, withMember } from '../raw-json.ts'
import { parseJson } from '../upstream/peek.ts'

/** From the raw text of one message to what the client may see of it. */
export type Rewrite = (rawMessage: string) => string

const listingSchema = z.object({ result: z.object({ tools: z.array(z.unknown()) }) })
const toolSchema = z.object({ name: z.string() })

/** `null` when the policy hides nothing: then nothing needs to be looked at. */
export type HidingFor = (server: string, era: Era) => Rewrite | null

export function createHidingFor(rules: Rules): HidingFor {
  return function hidingFor(server, era) {
    const serverRules = rules.of(server)
    // Nothing can be called there, and its list is what people need to set it up.
    if (serverRules === null && rules.needsSetUp?.(server) === true) return null
    // Nobody knows what is hidden, so nothing is shown.
    if (serverRules === null) throw new Error(`there are no rules for ${server}`)
    return hidingRewrite(serverRules.policy, era)
  }
}

function hidingRewrite(policy: Policy, era: Era): Rewrite | null {
  if (policy.hidden.size === 0) return null

  const isShown = (rawTool: string) => {
    const tool = toolSchema.safeParse(parseJson(rawTool))
    return !tool.success || !isHidden(policy, tool.data.name)
  }
  return (rawMessage) => withTools(rawMessage, era, (rawTools) => rawTools.filter(isShown))
}

/** The same list with other tools. A message that is no list of tools stays as it is. */
export function withTools(
  rawMessage: string,
  era: Era,
  change: (rawTools: readonly string[]) => readonly string[],
): string {
  if (!listingSchema.safeParse(parseJson(rawMessage)).success) return rawMessage
  const result = rawMember(rawMessage, 'result') ?? '{}'
  const tools = rawItems(rawMember(result, 'tools') ?? '[]')
  const shown = withMember(result, 'tools', `[${change(tools).join(',')}]`)
  // What one client may see is not for a cache that others read (MCP 2026-07-28, Caching).
  const own = era === 'modern' ? withMember(shown, 'cacheScope', '"private"') : shown
  return withMember(rawMessage, 'result', own)
}
