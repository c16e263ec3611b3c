/**
 * A command that speaks MCP 2026-07-28 over stdio, presented as a modern Streamable HTTP server. There are no sessions: each
 * principal has one process, on which its requests run side by side under ids of ours.
 */
import type { Limits } from '../../../domain/limits.ts'
import type { Principal } from '../../../domain/principal.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember, withMember } from '../../raw-json.ts'
import type { Command } from '../child.ts'
import { createEventStream } from '../event-stream.ts'
import { commandFor, type HomeOf } from '../home.ts'
import { peek } from '../peek.ts'
import { reapEveryMs } from '../reap.ts'
import { errorMessage, internalError, invalidRequest, jsonResponse, refusalResponse } from '../refusal.ts'
import type { SlotHolder, Slots } from '../slots.ts'
import { createStartFailures, tooOften } from '../start-failures.ts'
import { STOOD_STILL, type Upstream, UpstreamFault, type WireRequest, type WireResponse } from '../wire.ts'
import { createModernProcess, type ModernProcess } from './modern-process.ts'
import { subscriptionOf } from './subscription-of.ts'
import { type Marks, markedAs, marksOf, progressFor, withSubscription } from './words.ts'

interface ModernStdioOptions extends Command {
  readonly limits: Pick<Limits, 'lineBytesMax'>
  readonly slots: Slots
  /** The directory that its program has as its home, for each person one; `null`: the gateway's own. */
  readonly homeOf: HomeOf | null
  readonly sessionIdleMs: number
  readonly clock: Clock
  readonly log: Log
}

export function createModernStdio(options: ModernStdioOptions): Upstream {
  const { server, limits, slots, homeOf, sessionIdleMs, clock, log } = options
  const failures = createStartFailures(clock.monotonicMs)
  const processes = new Map<string, Promise<ModernProcess>>()
  const living = new Set<SlotHolder>()
  const closing = new AbortController()

  async function exchange(request: WireRequest): Promise<WireResponse> {
    const message = request.body ?? ''
    const peeked = peek(message)
    if (peeked.kind === 'notification') return { status: 202, headers: {}, body: null }
    const rawId = rawMember(message, 'id')
    if (request.method !== 'POST' || peeked.kind !== 'request') {
      return refusalResponse(invalidRequest('one request is expected', rawId))
    }
    try {
      return await send(await processOf(request.principal), request, message)
    } catch (error) {
      if (!(error instanceof UpstreamFault) || request.freshConnection) throw error
      return refusalResponse(internalError(error.message, rawId))
    }
  }

  /** @throws UpstreamFault with `isSent: false` */
  function send(child: ModernProcess, request: WireRequest, message: string): Promise<WireResponse> {
    const { signal, freshConnection, mayStart } = request
    const id = newOwnId()
    const marks = marksOf(message)
    const own: Marks = {
      rawId: JSON.stringify(id),
      rawToken: marks.rawToken === null ? null : JSON.stringify(id),
    }
    const stream = createEventStream({
      signal,
      unreadBytesMax: 2 * limits.lineBytesMax,
      // On stdio a request is cancelled by saying so. An approved call is not called back.
      onLeave: () => child.leave(id, !freshConnection),
    })
    const early = createEarly(stream.response)
    child.open(id, {
      hear(said) {
        const heard = asRequested(said, id, marks)
        early.heard(heard)
        stream.send(heard)
        if (peek(said).kind === 'response') stream.end()
      },
      giveUp(reason) {
        early.gaveUp()
        const why = `The process of ${server} ${reason} while this request was running. It may or may not have had an effect.`
        if (freshConnection) return stream.fail(new UpstreamFault(why, true))
        stream.send(errorMessage(internalError(why, marks.rawId)))
        stream.end()
      },
    })
    try {
      if (!mayStart()) throw new UpstreamFault(STOOD_STILL, false)
      child.write(markedAs(message, own))
    } catch (error) {
      child.leave(id, false)
      throw error
    }
    return early.response
  }

  function processOf(principal: Principal): Promise<ModernProcess> {
    const key = JSON.stringify([principal.name, principal.owner])
    const known = processes.get(key)
    if (known !== undefined) return known
    const starting = startFor(principal, () => processes.delete(key))
    processes.set(key, starting)
    starting.catch(() => processes.delete(key))
    return starting
  }

  async function startFor(principal: Principal, forget: () => void): Promise<ModernProcess> {
    const key = JSON.stringify([principal.name, principal.owner])
    const pauseMs = failures.pauseMs(key)
    if (pauseMs > 0) throw new UpstreamFault(tooOften(server, pauseMs), false)
    const command = await commandFor(principal, options, homeOf)
    if (!command.ok) throw new UpstreamFault(command.error, false)
    const child = createModernProcess({
      command: command.value,
      lineBytesMax: limits.lineBytesMax,
      clock,
      log,
      onEnd,
    })
    const holder: SlotHolder = { server, principal, idleMs: child.idleMs, end: child.end }
    let release = () => {}
    function onEnd() {
      forget()
      living.delete(holder)
      release()
    }
    const taken = await slots.take(holder)
    if (!taken.ok) throw new UpstreamFault(taken.error, false)
    release = taken.value
    living.add(holder)
    try {
      if (closing.signal.aborted) throw new UpstreamFault('the gateway is stopping', false)
      await child.start()
      failures.started(key)
      return child
    } catch (error) {
      failures.failed(key)
      onEnd()
      throw error
    }
  }

  async function reapForever() {
    while (!closing.signal.aborted) {
      await clock.sleep(reapEveryMs(sessionIdleMs), closing.signal)
      for (const holder of living) if ((holder.idleMs() ?? 0) >= sessionIdleMs) void holder.end()
    }
  }

  void reapForever()
  return {
    server,
    exchange,
    async close() {
      closing.abort()
      await Promise.all([...living].map((holder) => holder.end()))
    },
  }
}

/** HTTP statuses of errors that come instead of an answer (MCP 2026-07-28, Transports). */
const statuses: ReadonlyMap<string, number> = new Map([
  ['-32601', 404],
  ['-32020', 400],
  ['-32021', 400],
  ['-32022', 400],
])
/** A status cannot be taken back: it waits this long for the first word, and a call that takes longer is a stream. */
const EARLY_MS = 200

/** The response of a request that was just sent: a stream, unless its first word is an error with a status of its own. */
function createEarly(stream: WireResponse) {
  let settle = (_response: WireResponse) => {}
  const response = new Promise<WireResponse>((done) => {
    settle = done
  })
  const timer = setTimeout(() => settle(stream), EARLY_MS)
  return {
    response,
    heard(said: string) {
      clearTimeout(timer)
      const error = peek(said).kind === 'response' ? rawMember(said, 'error') : null
      const status = error === null ? undefined : statuses.get(rawMember(error, 'code') ?? '')
      settle(status === undefined ? stream : jsonResponse(status, said))
    },
    gaveUp() {
      clearTimeout(timer)
      settle(stream)
    },
  }
}

/** What the process said, under the marks that its requester knows. */
function asRequested(said: string, id: string, marks: Marks): string {
  const peeked = peek(said)
  if (peeked.kind === 'response') return withMember(said, 'id', marks.rawId)
  if (peeked.kind !== 'notification') return said
  const token =
    peeked.progressToken === id && marks.rawToken !== null ? progressFor(said, marks.rawToken) : said
  return subscriptionOf(said) === id ? withSubscription(token, marks.rawId) : token
}
