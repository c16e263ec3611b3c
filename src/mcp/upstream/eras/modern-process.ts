/** One process that speaks MCP 2026-07-28 over stdio, and which of its requests each line belongs to. */
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { type Child, type Command, startChild } from '../child.ts'
import { peek } from '../peek.ts'
import { UpstreamFault } from '../wire.ts'
import { subscriptionOf } from './subscription-of.ts'

export interface OpenRequest {
  hear(message: string): void
  /** The process is gone; no answer will come. */
  giveUp(reason: string): void
}

export interface ModernProcess {
  /** @throws UpstreamFault */
  start(): Promise<void>
  open(id: string, request: OpenRequest): void
  /** Nobody waits for it any more. @param isCancelled whether the process is told */
  leave(id: string, isCancelled: boolean): void
  /** @throws UpstreamFault with `isSent: false` */
  write(message: string): void
  idleMs(): number | null
  end(): Promise<void>
}

export function createModernProcess({
  command,
  lineBytesMax,
  clock,
  log,
  onEnd,
}: {
  command: Command
  lineBytesMax: number
  clock: Clock
  log: Log
  /** Called once. */
  onEnd: () => void
}): ModernProcess {
  const { server } = command
  const requests = new Map<string, OpenRequest>()
  let child: Child | null = null
  let isEnded = false
  let lastTrafficMs = clock.monotonicMs()

  function onLine(line: string): void {
    lastTrafficMs = clock.monotonicMs()
    const message = peek(line)
    if (message.kind === 'response') {
      const id = String(message.id)
      const request = requests.get(id)
      requests.delete(id)
      request?.hear(line)
    } else if (message.kind === 'notification') {
      const about = message.progressToken ?? subscriptionOf(line)
      // The pipe does not say which request a log message is about; the newest is the likeliest.
      const request = typeof about === 'string' ? requests.get(about) : [...requests.values()].at(-1)
      request?.hear(line)
    } else {
      log.warn({ server, kind: message.kind }, 'an upstream wrote what no MCP 2026-07-28 server may write')
    }
  }

  function ended(reason: string): void {
    if (isEnded) return
    isEnded = true
    log.info({ server, reason }, 'upstream process ended')
    for (const request of requests.values()) request.giveUp(reason)
    requests.clear()
    onEnd()
  }

  function write(message: string): void {
    lastTrafficMs = clock.monotonicMs()
    if (child === null || isEnded) throw new UpstreamFault(`the process of ${server} has ended`, false)
    child.write(message)
  }

  return {
    async start() {
      child = await startChild({ ...command, lineBytesMax, log, onLine, onEnd: ended })
    },
    open: (id, request) => void requests.set(id, request),
    leave(id, isCancelled) {
      if (!requests.delete(id) || !isCancelled || isEnded) return
      try {
        write(
          JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }),
        )
      } catch (error) {
        log.debug({ server, err: error }, 'a request could not be cancelled any more')
      }
    },
    write,
    idleMs: () =>
      isEnded || child === null || requests.size > 0 ? null : clock.monotonicMs() - lastTrafficMs,
    async end() {
      ended('was ended by the gateway')
      await child?.kill()
    },
  }
}
