/**
 * Legacy sessions that serve modern requests: one for each principal and each set of things that its client can be asked,
 * opened at the first request and again when the upstream has forgotten it.
 */
import { z } from 'zod'
import type { Principal } from '../../../domain/principal.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { ofAnyMessage } from '../ask.ts'
import { parseJson, peek } from '../peek.ts'
import { anyTime, type Upstream, UpstreamFault, type WireResponse } from '../wire.ts'
import type { Inbox } from './inbox.ts'
import { messagesOf } from './messages.ts'
import type { Sender } from './words.ts'

/** What is offered to the upstream; it may agree on an older one. */
const OFFERED_REVISION = '2025-11-25'
/** `npx` may have to install a server first. */
const OPEN_MS = 5 * 60_000
const NOT_ASKABLE = '{"code":-32601,"message":"Nobody can be asked at this moment."}'

/** What a server may ask of a client. */
export const askable = ['elicitation', 'roots', 'sampling'] as const

/** The upstream answers `initialize` with an error: it may speak the other era alone. */
export class InitializeRefused extends Error {
  constructor(readonly rawError: string) {
    super(`the upstream refused "initialize": ${rawError.slice(0, 300)}`)
    this.name = 'InitializeRefused'
  }
}

export interface LegacySession {
  readonly principal: Principal
  /** Raw JSON of what the upstream answered to `initialize`. */
  readonly initialized: string
  /** Inboxes of the requests that run, oldest first: what the upstream asks beside its answers goes to the oldest. */
  readonly running: Set<Inbox>
  readonly listeners: Set<Listener>
  /** @throws UpstreamFault */
  post(message: string, options: PostOptions): Promise<WireResponse>
  /** A notification or an answer of ours; lost when the session is. */
  tell(message: string): void
  /** Hears what the upstream says by itself, from now on. */
  hear(): void
}

/** Told every message that belongs to no request, until nothing more can come. */
export interface Listener {
  hear(message: string): void
  end(): void
}

export interface PostOptions {
  readonly signal: AbortSignal
  readonly freshConnection: boolean
  readonly mayStart: () => boolean
  readonly headers: Readonly<Record<string, string>>
}

export interface LegacySessions {
  /** @throws UpstreamFault, InitializeRefused */
  of(principal: Principal, sender: Sender): Promise<LegacySession>
  /** The upstream does not know it any more; the next one is opened anew. */
  forget(session: LegacySession): void
}

const initializedSchema = z.object({ protocolVersion: z.string() })

export function createLegacySessions(
  upstream: Upstream,
  { bytesMax, closing, log }: { bytesMax: number; closing: AbortSignal; log: Log },
): LegacySessions {
  const opened = new Map<string, Promise<LegacySession>>()
  const { server } = upstream

  function of(principal: Principal, sender: Sender): Promise<LegacySession> {
    const capabilities = askableOf(sender.capabilities)
    const key = JSON.stringify([principal.name, principal.owner, capabilities])
    const known = opened.get(key)
    if (known !== undefined) return known
    const opening = open(principal, sender, capabilities)
    opened.set(key, opening)
    opening.catch(() => opened.delete(key))
    return opening
  }

  function forget(session: LegacySession): void {
    for (const [key, candidate] of opened) {
      void candidate.then(
        (found) => found === session && opened.get(key) === candidate && opened.delete(key),
        () => {},
      )
    }
  }

  async function open(principal: Principal, sender: Sender, capabilities: string): Promise<LegacySession> {
    const id = newOwnId()
    const info = sender.info ?? '{"name":"holdpoint","version":"1"}'
    const response = await upstream.exchange({
      method: 'POST',
      headers: ofAnyMessage,
      body:
        `{"jsonrpc":"2.0","id":"${id}","method":"initialize","params":` +
        `{"protocolVersion":"${OFFERED_REVISION}","capabilities":${capabilities},"clientInfo":${info}}}`,
      principal,
      signal: AbortSignal.any([AbortSignal.timeout(OPEN_MS), closing]),
      freshConnection: false,
      mayStart: anyTime,
    })
    const answer = await answerIn(response)
    const error = rawMember(answer, 'error')
    if (error !== null) throw new InitializeRefused(error)
    const initialized = rawMember(answer, 'result') ?? ''
    const agreed = initializedSchema.safeParse(parseJson(initialized))
    if (!agreed.success) throw new UpstreamFault(`${server} did not answer "initialize" as it should`, false)
    const sessionId = response.headers['mcp-session-id']
    const headers = {
      'mcp-protocol-version': agreed.data.protocolVersion,
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
    }
    const session = sessionOn({ principal, initialized, headers })
    session.tell('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    return session
  }

  async function answerIn(response: WireResponse): Promise<string> {
    for await (const message of messagesOf(response, bytesMax)) {
      if (peek(message).kind === 'response') return message
    }
    throw new UpstreamFault(`${server} did not answer "initialize" (HTTP ${response.status})`, false)
  }

  function sessionOn({
    principal,
    initialized,
    headers,
  }: {
    principal: Principal
    initialized: string
    headers: Readonly<Record<string, string>>
  }): LegacySession {
    let isHearing = false
    const session: LegacySession = {
      principal,
      initialized,
      running: new Set(),
      listeners: new Set(),
      post: (message, { headers: more, ...options }) =>
        upstream.exchange({
          method: 'POST',
          headers: { ...more, ...headers, ...ofAnyMessage },
          body: message,
          principal,
          ...options,
        }),
      tell(message) {
        const options = { signal: closing, freshConnection: false, mayStart: anyTime, headers: {} }
        session.post(message, options).then(
          ({ body }) => body?.cancel(),
          (error: unknown) => log.debug({ server, err: error }, 'an upstream could not be told something'),
        )
      },
      hear() {
        if (isHearing) return
        isHearing = true
        void hearOn(session, headers).finally(() => {
          isHearing = false
          for (const listener of session.listeners) listener.end()
        })
      },
    }
    return session
  }

  async function hearOn(session: LegacySession, headers: Readonly<Record<string, string>>): Promise<void> {
    try {
      const response = await upstream.exchange({
        method: 'GET',
        headers: { ...headers, accept: 'text/event-stream' },
        body: null,
        principal: session.principal,
        signal: closing,
        freshConnection: false,
        mayStart: anyTime,
      })
      if (response.status !== 200) return void response.body?.cancel()
      for await (const message of messagesOf(response, bytesMax)) hand(session, message)
    } catch (error) {
      log.debug({ server, err: error }, 'an upstream is not heard any more')
    }
  }

  return { of, forget }
}

/** What came on no request's own stream: questions go to the oldest request that runs, everything else to who listens. */
export function hand(session: LegacySession, message: string): void {
  const peeked = peek(message)
  if (peeked.kind === 'notification') for (const listener of session.listeners) listener.hear(message)
  if (peeked.kind !== 'request') return
  const [oldest] = session.running
  if (oldest !== undefined) oldest.put(message)
  else session.tell(`{"jsonrpc":"2.0","id":${JSON.stringify(peeked.id)},"error":${NOT_ASKABLE}}`)
}

/** Of what a modern client declares, what an upstream may ask in the legacy way. Raw JSON. */
function askableOf(capabilities: string): string {
  const members = askable.flatMap((name) => {
    const declared = rawMember(capabilities, name)
    return declared === null ? [] : [`"${name}":${declared}`]
  })
  return `{${members.join(',')}}`
}
