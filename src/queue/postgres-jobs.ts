/** Jobs in the ledger's own PostgreSQL, by BullMQ's backend for it: one server less to run. */
import { Queue as BullQueue, createPostgresBackend, Worker } from 'bullmq'
import type { Log } from '../ports/log.ts'
import type { JobStore, JobStoreAddress } from './job-store.ts'
import { within } from './within.ts'

/** Without a bound one process was seen to open 42 connections. */
const POOL_MAX = 3
const CONNECT_TIMEOUT_MS = 5_000
/** No statement of the queue takes long; its workers wait for notifications, not for answers. */
const QUERY_TIMEOUT_MS = 15_000
/** Whoever adds a job answers somebody who waits; the loop of two seconds does the rest. */
const ADD_MS_MAX = 1_000
/** What is not closed by then hangs on a database that does not answer. */
const CLOSE_MS_MAX = 1_500

export async function openPostgresJobs(
  { connectionString, openSocket, silence }: Extract<JobStoreAddress, { kind: 'postgres' }>,
  log: Log,
): Promise<JobStore> {
  const connection = {
    connectionString,
    schema: 'holdpoint_queue',
    migrate: true,
    max: POOL_MAX,
    stream: openSocket,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  }
  const warn = (queue: string) => (error: Error) =>
    log.warn({ err: error, queue }, 'the queue is in trouble; the loop looks instead')

  return {
    async openQueue(name, defaults) {
      const queue = new BullQueue(name, { connection, defaultJobOptions: defaults }, createPostgresBackend)
      queue.on('error', warn(name))
      await queue.waitUntilReady()
      return {
        source: queue,
        async add(jobName, data, options) {
          const reason = silence()
          if (reason !== null) throw new Error(`the queue is away with its database: ${reason}`)
          const added = queue.add(jobName, data, options)
          if (!(await within(added, ADD_MS_MAX))) throw new Error('the queue did not take a job in time')
        },
        close: async () => void (await within(queue.close(), CLOSE_MS_MAX)),
      }
    },
    openWorker(name, processor, concurrency) {
      const worker = new Worker(name, processor, { connection, concurrency }, createPostgresBackend)
      worker.on('error', warn(name))
      return { close: async () => void (await within(worker.close(), CLOSE_MS_MAX)) }
    },
    // The ledger's own readiness covers its database.
    trouble: () => null,
    weakness: () => null,
    async close() {},
  }
}
