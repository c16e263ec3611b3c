import { expect, test } from 'vitest'
import { fieldsOf, judge } from '../../src/queue/redis-findings.ts'

const good = { redis_version: '7.0.15', maxmemory_policy: 'noeviction', aof_enabled: '1' }
const found = (changed: Record<string, string>, save: string | null = '') =>
  judge(new Map(Object.entries({ ...good, ...changed })), save).map(
    ({ isGrave, message }) => `${isGrave ? 'grave' : 'mild'}: ${message}`,
  )

test.each([
  ['a server as the queue wants it', {}, '', []],
  ['snapshots instead of a log', { aof_enabled: '0' }, '3600 1 300 100', []],
  ['nothing on disk', { aof_enabled: '0' }, '', [/^mild: .*set appendonly yes$/]],
  ['a configuration that may not be read', { aof_enabled: '0' }, null, [/^mild: .*may not be read/]],
  [
    'eviction',
    { maxmemory_policy: 'volatile-lru' },
    '',
    [/^grave: .*volatile-lru.*set maxmemory-policy noeviction$/],
  ],
  ['an old server', { redis_version: '6.0.16' }, '', [/^grave: Redis 6\.0\.16 is too old.*6\.2/]],
  ['the oldest that is good', { redis_version: '6.2.0' }, '', []],
  ['a newer one', { redis_version: '10.0.0' }, '', []],
  ['a version nobody can read', { redis_version: 'unstable' }, '', []],
])('%s', (_what, changed, save, expected) => {
  expect(found(changed, save)).toEqual(expected.map((words) => expect.stringMatching(words)))
})

test('INFO is read by lines, whatever they hold', () => {
  const info = fieldsOf('# Server\r\nredis_version:7.0.15\r\nos:Linux: 6.1\r\n\r\n')
  expect([...info]).toEqual([
    ['redis_version', '7.0.15'],
    ['os', 'Linux: 6.1'],
  ])
})
