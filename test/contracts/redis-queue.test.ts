import { afterAll, describe } from 'vitest'
import { isRedisMissing, type RedisServer, startRedis } from '../support/redis.ts'
import { queueContract } from './queue.ts'

describe.skipIf(isRedisMissing())('with a real server', () => {
  let redis: RedisServer
  afterAll(() => redis?.stop())

  queueContract('Redis', async () => {
    redis = await startRedis()
    return { kind: 'redis', url: redis.url }
  })
})
