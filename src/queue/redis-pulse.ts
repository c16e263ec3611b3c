/** Knows from one moment to the next whether Redis answers, so that nobody waits for one that does not. Logs changes, not attempts. */
import type { Redis } from 'ioredis'
import type { Log } from '../ports/log.ts'
import { explainFault } from './redis-connection.ts'
import { findRedisFaults } from './redis-findings.ts'

export interface Pulse {
  /** Why Redis cannot be used now, `null` when it can. */
  trouble(): string | null
  /** What is set in a way that costs something, though it can be used; `null`: nothing that is known. */
  weakness(): string | null
  /** Why it is of no use even to try, `null` when Redis answers. */
  silence(): string | null
  /** A command failed; where Redis is silent, the next one need not find out again. @returns the fault in words */
  failed(error: unknown): string
  /** A command was taken. */
  succeeded(): void
  /** Resolves when it is first known whether Redis answers, or after `limitMs`. */
  known(limitMs: number): Promise<void>
  stop(): void
}

/** A frozen Redis is noticed, and found again, within about this time. */
const PING_MS = 1_000
/** Settings can be changed while it runs, and another server can take over. Two small questions each time. */
const EXAMINE_MS = 10_000

export function keepPulse(client: Redis, place: string, log: Log): Pulse {
  let away: string | null = `Redis at ${place} has not answered yet`
  /** It answers, but did not take the last job (out of memory, read-only): each job tries again. */
  let refusal: string | null = null
  let weakness: string | null = null
  let lastFault: Error | null = null
  let isKnown = false
  let isStopped = false
  const told = new Set<string>()
  let newsCame = () => {}
  const firstNews = new Promise<void>((resolve) => {
    newsCame = resolve
  })

  function up(): void {
    if (away !== null) log.info({ redis: place }, 'the queue on Redis works')
    away = null
    lastFault = null
    isKnown = true
    newsCame()
  }

  function down(reason: string): void {
    if (isStopped) return
    if (away === null || !isKnown) {
      log.warn({ redis: place, reason }, 'the queue on Redis is away; the ledger is looked at instead')
    }
    away = reason
    isKnown = true
    newsCame()
  }

  async function examine(): Promise<void> {
    if (client.status !== 'ready') return
    try {
      const faults = await findRedisFaults(client)
      weakness = faults.find(({ isGrave }) => isGrave)?.message ?? null
      for (const { isGrave, message } of faults) {
        if (told.has(message)) continue
        told.add(message)
        if (isGrave) log.error({ redis: place }, message)
        else log.warn({ redis: place }, message)
      }
    } catch (error) {
      log.debug({ err: error, redis: place }, 'the settings of Redis could not be read')
    }
  }

  async function beat(): Promise<void> {
    if (client.status !== 'ready') return
    try {
      await client.ping()
      up()
    } catch (error) {
      down(explain(error))
    }
  }

  const explain = (error: unknown) =>
    explainFault(error instanceof Error ? error : new Error(String(error)), place)

  client.on('error', (error: Error) => {
    lastFault = error
    if (away !== null) down(explain(error))
  })
  client.on('close', () => down(lastFault === null ? `the connection to ${place} broke` : explain(lastFault)))
  client.on('ready', () => void beat().then(examine))
  const beating = setInterval(() => void beat(), PING_MS)
  const examining = setInterval(() => void examine(), EXAMINE_MS)

  return {
    trouble: () => away ?? refusal,
    weakness: () => weakness,
    silence: () => away,
    failed(error) {
      const words = explain(error)
      const isAnswer = error instanceof Error && error.name === 'ReplyError'
      if (isAnswer) refusal = words
      else down(words)
      return words
    },
    succeeded() {
      refusal = null
    },
    async known(limitMs) {
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, limitMs)
      })
      await Promise.race([firstNews, limit])
      clearTimeout(timer)
    },
    stop() {
      isStopped = true
      clearInterval(beating)
      clearInterval(examining)
    },
  }
}
