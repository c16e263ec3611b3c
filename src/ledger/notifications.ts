/** LISTEN / NOTIFY: wake-ups between processes. Reconnects by itself; whoever may have missed something looks at everything. */
import pg from 'pg'
import type { Log } from '../ports/log.ts'
import { createSockets, type Sockets } from './sockets.ts'

export interface Notifications {
  notify(channel: string, payload: string): Promise<void>
  /** `null`: the connection was away, so anything may have been said. */
  on(channel: string, listener: (payload: string | null) => void): () => void
  close(): Promise<void>
}

const RECONNECT_PAUSE_MS = 500
const CONNECT_MS = 5_000

/** `channels` are listened to from the start; names are ours, never input. */
export async function createNotifications(
  connectionString: string,
  pool: pg.Pool,
  channels: readonly string[],
  log: Log,
  sockets: Sockets = createSockets(),
): Promise<Notifications> {
  const listeners = new Map<string, Set<(payload: string | null) => void>>()
  let client: pg.Client | null = null
  let isClosed = false
  let reconnect: NodeJS.Timeout | undefined

  const tell = (channel: string, payload: string | null) => {
    for (const listener of listeners.get(channel) ?? []) listener(payload)
  }

  async function connect(): Promise<void> {
    const fresh = new pg.Client({
      connectionString,
      stream: sockets.open,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      application_name: 'holdpoint wake-ups',
    })
    fresh.on('notification', ({ channel, payload }) => tell(channel, payload ?? ''))
    fresh.on('error', (error) => lost(fresh, error))
    fresh.on('end', () => lost(fresh, new Error('the connection ended')))
    await fresh.connect()
    for (const channel of channels) await fresh.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
    client = fresh
  }

  function lost(which: pg.Client, error: unknown): void {
    if (isClosed || client !== which) return
    client = null
    log.warn({ err: error }, 'wake-ups are interrupted; the loop looks instead')
    again()
  }

  function again(): void {
    reconnect = setTimeout(() => {
      connect().then(
        () => {
          for (const channel of channels) tell(channel, null)
        },
        () => {
          if (!isClosed) again()
        },
      )
    }, RECONNECT_PAUSE_MS)
  }

  await connect()
  return {
    async notify(channel, payload) {
      try {
        await pool.query({ name: 'notify', text: 'SELECT pg_notify($1, $2)', values: [channel, payload] })
      } catch (error) {
        log.warn({ err: error, channel }, 'a wake-up could not be sent; the loop looks instead')
      }
    },
    on(channel, listener) {
      const set = listeners.get(channel) ?? new Set()
      listeners.set(channel, set.add(listener))
      return () => set.delete(listener)
    },
    async close() {
      isClosed = true
      clearTimeout(reconnect)
      await client?.end().catch(() => {})
    },
  }
}
