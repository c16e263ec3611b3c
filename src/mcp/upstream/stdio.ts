/**
 * A command that speaks MCP over stdio, presented as a legacy Streamable HTTP server (2024-11-05 to 2025-11-25). Each
 * session has a process of its own and belongs to the principal that opened it.
 */
import type { Limits } from '../../domain/limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { rawMember } from '../raw-json.ts'
import type { Command } from './child.ts'
import { commandFor, type HomeOf } from './home.ts'
import { createOwnSessions, type Opening } from './own-sessions.ts'
import type { Id } from './peek.ts'
import { internalError } from './refusal.ts'
import type { SlotHolder, Slots } from './slots.ts'
import { createStartFailures, tooOften } from './start-failures.ts'
import { createStdioSession } from './stdio-session.ts'
import { type Upstream, UpstreamFault, type WireRequest } from './wire.ts'

interface StdioUpstreamOptions extends Command {
  readonly limits: Pick<Limits, 'lineBytesMax'>
  /** Shared by all stdio upstreams of a gateway. */
  readonly slots: Slots
  /** The directory that its program has as its home, for each person one; `null`: the gateway's own. */
  readonly homeOf: HomeOf | null
  readonly sessionIdleMs: number
  readonly clock: Clock
  readonly log: Log
}

export function createStdioUpstream(options: StdioUpstreamOptions): Upstream {
  const { server, limits, slots, homeOf, sessionIdleMs, clock, log } = options
  const failures = createStartFailures(clock.monotonicMs)
  /** Every child that may still run, also those whose session nobody can use any more. */
  const living = new Set<SlotHolder>()
  const sessions = createOwnSessions({ idPrefix: '', sessionIdleMs, clock, open })
  let isClosing = false

  async function open(request: WireRequest, body: string, id: Id, onEnd: () => void): Promise<Opening> {
    const { principal } = request
    const rawId = rawMember(body, 'id')
    const refused = (message: string): Opening => ({
      kind: 'refused',
      refusal: internalError(message, rawId),
    })
    const key = JSON.stringify([principal.name, principal.owner])
    const pauseMs = failures.pauseMs(key)
    if (pauseMs > 0) return refused(tooOften(server, pauseMs))
    const command = await commandFor(principal, options, homeOf)
    if (!command.ok) return refused(command.error)
    const child = createStdioSession({
      command: command.value,
      lineBytesMax: limits.lineBytesMax,
      clock,
      log,
      onEnd: () => {
        onEnd()
        void end()
      },
    })
    const holder = { server, principal, idleMs: child.idleMs, end }
    const taken = await slots.take(holder)
    if (!taken.ok) return refused(taken.error)
    const release = taken.value
    living.add(holder)

    async function end() {
      await child.end()
      living.delete(holder)
      release()
    }

    try {
      if (isClosing) throw new UpstreamFault('the gateway is stopping', false)
      const reply = await child.initialize(body, id, request.signal)
      failures.started(key)
      return { kind: 'opened', session: { ...child, end }, reply }
    } catch (error) {
      void end()
      if (!(error instanceof UpstreamFault)) throw error
      if (!request.signal.aborted) failures.failed(key)
      log.warn({ server, reason: error.message }, 'upstream process could not be initialised')
      return refused(error.message)
    }
  }

  return {
    server,
    exchange: sessions.exchange,
    async close() {
      isClosing = true
      sessions.close()
      await Promise.all([...living].map((holder) => holder.end()))
    },
  }
}
