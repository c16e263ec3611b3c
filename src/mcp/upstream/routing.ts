/**
 * Which stream each message of a server belongs to that says everything in one place: on its standard output, or on the one
 * stream of HTTP+SSE. It does not say; Streamable HTTP wants to know. Nothing is reordered, nothing is rewritten, and each
 * request's stream ends with its answer.
 */
import type { Log } from '../../ports/log.ts'
import { rawItems } from '../raw-json.ts'
import type { EventStream } from './event-stream.ts'
import { type Id, idKey, peek } from './peek.ts'

/** Messages that nobody listens for yet wait for the standalone stream; a handful comes before a client opens it. */
const WAITING_MAX = 100
/** Ids of requests whose requester left; remembered so that their late answers are dropped and the ids not reused. */
const ABANDONED_MAX = 1_000

export interface OpenRequest {
  readonly id: Id
  readonly progressToken: Id | null
  readonly stream: EventStream
  /** Ends the stream without an answer of the server, for which it is too late. */
  readonly giveUp: (reason: string) => void
}

export interface Routing {
  /** Whether this id may still be answered, so that another request must not use it. */
  isTaken(id: Id): boolean
  open(request: OpenRequest): void
  /** The request was never written. */
  withdraw(id: Id): void
  /** Nobody waits for this request any more; its stream is over and its answer will be dropped. */
  abandon(id: Id): void
  openStreams(): number
  /** `null`: nobody listens any more. */
  listen(stream: EventStream | null): void
  isListening(): boolean
  route(line: string): void
  /** The server is gone: says so on every stream. */
  end(reason: string): void
}

export function createRouting({ server, log }: { readonly server: string; readonly log: Log }): Routing {
  const open = new Map<string, OpenRequest>()
  const abandoned = new Set<string>()
  const waiting: string[] = []
  let standalone: EventStream | null = null

  function route(line: string): void {
    const message = peek(line)
    switch (message.kind) {
      case 'batch': // MCP 2025-03-26 allowed them
        for (const item of rawItems(line)) route(item)
        break
      case 'invalid':
        log.warn({ server, bytes: line.length }, 'an upstream wrote something that is no JSON-RPC message')
        break
      case 'response':
        if (message.id === null) toSomeone(line)
        else answer(idKey(message.id), line)
        break
      case 'notification':
        if (message.progressToken === null) toSomeone(line)
        else progress(message.progressToken, line)
        break
      case 'request':
        toSomeone(line)
    }
  }

  function answer(key: string, line: string): void {
    const request = open.get(key)
    open.delete(key)
    request?.stream.send(line)
    request?.stream.end()
    if (request === undefined && !abandoned.delete(key))
      log.warn({ server }, 'an upstream answered a request that was not made')
  }

  /** Progress of a request that is over, or whose requester left, is nobody's. */
  function progress(token: Id, line: string): void {
    const request = [...open.values()].find(({ progressToken }) => progressToken === token)
    request?.stream.send(line)
  }

  /** The pipe does not tell which request a message is about; with one open, it can only be that one. */
  function toSomeone(line: string): void {
    const newest = [...open.values()].at(-1)?.stream ?? null
    const stream = open.size === 1 ? newest : (standalone ?? newest)
    if (stream === null) wait(line)
    else stream.send(line)
  }

  function wait(line: string): void {
    waiting.push(line)
    if (waiting.length <= WAITING_MAX) return
    waiting.shift()
    log.warn({ server, kept: WAITING_MAX }, 'nobody listens to an upstream; its oldest message was dropped')
  }

  function abandon(id: Id): void {
    const key = idKey(id)
    const request = open.get(key)
    if (request === undefined) return
    open.delete(key)
    request.stream.end()
    abandoned.add(key)
    const [oldest] = abandoned
    if (abandoned.size > ABANDONED_MAX && oldest !== undefined) abandoned.delete(oldest)
  }

  return {
    route,
    abandon,
    isTaken: (id) => open.has(idKey(id)) || abandoned.has(idKey(id)),
    open: (request) => void open.set(idKey(request.id), request),
    withdraw: (id) => void open.delete(idKey(id)),
    openStreams: () => open.size + (standalone === null ? 0 : 1),
    listen(stream) {
      standalone = stream
      if (stream !== null) for (const line of waiting.splice(0)) stream.send(line)
    },
    isListening: () => standalone !== null,
    end(reason) {
      for (const request of open.values()) request.giveUp(reason)
      open.clear()
      standalone?.end()
      standalone = null
    },
  }
}
