import { Socket } from 'node:net'
import { afterAll } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { queueContract } from './queue.ts'

const database = await freshDatabase()
afterAll(() => database.drop())

queueContract('PostgreSQL', async () => ({
  kind: 'postgres',
  connectionString: database.connectionString,
  openSocket: () => new Socket(),
  silence: () => null,
}))
