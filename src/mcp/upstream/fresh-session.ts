/** A new legacy session on the terms of a requester whose own session the upstream has forgotten. */

import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { beginning } from '../../domain/well-formed.ts'
import { newOwnId } from '../own-id.ts'
import { rawMember } from '../raw-json.ts'
import { ASSUMED_REVISION } from '../revisions.ts'
import { workSignal } from '../work-signal.ts'
import { type AskOptions, ask, ofAnyMessage } from './ask.ts'
import { parseJson } from './peek.ts'
import { anyTime, type Upstream } from './wire.ts'

/** Closing is a courtesy; an upstream that does not take it forgets the session by itself. */
const COURTESY_MS = 5_000

type Headers = Readonly<Record<string, string>>

const initializedSchema = z.object({ protocolVersion: z.string() })

/** The headers of the new session. It declares no capabilities, because nobody would answer the server's questions. */
export async function openFreshSession(
  requesterHeaders: Headers,
  options: Pick<AskOptions, 'upstream' | 'principal' | 'answerBytesMax' | 'silenceMs' | 'leaving'>,
): Promise<Result<Headers, string>> {
  const { upstream, principal } = options
  const { 'mcp-session-id': _gone, ...terms } = requesterHeaders
  const id = newOwnId()
  const params = {
    protocolVersion: terms['mcp-protocol-version'] ?? ASSUMED_REVISION,
    capabilities: {},
    clientInfo: { name: 'holdpoint', version: '1' },
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'initialize', params })
  const asked = await ask({
    ...options,
    id,
    body,
    headers: terms,
    freshConnection: false,
    mayStart: anyTime,
    onMessage: () => {},
  })
  if (asked.kind !== 'answer')
    return err(`a new session with ${upstream.server} could not be opened: ${asked.reason}`)
  const initialized = initializedSchema.safeParse(parseJson(rawMember(asked.text, 'result') ?? ''))
  if (asked.isError || !initialized.success)
    return err(`${upstream.server} refused a new session: ${beginning(errorWords(asked.text), 500)}`)
  const sessionId = asked.headers['mcp-session-id']
  const headers = {
    ...terms,
    'mcp-protocol-version': initialized.data.protocolVersion,
    ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
  }
  const told = await tell(
    'POST',
    upstream,
    principal,
    headers,
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  )
  return told ? ok(headers) : err(`a new session with ${upstream.server} broke while it was opened`)
}

/** What the error says to people; all of it where it says nothing to them. */
function errorWords(rawMessage: string): string {
  const raw = rawMember(rawMessage, 'error') ?? ''
  const said = z.object({ message: z.string().min(1) }).safeParse(parseJson(raw))
  return said.success ? said.data.message : raw
}

export async function closeSession(
  upstream: Upstream,
  principal: Principal,
  headers: Headers,
): Promise<void> {
  await tell('DELETE', upstream, principal, headers, null)
}

async function tell(
  method: 'POST' | 'DELETE',
  upstream: Upstream,
  principal: Principal,
  headers: Headers,
  body: string | null,
): Promise<boolean> {
  const telling = workSignal([], COURTESY_MS)
  try {
    const response = await upstream.exchange({
      method,
      headers: body === null ? headers : { ...headers, ...ofAnyMessage },
      body,
      principal,
      signal: telling.signal,
      freshConnection: false,
      mayStart: anyTime,
    })
    await response.body?.cancel()
    return response.status < 300
  } catch {
    return false
  } finally {
    telling.release()
  }
}
