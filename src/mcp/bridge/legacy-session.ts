/**
 * The session of a legacy client at the gateway. A gateway that has forgotten it (a restart) gets the client's own handshake
 * again, unseen by the client; the stream of server messages is opened once the client is ready, and again when it breaks.
 */
import type { Log } from '../../ports/log.ts'
import { rawMember } from '../raw-json.ts'
import { parseJson, peek } from '../upstream/peek.ts'
import type { BridgeHttp, BridgeResponse } from './http.ts'

export interface LegacySession {
  headers(): Record<string, string>
  /** The answer to the client's `initialize` has come. */
  opened(initialize: string, response: BridgeResponse, answer: string): void
  /** The client has said that it is ready. */
  ready(initialized: string): void
  /** The gateway does not know the session any more. Resolves with whether there is a new one. */
  renew(): Promise<boolean>
  /** Says goodbye, if there is time. */
  end(): Promise<void>
}

export const messageHeaders = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
} as const

const GOODBYE_MS = 2_000
const AGAIN_MS = 1_000
const AGAIN_MS_MAX = 30_000

export function createLegacySession(deps: {
  http: BridgeHttp
  authorization: Readonly<Record<string, string>>
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  onMessage: (text: string) => void
  stopping: AbortSignal
  log: Pick<Log, 'info' | 'warn'>
}): LegacySession {
  const { http, authorization, sleep, onMessage, stopping, log } = deps
  let handshake: { readonly initialize: string; readonly initialized: string | null } | null = null
  let id: string | null = null
  let version: string | null = null
  let lastEventId: string | null = null
  let renewing: Promise<boolean> | null = null
  let isListening = false

  const headers = (): Record<string, string> => ({
    ...(id === null ? {} : { 'mcp-session-id': id }),
    ...(version === null ? {} : { 'mcp-protocol-version': version }),
  })

  function opened(initialize: string, response: BridgeResponse, answer: string) {
    handshake = { initialize, initialized: handshake?.initialized ?? null }
    id = response.header('mcp-session-id')
    const negotiated = parseJson(rawMember(rawMember(answer, 'result') ?? '{}', 'protocolVersion') ?? 'null')
    version = typeof negotiated === 'string' ? negotiated : null
    lastEventId = null
  }

  async function post(body: string, more: Record<string, string>): Promise<BridgeResponse> {
    return http.send({
      method: 'POST',
      headers: { ...messageHeaders, ...authorization, ...more },
      body,
      signal: stopping,
    })
  }

  async function handshakeAgain(): Promise<boolean> {
    if (handshake === null) return false
    const { initialize, initialized } = handshake
    const response = await post(initialize, {})
    const answer = await answerIn(response)
    if (answer === null || rawMember(answer, 'result') === null) return false
    opened(initialize, response, answer)
    if (initialized !== null) await (await post(initialized, headers())).text()
    log.info({}, 'the gateway had forgotten the session; it has a new one')
    return true
  }

  function renew(): Promise<boolean> {
    renewing ??= handshakeAgain()
      .catch(() => false)
      .finally(() => {
        renewing = null
      })
    return renewing
  }

  /** What the server says by itself. There may be no such stream (405), and then there is nothing to hear. */
  async function listen(): Promise<void> {
    let pauseMs = AGAIN_MS
    while (!stopping.aborted) {
      try {
        const response = await http.send({
          method: 'GET',
          headers: {
            accept: 'text/event-stream',
            ...authorization,
            ...headers(),
            ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
          },
          body: null,
          signal: stopping,
        })
        if (response.status === 404 && id !== null) {
          await response.text()
          if (!(await renew())) await sleep(pauseMs, stopping)
        } else if (response.status !== 200 || !response.isEvents) {
          await response.text()
          if (response.status < 500) return
        } else {
          pauseMs = AGAIN_MS
          for await (const piece of response.pieces()) {
            if (piece.kind !== 'message') continue
            lastEventId = piece.eventId ?? lastEventId
            if (piece.text !== '') onMessage(piece.text)
          }
        }
      } catch {
        // The gateway is away; the requests of the client say so.
      }
      await sleep(pauseMs, stopping)
      pauseMs = Math.min(pauseMs * 2, AGAIN_MS_MAX)
    }
  }

  return {
    headers,
    opened,
    ready(initialized) {
      if (handshake !== null) handshake = { ...handshake, initialized }
      if (isListening) return
      isListening = true
      void listen()
    },
    renew,
    async end() {
      if (id === null) return
      try {
        const signal = AbortSignal.timeout(GOODBYE_MS)
        await http.send({ method: 'DELETE', headers: { ...authorization, ...headers() }, body: null, signal })
      } catch {
        // It ends by itself when it is idle.
      }
    },
  }
}

/** The one answer in a response, whichever form it has; `null`: there is none. */
async function answerIn(response: BridgeResponse): Promise<string | null> {
  if (!response.isEvents) {
    const text = await response.text()
    return peek(text).kind === 'response' ? text : null
  }
  for await (const piece of response.pieces()) {
    if (piece.kind === 'message' && peek(piece.text).kind === 'response') return piece.text
  }
  return null
}
