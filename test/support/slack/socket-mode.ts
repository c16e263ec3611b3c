/**
 * Socket Mode: the connections an app has opened, and payloads that wait on them for an acknowledgement. With more
 * than one connection each payload goes to one of them at random, from a seed, as Slack's own choice cannot be foreseen.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Fields, fieldsOf, parseJson, stringOf } from './json.ts'
import { acceptWebSocket, type WebSocketConnection } from './websocket.ts'
import { APP_ID, type Workspace } from './workspace.ts'

export interface Envelope {
  readonly type: 'interactive' | 'slash_commands' | 'events_api'
  readonly payload: Fields
  /** Whether the acknowledgement may carry an answer. */
  readonly acceptsResponse: boolean
  readonly retry?: { readonly attempt: number; readonly reason: string }
}

export type SocketAck =
  | { readonly kind: 'acknowledged'; readonly connection: number; readonly body: unknown }
  | { readonly kind: 'timeout'; readonly connection: number }
  /** The connection ended before the acknowledgement, which may have been on its way. */
  | { readonly kind: 'cut'; readonly connection: number }
  | { readonly kind: 'no_connection' }

/** Slack takes no more than this for one app. */
const CONNECTIONS_MAX = 10
const PING_EVERY_MS = 10_000

export function createSocketMode(dependencies: { readonly workspace: Workspace; readonly seed: number }) {
  const { workspace, seed } = dependencies
  const random = seeded(seed)
  const tickets = new Set<string>()
  const connections = new Map<number, WebSocketConnection>()
  const pending = new Map<string, { readonly connection: number; settle(ack: SocketAck): void }>()
  /** Told to go: they get nothing new, but may still acknowledge. */
  const leaving = new Set<number>()
  let opened = 0

  const pings = setInterval(() => {
    for (const connection of connections.values()) connection.ping()
  }, PING_EVERY_MS)
  pings.unref()

  function accept(request: IncomingMessage, socket: Duplex): void {
    const ticket = new URL(request.url ?? '/', 'ws://slack').searchParams.get('ticket') ?? ''
    if (!tickets.delete(ticket)) {
      socket.on('error', () => socket.destroy())
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n')
      return
    }
    const number = ++opened
    const connection = acceptWebSocket(request, socket, {
      text: acknowledged,
      closed: () => closed(number),
    })
    if (connections.size >= CONNECTIONS_MAX) {
      connection.send(JSON.stringify({ type: 'disconnect', reason: 'too_many_websockets' }))
      connection.close(1000)
      return
    }
    connections.set(number, connection)
    connection.send(
      JSON.stringify({
        type: 'hello',
        num_connections: connections.size,
        connection_info: { app_id: APP_ID },
        debug_info: { host: 'slack-double', build_number: 1, approximate_connection_time: 18_060 },
      }),
    )
    workspace.changed()
  }

  function acknowledged(text: string): void {
    const { envelope_id, payload } = fieldsOf(parseJson(text))
    const waiting = pending.get(stringOf(envelope_id))
    waiting?.settle({ kind: 'acknowledged', connection: waiting.connection, body: payload ?? null })
  }

  function closed(number: number): void {
    connections.delete(number)
    leaving.delete(number)
    for (const waiting of [...pending.values()])
      if (waiting.connection === number) waiting.settle({ kind: 'cut', connection: number })
    workspace.changed()
  }

  function choose(): [number, WebSocketConnection] | undefined {
    const able = [...connections].filter(([number]) => !leaving.has(number))
    return able[Math.floor(random() * able.length)]
  }

  function deliver(envelope: Envelope, limitMs: number): Promise<SocketAck> {
    const chosen = choose()
    if (chosen === undefined) return Promise.resolve({ kind: 'no_connection' })
    const [number, connection] = chosen
    const envelopeId = randomUUID()
    return new Promise((resolve) => {
      const settle = (ack: SocketAck) => {
        clearTimeout(timer)
        pending.delete(envelopeId)
        resolve(ack)
      }
      const timer = setTimeout(() => settle({ kind: 'timeout', connection: number }), limitMs)
      pending.set(envelopeId, { connection: number, settle })
      connection.send(
        JSON.stringify({
          envelope_id: envelopeId,
          type: envelope.type,
          accepts_response_payload: envelope.acceptsResponse,
          payload: envelope.payload,
          ...(envelope.retry === undefined
            ? {}
            : { retry_attempt: envelope.retry.attempt, retry_reason: envelope.retry.reason }),
        }),
      )
    })
  }

  return {
    accept,
    deliver,
    connections: () => [...connections.keys()],
    openTicket(): string {
      const ticket = randomBytes(16).toString('hex')
      tickets.add(ticket)
      return ticket
    },
    /** What Slack does every few hours: asks the app to connect anew, and sends nothing more on the old connection. */
    disconnect(reason: string): void {
      for (const [number, connection] of connections) {
        leaving.add(number)
        connection.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'slack-double' } }))
      }
    },
    /** The wire is cut without a word. */
    cut(): void {
      for (const connection of connections.values()) connection.destroy()
    },
    stop(): void {
      clearInterval(pings)
      for (const connection of connections.values()) connection.destroy()
    },
  }
}

/** Mulberry32: small, and the same for the same seed everywhere. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
