/** The two kinds of connections to Redis, and what their faults mean in words that never repeat the password in the address. */
import { Redis } from 'ioredis'

/** A decision or a new critical call waits this long at most for one command; the loop of two seconds does the rest. */
export const ADD_MS_MAX = 500
/** Once back, Redis is found again within this time. */
const RECONNECT_MS_MAX = 1_000
/** A connection that owes an answer for so long is dead, whatever TCP thinks of it. */
const ADDING_SILENCE_MS_MAX = 5_000
/** Longer than BullMQ's longest blocking read of ten seconds, whose silence is no fault. */
const WORKING_SILENCE_MS_MAX = 15_000

const retryStrategy = (times: number) => Math.min(times * 100, RECONNECT_MS_MAX)

/** For producers, which answer a request: nothing is queued inside, and every command has a limit. */
export function connectForAdding(url: string): Redis {
  return new Redis(url, {
    connectionName: 'holdpoint:adding',
    commandTimeout: ADD_MS_MAX,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    socketTimeout: ADDING_SILENCE_MS_MAX,
    retryStrategy,
  })
}

/** For workers, which have all the time in the world. BullMQ duplicates it for each blocking read and asks for the `null`. */
export function connectForWorking(url: string): Redis {
  return new Redis(url, {
    connectionName: 'holdpoint:working',
    maxRetriesPerRequest: null,
    socketTimeout: WORKING_SILENCE_MS_MAX,
    retryStrategy,
  })
}

/** Host and port: what may be said of an address that can carry a password. */
export function placeOf(url: string): string {
  const { hostname, port } = new URL(url)
  return `${hostname === '' ? 'localhost' : hostname}:${port === '' ? '6379' : port}`
}

export function explainFault(error: Error, place: string): string {
  const code = 'code' in error ? String(error.code) : ''
  const { message } = error
  if (/WRONGPASS|NOAUTH|invalid password/i.test(message)) {
    return `Redis at ${place} refuses the user or password in REDIS_URL`
  }
  if (/NOPERM/.test(message)) {
    return `the Redis user in REDIS_URL may not do what the queue needs: ${message}`
  }
  if (/^OOM/.test(message)) {
    return `Redis at ${place} is out of memory and takes no jobs; raise its maxmemory`
  }
  if (/READONLY/.test(message)) return `Redis at ${place} is a read-only replica`
  if (/LOADING/.test(message)) return `Redis at ${place} is still loading its data`
  if (/timed out|timeout/i.test(message) || code === 'ETIMEDOUT') return `Redis at ${place} does not answer`
  if (code === 'ECONNREFUSED') return `nothing listens at ${place} (REDIS_URL)`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the host of REDIS_URL is unknown: ${place}`
  if (code === 'ECONNRESET' || /closed|writeable/i.test(message)) return `the connection to ${place} broke`
  return `Redis at ${place}: ${message}`
}
