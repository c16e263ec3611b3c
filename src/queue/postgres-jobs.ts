/** Jobs in the ledger's own PostgreSQL, by BullMQ's backend for it: one server less to run. */
import { Queue as BullQueue, createPostgresBackend, Worker } from 'bullmq'
import type { Log } from '../ports/log.ts'
import type { JobStore } from './job-store.ts'

/** Without a bound one process was seen to open 42 connections. */
const POOL_MAX = 3

export async function openPostgresJobs(connectionString: string, log: Log): Promise<JobStore> {
  const connection = { connectionString, schema: 'holdpoint_queue', migrate: true, max: POOL_MAX }
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
          await queue.add(jobName, data, options)
        },
        close: () => queue.close(),
      }
    },
    openWorker(name, processor, concurrency) {
      const worker = new Worker(name, processor, { connection, concurrency }, createPostgresBackend)
      worker.on('error', warn(name))
      return { close: () => worker.close() }
    },
    // The ledger's own readiness covers its database.
    trouble: () => null,
    async close() {},
  }
}
