/** One modern request of our own, and its answer. */
import type { JsonObject } from '../../../domain/canonical.ts'
import { newOwnId } from '../../own-id.ts'
import { withMember } from '../../raw-json.ts'
import { MODERN_REVISION } from '../../revisions.ts'
import { workSignal } from '../../work-signal.ts'
import { ofAnyMessage } from '../ask.ts'
import { messagesUntil } from '../messages.ts'
import { anyTime, type Upstream, UpstreamFault, type WireRequest } from '../wire.ts'

/** `npx` may have to install a server first. */
const ANSWER_MS = 5 * 60_000

/** @returns the whole JSON-RPC answer. @throws UpstreamFault */
export async function askModern(
  upstream: Upstream,
  { principal, signal }: Pick<WireRequest, 'principal' | 'signal'>,
  method: string,
  envelope: string,
  bytesMax: number,
  more: JsonObject = {},
): Promise<string> {
  const id = newOwnId()
  const asking = workSignal([signal], ANSWER_MS)
  try {
    const response = await upstream.exchange({
      method: 'POST',
      headers: { ...ofAnyMessage, 'mcp-protocol-version': MODERN_REVISION, 'mcp-method': method },
      body: `{"jsonrpc":"2.0","id":"${id}","method":"${method}","params":${withMember(JSON.stringify(more), '_meta', envelope)}}`,
      principal,
      signal: asking.signal,
      freshConnection: false,
      mayStart: anyTime,
    })
    for await (const { message, isAnswer } of messagesUntil(response, id, bytesMax))
      if (isAnswer) return message
    throw new UpstreamFault(`${upstream.server} did not answer ${method} (HTTP ${response.status})`, true)
  } finally {
    asking.release()
  }
}
