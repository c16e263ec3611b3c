/** What a scan found: the tools of one server, each classified, the worst first. */
import { digestOf, type JsonObject } from '../canonical.ts'
import { risks } from '../risk.ts'
import { toolDefinition } from '../tool-call.ts'
import { type Classification, classify } from './classify.ts'

export interface ScannedTool extends Classification {
  readonly name: string
  readonly title: string | null
  readonly description: string | null
  /** Of the definition as approvals pin it. */
  readonly digest: string
}

export interface ScannedServer {
  readonly name: string
  readonly tools: readonly ScannedTool[]
}

export function scanned(name: string, listed: readonly JsonObject[], isTrusted: boolean): ScannedServer {
  const tools = listed.map((tool): ScannedTool => {
    const { digest, title, description } = pinned(tool)
    const toolName = typeof tool.name === 'string' ? tool.name : ''
    return { name: toolName, title, description, digest, ...classify(tool, { isTrusted }) }
  })
  const rank = ({ risk }: ScannedTool) => -risks.indexOf(risk)
  return { name, tools: tools.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)) }
}

function pinned(tool: JsonObject) {
  try {
    return toolDefinition(tool)
  } catch {
    // A lone surrogate has no canonical form. The gateway refuses such a tool; here it is only shown.
    return { digest: digestOf('without a canonical form'), title: null, description: null }
  }
}
