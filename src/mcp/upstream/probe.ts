/**
 * Asks a server for its tools without any credentials, over the transports and in the words in which the gateway would use it. One that answers can be called past the
 * gateway by whoever reaches it. No tool is called.
 */
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { newOwnId } from '../own-id.ts'
import { ASSUMED_REVISION, MODERN_REVISION } from '../revisions.ts'
import { type Asked, ask } from './ask.ts'
import { closeSession } from './fresh-session.ts'
import { createHttpUpstream } from './http.ts'
import type { Transport } from './sse/either-transport.ts'
import { createSseUpstream } from './sse/sse-upstream.ts'
import { anyTime, type Upstream } from './wire.ts'

/** `unknown`: it does not answer, or not in a way that says which. */
export type Openness = 'refuses' | 'open' | 'unknown'

const PROBE_MS = 10_000
/** Longer than all of it takes. */
const SESSION_MS = 60_000
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
export const PROBE_NAME = 'holdpoint-probe'
/** Nobody's, because there are no credentials to find for anybody. */
const nobody = { name: PROBE_NAME, owner: PROBE_NAME }

/** Never throws. */
export async function probeWithoutCredentials(
  { server, url, transport }: { readonly server: string; readonly url: URL; readonly transport: Transport },
  clock: Clock,
  log: Log,
): Promise<Openness> {
  const http = createHttpUpstream({ server, url: url.href, headers: {}, credentials: null, log })
  const limits = { lineBytesMax: ANSWER_BYTES_MAX }
  const sse = createSseUpstream({ http, url, limits, sessionIdleMs: SESSION_MS, clock, log })
  const send = (
    upstream: Upstream,
    method: string,
    params: object,
    headers: Readonly<Record<string, string>>,
  ): Promise<Asked> => {
    const id = newOwnId()
    return ask({
      upstream,
      principal: nobody,
      headers,
      id,
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      freshConnection: false,
      mayStart: anyTime,
      answerBytesMax: ANSWER_BYTES_MAX,
      silenceMs: PROBE_MS,
      onMessage: () => {},
    })
  }
  const clientInfo = { name: PROBE_NAME, version: '1' }

  async function inLegacyWords(upstream: Upstream): Promise<Openness> {
    const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
    const opened = await send(upstream, 'initialize', handshake, {})
    const early = opennessOf(opened)
    if (early !== 'open' || opened.kind !== 'answer') return early
    const id = opened.headers['mcp-session-id']
    const session = {
      'mcp-protocol-version': opened.headers['mcp-protocol-version'] ?? ASSUMED_REVISION,
      ...(id === undefined ? {} : { 'mcp-session-id': id }),
    }
    // Some servers shake hands with everybody and look at credentials afterwards.
    const listed = opennessOf(await send(upstream, 'tools/list', {}, session))
    if (id !== undefined) await closeSession(upstream, nobody, session)
    return listed
  }

  async function inModernWords(): Promise<Openness> {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN_REVISION,
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': clientInfo,
    }
    const headers = { 'mcp-protocol-version': MODERN_REVISION, 'mcp-method': 'tools/list' }
    return opennessOf(await send(http, 'tools/list', { _meta: meta }, headers))
  }

  try {
    const ways = [
      ...(transport === 'sse' ? [] : [() => inLegacyWords(http), inModernWords]),
      ...(transport === 'http' ? [] : [() => inLegacyWords(sse)]),
    ]
    for (const way of ways) {
      const openness = await way()
      if (openness !== 'unknown') return openness
    }
    return 'unknown'
  } finally {
    await sse.close()
    await http.close()
  }
}

function opennessOf(asked: Asked): Openness {
  if (asked.kind === 'fault') return 'unknown'
  if (asked.status === 401 || asked.status === 403) return 'refuses'
  return asked.kind === 'answer' && !asked.isError ? 'open' : 'unknown'
}
