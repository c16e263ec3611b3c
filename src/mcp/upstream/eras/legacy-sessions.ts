/**
 * Legacy sessions that serve modern requests: one for each principal and each set of things that its client can be asked,
 * opened at the first request and again when the upstream has forgotten it.
 */

import { z } from 'zod'
import type { Principal } from '../../../domain/principal.ts'
import { beginning } from '../../../domain/well-formed.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { workSignal } from '../../work-signal.ts'
import { ofAnyMessage } from '../ask.ts'
import { closeSession } from '../fresh-session.ts'
import { messagesOf, messagesUntil } from '../messages.ts'
import { parseJson } from '../peek.ts'
import { reapEveryMs } from '../reap.ts'
import { anyTime, type Upstream, UpstreamFault, type WireResponse } from '../wire.ts'
import type { Inbox } from './inbox.ts'
import { hand } from './unsolicited.ts'
import type { Sender } from './words.ts'

/** What is offered to the upstream; it may agree on an older one. */
export const OFFERED_REVISION = '2025-11-25'
/** `npx` may have to install a server first. */
const OPEN_MS = 5 * 60_000
/** A notification is taken at once. */
const TELL_MS = 30_000
/** A server has its stream open at once; some say so only with the first message on it. */
const HEAR_MS = 1_000
/** As many as a client has combinations of things that it can be asked, and some that it has had before. */
const SESSIONS_PER_PRINCIPAL_MAX = 16

/** What a server may ask of a client. */
export const askable = ['elicitation', 'roots', 'sampling'] as const

/** The upstream answers `initialize` with an error: it may speak the other era alone. */
export class InitializeRefused extends Error {
  constructor(readonly rawError: string) {
    super(`the server refused "initialize": ${beginning(rawError, 300)}`)
    this.name = 'InitializeRefused'
  }
}

export interface LegacySession {
  readonly principal: Principal
  /** Raw JSON of what the upstream answered to `initialize`. */
  readonly initialized: string
  /** The requests that run, oldest first. */
  readonly running: Set<RunningRequest>
  /** What the upstream asked while no request ran that could carry the question. */
  readonly unasked: Unasked[]
  readonly listeners: Set<Listener>
  /** @throws UpstreamFault */
  post(message: string, options: PostOptions): Promise<WireResponse>
  /** A notification or an answer of ours; lost when the session is. Resolves when it was taken, and never rejects. */
  tell(message: string): Promise<void>
  /** Hears what the upstream says by itself. Resolves when it listens, or cannot. */
  hear(): Promise<void>
  /** Says that nobody uses it any more. */
  leave(): void
}

export interface RunningRequest {
  readonly inbox: Inbox
  /** Whether its client can be asked something before it is answered. */
  readonly isAskable: boolean
}

interface Unasked {
  readonly message: string
  readonly atMs: number
}

/** Told every message that belongs to no request, until nothing more can come. */
export interface Listener {
  /** The resources that it wants to hear of. */
  readonly uris: readonly string[]
  hear(message: string): void
  end(): void
}

export interface PostOptions {
  readonly signal: AbortSignal
  readonly freshConnection: boolean
  readonly mayStart: () => boolean
  readonly headers: Readonly<Record<string, string>>
}

interface Opened {
  readonly principal: Principal
  readonly session: Promise<LegacySession>
  usedMs: number
  /** `null`: it is being opened. */
  current: LegacySession | null
}

const isIdle = ({ current }: Opened) =>
  current !== null && current.running.size === 0 && current.listeners.size === 0

export interface LegacySessions {
  /** @throws UpstreamFault, InitializeRefused */
  of(principal: Principal, sender: Sender): Promise<LegacySession>
  /** The upstream does not know it any more; the next one is opened anew. */
  forget(session: LegacySession): void
}

export const initializedSchema = z.object({ protocolVersion: z.string() })

export function createLegacySessions(
  upstream: Upstream,
  {
    bytesMax,
    sessionIdleMs,
    hearsAlways,
    closing,
    clock,
    log,
  }: {
    bytesMax: number
    sessionIdleMs: number
    /** Whether what the upstream asks can come where nobody listens. */
    hearsAlways: boolean
    closing: AbortSignal
    clock: Clock
    log: Log
  },
): LegacySessions {
  const opened = new Map<string, Opened>()
  const { server } = upstream

  function of(principal: Principal, sender: Sender): Promise<LegacySession> {
    const capabilities = askableOf(sender.capabilities)
    const key = JSON.stringify([principal.name, principal.owner, capabilities])
    const known = opened.get(key)
    if (known !== undefined) {
      known.usedMs = clock.monotonicMs()
      return hearsAlways ? heard(known.session) : known.session
    }
    makeRoom(principal)
    const own: Opened = {
      principal,
      session: open(principal, sender, capabilities),
      usedMs: clock.monotonicMs(),
      current: null,
    }
    opened.set(key, own)
    void own.session.then(
      (session) => {
        own.current = session
      },
      () => drop(own),
    )
    return hearsAlways ? heard(own.session) : own.session
  }

  async function heard(opening: Promise<LegacySession>): Promise<LegacySession> {
    const session = await opening
    await Promise.race([session.hear(), clock.sleep(HEAR_MS, closing)])
    return session
  }

  /** A client chooses what it can be asked, with every request anew; the server would be left with a session for each. */
  function makeRoom({ name, owner }: Principal): void {
    const own = [...opened.values()].filter(
      (one) => one.principal.name === name && one.principal.owner === owner,
    )
    if (own.length < SESSIONS_PER_PRINCIPAL_MAX) return
    const [oldest] = own.filter(isIdle).sort((a, b) => a.usedMs - b.usedMs)
    if (oldest === undefined)
      throw new UpstreamFault(`too many sessions of this agent with ${server} are in use`, false)
    leave(oldest)
  }

  function leave(own: Opened): void {
    drop(own)
    void own.session.then((session) => session.leave())
  }

  function drop(own: Opened): void {
    for (const [key, candidate] of opened) if (candidate === own) opened.delete(key)
  }

  function forget(session: LegacySession): void {
    // At once: the next request asks for a session in the same moment.
    for (const candidate of [...opened.values()]) if (candidate.current === session) leave(candidate)
  }

  async function reapForever() {
    while (!closing.aborted) {
      await clock.sleep(reapEveryMs(sessionIdleMs), closing)
      const idle = [...opened.values()].filter(
        (one) => isIdle(one) && clock.monotonicMs() - one.usedMs >= sessionIdleMs,
      )
      for (const one of idle) leave(one)
    }
  }

  async function open(principal: Principal, sender: Sender, capabilities: string): Promise<LegacySession> {
    const id = newOwnId()
    const info = sender.info ?? '{"name":"holdpoint","version":"1"}'
    const opening = workSignal([closing], OPEN_MS)
    const { response, answer } = await shakeHands().finally(opening.release)
    async function shakeHands() {
      const shaken = await upstream.exchange({
        method: 'POST',
        headers: ofAnyMessage,
        body:
          `{"jsonrpc":"2.0","id":"${id}","method":"initialize","params":` +
          `{"protocolVersion":"${OFFERED_REVISION}","capabilities":${capabilities},"clientInfo":${info}}}`,
        principal,
        signal: opening.signal,
        freshConnection: false,
        mayStart: anyTime,
      })
      return { response: shaken, answer: await answerIn(shaken, id) }
    }
    const error = rawMember(answer, 'error')
    if (error !== null) throw new InitializeRefused(error)
    const initialized = rawMember(answer, 'result') ?? ''
    const agreed = initializedSchema.safeParse(parseJson(initialized))
    if (!agreed.success) throw new InitializeRefused('its answer names no version')
    const sessionId = response.headers['mcp-session-id']
    const headers = {
      'mcp-protocol-version': agreed.data.protocolVersion,
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
    }
    const session = sessionOn({ principal, initialized, headers })
    // Over HTTP each message takes its own way: the next one must not come first.
    await session.tell('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    return session
  }

  async function answerIn(response: WireResponse, id: string): Promise<string> {
    for await (const { message, isAnswer } of messagesUntil(response, id, bytesMax))
      if (isAnswer) return message
    throw new InitializeRefused(`HTTP ${response.status} without an answer`)
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
    let hearing: Promise<void> | null = null
    const ending = new AbortController()
    const session: LegacySession = {
      principal,
      initialized,
      running: new Set(),
      unasked: [],
      listeners: new Set(),
      post: (message, { headers: more, ...options }) =>
        upstream.exchange({
          method: 'POST',
          headers: { ...more, ...headers, ...ofAnyMessage },
          body: message,
          principal,
          ...options,
        }),
      async tell(message) {
        const telling = workSignal([closing], TELL_MS)
        try {
          const { body } = await session.post(message, {
            signal: telling.signal,
            freshConnection: false,
            mayStart: anyTime,
            headers: {},
          })
          await body?.cancel()
        } catch (error) {
          log.debug({ server, err: error }, 'an upstream could not be told something')
        } finally {
          telling.release()
        }
      },
      leave() {
        ending.abort()
        if (headers['mcp-session-id'] !== undefined) void closeSession(upstream, principal, headers)
      },
      hear() {
        hearing ??= new Promise((listens) => {
          const work = workSignal([closing, ending.signal], null)
          void hearOn(session, headers, work.signal, listens).then((isOver) => {
            work.release()
            listens()
            if (!isOver) return
            hearing = null
            for (const listener of session.listeners) listener.end()
          })
        })
        return hearing
      },
    }
    return session
  }

  /** @returns `false`: there is no such stream, and what the upstream has to say can only come with its answers */
  async function hearOn(
    session: LegacySession,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    listens: () => void,
  ): Promise<boolean> {
    try {
      const response = await upstream.exchange({
        method: 'GET',
        headers: { ...headers, accept: 'text/event-stream' },
        body: null,
        principal: session.principal,
        signal,
        freshConnection: false,
        mayStart: anyTime,
      })
      if (response.status !== 200) {
        await response.body?.cancel()
        return response.status !== 405
      }
      listens()
      for await (const message of messagesOf(response, bytesMax)) hand(session, message, clock.monotonicMs())
    } catch (error) {
      log.debug({ server, err: error }, 'an upstream is not heard any more')
    }
    return true
  }

  void reapForever()
  return { of, forget }
}

/** Of what a modern client declares, what an upstream may ask in the legacy way. Raw JSON. */
function askableOf(capabilities: string): string {
  const members = askable.flatMap((name) => {
    const declared = rawMember(capabilities, name)
    return declared === null ? [] : [`"${name}":${declared}`]
  })
  return `{${members.join(',')}}`
}
