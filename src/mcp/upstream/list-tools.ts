/** Everything that one server lists, asked once in a session of its own: for people who want to know what agents could call. */

import { z } from 'zod'
import type { JsonObject } from '../../domain/canonical.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { beginning } from '../../domain/well-formed.ts'
import { newOwnId } from '../own-id.ts'
import { rawMember } from '../raw-json.ts'
import { MODERN_REVISION } from '../revisions.ts'
import { ask } from './ask.ts'
import { closeSession, openFreshSession } from './fresh-session.ts'
import { parseJson } from './peek.ts'
import { anyTime, type Upstream } from './wire.ts'

/** A list that does not end is not worth waiting for; servers page by tens or hundreds. */
const PAGES_MAX = 50
/** Ten times what the largest public server lists; more than this no agent and no person can look through. */
const TOOLS_MAX = 5_000
/** One page of the list. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

const LEGACY_REVISION = '2025-11-25'
const CLIENT = { name: 'holdpoint', version: '1' }

const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
const pageSchema = z.object({ tools: z.array(jsonObject), nextCursor: z.string().nullish() })

type Headers = Readonly<Record<string, string>>

/** @param silenceMs how long the server may keep still, each time it is asked; programs may first have to be downloaded */
export async function listTools(
  upstream: Upstream,
  principal: Principal,
  silenceMs: number,
): Promise<Result<readonly JsonObject[], string>> {
  const terms = { 'mcp-protocol-version': LEGACY_REVISION }
  const options = { upstream, principal, answerBytesMax: ANSWER_BYTES_MAX, silenceMs }
  const session = await openFreshSession(terms, options)
  if (session.ok) {
    const listed = await allPages(session.value, '{}')
    await closeSession(upstream, principal, session.value)
    return listed
  }
  // A server of 2026-07-28 alone knows no handshake: each request stands for itself.
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': MODERN_REVISION,
    'io.modelcontextprotocol/clientInfo': CLIENT,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const modern = { 'mcp-protocol-version': MODERN_REVISION, 'mcp-method': 'tools/list' }
  const listed = await allPages(modern, JSON.stringify({ _meta: envelope }))
  return listed.ok ? listed : session

  async function allPages(
    headers: Headers,
    rawParams: string,
  ): Promise<Result<readonly JsonObject[], string>> {
    const tools: JsonObject[] = []
    let cursor: string | null = null
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const params =
        cursor === null
          ? rawParams
          : `${rawParams.slice(0, -1)}${rawParams === '{}' ? '' : ','}"cursor":${JSON.stringify(cursor)}}`
      const id = newOwnId()
      const body = `{"jsonrpc":"2.0","id":"${id}","method":"tools/list","params":${params}}`
      const asked = await ask({
        ...options,
        headers,
        id,
        body,
        freshConnection: false,
        mayStart: anyTime,
        onMessage: () => {},
      })
      if (asked.kind !== 'answer') return err(asked.reason)
      if (asked.isError) {
        return err(
          `it answered tools/list with an error: ${beginning(rawMember(asked.text, 'error') ?? '', 300)}`,
        )
      }
      const page = pageSchema.safeParse(parseJson(rawMember(asked.text, 'result') ?? ''))
      if (!page.success) return err('it answered tools/list with something that is no list of tools')
      tools.push(...page.data.tools)
      if (tools.length > TOOLS_MAX) return err(`it lists more than ${TOOLS_MAX} tools`)
      cursor = page.data.nextCursor ?? null
      if (cursor === null) return ok(tools)
    }
    return err(`it lists its tools on more than ${PAGES_MAX} pages`)
  }
}
