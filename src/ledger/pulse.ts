/**
 * Knows from one moment to the next whether the ledger answers, so that nobody waits for one that does not: a paused server,
 * a cut cable, a half-open connection. It asks on a connection of its own, and logs changes, not attempts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { ledgerPulse } from '../domain/timings.ts'
import { LedgerAway } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import { only } from './connect.ts'
import type { Sockets } from './sockets.ts'

export interface Pulse {
  /** Why no statement can be answered now; `null`: the ledger answers. */
  silence(): string | null
  /** Why the ledger cannot take anything new now, though it may still answer questions; `null`: it can. */
  trouble(): string | null
  /**
   * Milliseconds since the epoch by the ledger's clock, as far as it is known here: its last answer, and the time since. For
   * what people and agents are told; deadlines are judged by the ledger itself.
   */
  nowMs(): number
  /** Resolves as `work` does, and rejects with `LedgerAway` once the ledger keeps it waiting without a sign of life. */
  whileAnswering<T>(work: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

const { askMs: PING_MS, silentMs: SILENT_MS, patienceMs: PATIENCE_MS, lookMs: LOOK_MS } = ledgerPulse
/** What is usual: one late answer, after a pause of the server, does not make it. */
const USUAL_OF = 3
/** A connection that owes an answer for this long is tested against a new one. */
const DOUBT_MS = 1_500
/** A new connection that is not up by then is tried again. */
const CONNECT_MS = 3_000
/** A server that was paused answers old and new connections in the same moment; the old ones get this long to show it. */
const GRACE_MS = 200
/** A commit that waits this long for a synchronous standby says that the standby is away. */
const STANDBY_MS = 700
/** A server that stands still does not say goodbye. */
const CLOSE_MS = 500

/** One line, read by whoever holds the connection: can it write, do commits get through, and what time is it there? */
const PING = `
  SELECT pg_is_in_recovery() AS standby, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, EXISTS (
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'SyncRep'
      AND clock_timestamp() - state_change > $1 * interval '1 millisecond') AS stuck`

interface Line {
  readonly client: pg.Client
  readonly openedMs: number
}

/** @throws when the ledger does not answer at all */
export async function takePulse(connectionString: string, sockets: Sockets, log: Log): Promise<Pulse> {
  const stopping = new AbortController()
  let line: Line | null = null
  let connecting: Promise<void> | null = null
  /** How long a question has been open; `null`: all are answered. */
  let openMs: number | null = null
  let lastBeatMs = performance.now()
  let lastAnswersMs: readonly number[] = [0]
  let lastFault = 'it has not answered yet'
  let refusal: string | null = null
  /** The ledger's clock minus our monotonic one. */
  let aheadMs = 0
  let isAway = false

  async function open(): Promise<Line> {
    const openedMs = performance.now()
    const client = new pg.Client({
      connectionString,
      stream: sockets.open,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      application_name: 'holdpoint pulse',
    })
    client.on('error', (error) => lost(client, error.message))
    client.on('end', () => lost(client, 'the connection ended'))
    try {
      await client.connect()
      await Promise.race([ask(client), sleep(CONNECT_MS).then(() => Promise.reject(new Error('no answer')))])
    } catch (error) {
      void close(client)
      throw error
    }
    return { client, openedMs }
  }

  async function ask(client: pg.Client): Promise<void> {
    const askedMs = performance.now()
    const { rows } = await client.query<{ standby: boolean; stuck: boolean; now: number }>(PING, [STANDBY_MS])
    const answeredMs = performance.now()
    lastAnswersMs = [answeredMs - askedMs, ...lastAnswersMs].slice(0, USUAL_OF)
    const { standby, stuck, now } = only(rows)
    aheadMs = now - (askedMs + answeredMs) / 2
    refusal = standby
      ? 'the database is a standby and takes no changes; DATABASE_URL must lead to the primary'
      : stuck
        ? 'commits wait for a synchronous standby that does not answer'
        : null
  }

  const usualMs = () => Math.min(...lastAnswersMs)

  function answered(): void {
    openMs = null
    if (isAway) log.info({}, 'the ledger answers again')
    isAway = false
  }

  function lost(client: pg.Client, reason: string): void {
    if (line?.client !== client) return
    line = null
    lastFault = reason
    openMs ??= 0
    reconnect()
  }

  /** Beside a line that is silent, as well: a new one that answers proves that the old ones are dead. */
  function reconnect(): void {
    if (connecting !== null || stopping.signal.aborted) return
    connecting = open()
      .then(async (fresh) => {
        if (line !== null) await sleep(GRACE_MS)
        if (stopping.signal.aborted || openMs === null) return close(fresh.client)
        const isLong = openMs > DOUBT_MS
        line = fresh
        answered()
        const given = isLong ? sockets.giveUp(fresh.openedMs) : 0
        if (given > 0) {
          log.warn(
            { connections: given },
            'connections to the ledger may be dead without a word; new ones are made',
          )
        }
      })
      .catch((error: unknown) => {
        lastFault = words(error)
        // Nothing to wait for: there is no connection, and none can be made.
        if (line === null) openMs = Math.max(openMs ?? 0, SILENT_MS + usualMs())
      })
      .finally(() => {
        connecting = null
      })
  }

  function beat(): void {
    const now = performance.now()
    // Of a time in which this process itself stood still nothing is known.
    if (openMs !== null) openMs += Math.min(now - lastBeatMs, 2 * PING_MS)
    lastBeatMs = now
    tell()
    if (line === null || (openMs !== null && openMs > DOUBT_MS + usualMs())) reconnect()
    if (line === null || openMs !== null) return
    const { client } = line
    openMs = 0
    ask(client).then(
      () => {
        if (line?.client === client) answered()
      },
      (error: unknown) => {
        if (!(error instanceof pg.DatabaseError)) return lost(client, words(error))
        // An error is an answer, too.
        refusal = words(error)
        if (line?.client === client) answered()
      },
    )
  }

  function tell(): void {
    const reason = silence()
    if (reason === null || isAway) return
    isAway = true
    log.warn({ reason }, 'the ledger does not answer; new critical calls are refused')
  }

  function silence(): string | null {
    if (openMs === null || openMs < SILENT_MS + usualMs()) return null
    return line === null ? lastFault : `no answer for ${Math.round(openMs / 100) / 10} s`
  }

  const trouble = () => silence() ?? refusal

  line = await open()
  // After the events that are due: a process that was busy itself must not blame the ledger.
  const beating = setInterval(() => setImmediate(beat), PING_MS)

  return {
    silence,
    trouble,
    nowMs: () => performance.now() + aheadMs,
    async whileAnswering(work) {
      const already = trouble()
      if (already !== null) throw new LedgerAway(already)
      const startedMs = performance.now()
      let timer: NodeJS.Timeout | undefined
      const away = new Promise<never>((_resolve, reject) => {
        timer = setInterval(() => {
          const reason = performance.now() - startedMs < PATIENCE_MS ? null : trouble()
          if (reason !== null) reject(new LedgerAway(reason))
        }, LOOK_MS)
      })
      const result = work()
      // Once it is given up, nobody listens to what it comes to.
      result.catch(() => {})
      try {
        return await Promise.race([result, away])
      } finally {
        clearInterval(timer)
      }
    },
    async stop() {
      stopping.abort()
      clearInterval(beating)
      const last = line
      line = null
      if (last !== null) await close(last.client)
    },
  }
}

async function close(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => {}), sleep(CLOSE_MS)])
}

const words = (error: unknown) =>
  error instanceof Error && error.message !== '' ? error.message : String(error)
