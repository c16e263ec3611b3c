/** What a team's processes share: a real Redis and a PostgreSQL server over TCP, for the tests of one file. */
import { afterAll, beforeAll } from 'vitest'
import { isRedisMissing, type RedisServer, startRedis } from './redis.ts'
import { isPostgresMissing, type SystemPostgres, startSystemPostgres } from './system-postgres.ts'

export interface Team {
  readonly redis: RedisServer
  readonly postgresUrl: string
  /** For a gateway that leaves the other roles to workers. */
  readonly env: Record<string, string>
}

export const isTeamMissing = (): boolean => isRedisMissing() || isPostgresMissing()

/** Starts both before the tests of the enclosing `describe`. */
export function aTeam(): () => Team {
  let servers: { redis: RedisServer; postgres: SystemPostgres } | null = null
  beforeAll(async () => {
    servers = { redis: await startRedis(), postgres: await startSystemPostgres() }
  })
  afterAll(async () => {
    await servers?.redis.stop()
    await servers?.postgres.stop()
  })
  return () => {
    if (servers === null) throw new Error('the servers start before the tests')
    const { redis, postgres } = servers
    return {
      redis,
      postgresUrl: postgres.url,
      env: { REDIS_URL: redis.url, HOLDPOINT_ROLES: 'gateway' },
    }
  }
}
