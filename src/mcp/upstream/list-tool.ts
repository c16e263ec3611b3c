/** Finds one tool in what an upstream lists now. */

import { z } from 'zod'
import type { JsonObject, JsonValue } from '../../domain/canonical.ts'
import { toolDefinition } from '../../domain/tool-call.ts'
import { beginning } from '../../domain/well-formed.ts'
import type { Described } from '../../ports/upstream-session.ts'
import { newOwnId } from '../own-id.ts'
import { rawMember } from '../raw-json.ts'
import type { Asked } from './ask.ts'
import { parseJson } from './peek.ts'

/** A list that does not end is not worth waiting for; servers page by tens or hundreds. */
const PAGES_MAX = 50

/** `gone`: the upstream does not know the session any more. */
export type Listed =
  | Exclude<Described, { kind: 'listed' }>
  | (Extract<Described, { kind: 'listed' }> & { readonly inputSchema: JsonValue | undefined })
  | { readonly kind: 'gone'; readonly status: number }

export type AskFor = (method: string, id: string, rawParams: string) => Promise<Asked>

// What JSON.parse made is JSON all the way down; only the outermost shape is in question.
const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
const pageSchema = z.object({ tools: z.array(jsonObject), nextCursor: z.string().nullish() })

/** @param onListed told of each page that was read on the way */
export async function listTool(
  server: string,
  tool: string,
  askFor: AskFor,
  onListed: (tools: readonly JsonObject[], isLast: boolean) => void,
): Promise<Listed> {
  const unavailable = (reason: string): Listed => ({ kind: 'unavailable', reason })
  let cursor: string | null = null
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const rawParams = cursor === null ? '{}' : JSON.stringify({ cursor })
    const asked: Asked = await askFor('tools/list', newOwnId(), rawParams)
    if (asked.kind === 'fault')
      return {
        kind: 'unavailable',
        reason: asked.reason,
        ...(asked.told === null ? {} : { told: asked.told }),
      }
    if (asked.status === 401 || asked.status === 403)
      return unavailable(
        `${server} answered HTTP ${asked.status}: its credentials in the configuration are missing or not valid`,
      )
    // The request itself is known to be well formed, so it is the session that is refused. Some servers say 400.
    if (asked.status === 404 || asked.status === 400) return { kind: 'gone', status: asked.status }
    if (asked.kind === 'none') return unavailable(asked.reason)
    if (asked.isError)
      return unavailable(`${server} answered tools/list with an error: ${errorText(asked.text)}`)
    const page = pageSchema.safeParse(parseJson(rawMember(asked.text, 'result') ?? ''))
    if (!page.success)
      return unavailable(`${server} answered tools/list with something that is no list of tools`)
    onListed(page.data.tools, (page.data.nextCursor ?? null) === null)
    const listed = page.data.tools.find(({ name }) => name === tool)
    if (listed !== undefined) return describedAs(server, listed)
    cursor = page.data.nextCursor ?? null
    if (cursor === null) return { kind: 'unlisted' }
  }
  return unavailable(`${server} lists its tools on more than ${PAGES_MAX} pages`)
}

function describedAs(server: string, listed: JsonObject): Listed {
  try {
    return { kind: 'listed', definition: toolDefinition(listed), inputSchema: listed.inputSchema }
  } catch (error) {
    // A lone surrogate has no canonical form, and a thousand levels of schema have no end.
    return {
      kind: 'unavailable',
      reason: `${server} describes this tool in a way that cannot be pinned: ${String(error)}`,
    }
  }
}

function errorText(message: string): string {
  return beginning(rawMember(message, 'error') ?? '', 300)
}
