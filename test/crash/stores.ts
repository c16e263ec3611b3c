/** The PostgreSQL server and the Redis that lanes stand on: a system's own where there is one, else what npm brings. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'
import { isRedisMissing } from '../support/redis.ts'
import { isPostgresMissing, startSystemPostgres } from '../support/system-postgres.ts'

export interface LaneStores {
  readonly postgresUrl: string
  readonly withRedis: boolean
  /** Kills it as a power cut would, and starts it again after so long; `null`: it is not ours to kill. */
  readonly postgresDies: ((awayMs: number) => Promise<void>) | null
  /** Lanes that may run side by side: the embedded server takes 60 connections, a system's own what it is told. */
  readonly lanesMax: number
  close(): Promise<void>
}

/** A process under load opens up to 25, and a lane has up to eight; one that died keeps its own until the server notices. */
const CONNECTIONS_MAX = 400

const STARTS_MAX = 20
const AGAIN_MS = 250

/** Where every submission is tested, a missing Redis or PostgreSQL is a failure. */
export async function openLaneStores(): Promise<LaneStores> {
  const withRedis = !isRedisMissing()
  if (isPostgresMissing()) {
    return {
      postgresUrl: inject('postgresUrl'),
      withRedis,
      postgresDies: null,
      lanesMax: 2,
      close: async () => {},
    }
  }
  const server = await startSystemPostgres({ settings: [`max_connections=${CONNECTIONS_MAX}`] })
  const postgresDies = async (awayMs: number) => {
    await server.kill()
    await sleep(awayMs)
    for (let starts = 1; ; starts++) {
      try {
        return await server.start()
      } catch (error) {
        // One of its backends may not have noticed yet, and holds the shared memory.
        if (starts >= STARTS_MAX) throw error
        await sleep(AGAIN_MS)
      }
    }
  }
  return { postgresUrl: server.url, withRedis, postgresDies, lanesMax: 3, close: () => server.stop() }
}
