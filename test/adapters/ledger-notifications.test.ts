/** Wake-ups over NOTIFY: they arrive, and when the connection was away, listeners are told that they may have missed some. */
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../src/launch/log.ts'
import { createPool } from '../../src/ledger/connect.ts'
import { createNotifications } from '../../src/ledger/notifications.ts'
import { freshDatabase } from '../support/postgres.ts'

const database = await freshDatabase()
const pool = createPool(database.connectionString, silentLog)
const notifications = await createNotifications(database.connectionString, pool, ['one', 'two'], silentLog)
afterAll(async () => {
  await notifications.close()
  await pool.end()
  await database.drop()
})

test('a wake-up reaches the listeners of its channel, and nobody who stopped listening', async () => {
  const heard: (string | null)[] = []
  const stop = notifications.on('one', (payload) => heard.push(payload))
  await notifications.notify('two', 'not for us')
  await notifications.notify('one', 'HP-1')
  await expect.poll(() => heard).toEqual(['HP-1'])
  stop()
  const others: (string | null)[] = []
  const stopOthers = notifications.on('one', (payload) => others.push(payload))
  await notifications.notify('one', 'HP-2')
  await expect.poll(() => others).toEqual(['HP-2'])
  stopOthers()
  expect(heard).toEqual(['HP-1'])
})

test('after a lost connection it listens again, and says that something may have been missed', async () => {
  const heard: (string | null)[] = []
  notifications.on('one', (payload) => heard.push(payload))
  await pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdpoint wake-ups' AND datname = current_database()`,
  )
  await expect.poll(() => heard).toEqual([null])
  await notifications.notify('one', 'HP-3')
  await expect.poll(() => heard).toEqual([null, 'HP-3'])
})

test('a wake-up that cannot be sent is no fault', async () => {
  const dead = createPool('postgres://nobody@127.0.0.1:1/none', silentLog)
  const other = await createNotifications(database.connectionString, dead, [], silentLog)
  await expect(other.notify('one', 'HP-4')).resolves.toBeUndefined()
  await other.close()
  await dead.end()
})
