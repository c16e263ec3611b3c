/** Where BullMQ keeps its jobs: Redis when there is one, otherwise the ledger's own PostgreSQL. Same queues, same names. */
import type { Socket } from 'node:net'
import type { JobsOptions, Processor } from 'bullmq'
import type { Log } from '../ports/log.ts'
import { openPostgresJobs } from './postgres-jobs.ts'
import { openRedisJobs } from './redis-jobs.ts'

/** What a job says. Whoever meets another `v` than its own leaves the job to others. */
export interface JobData {
  readonly v: number
  readonly id: string
}

export type JobStoreAddress =
  | { readonly kind: 'redis'; readonly url: string }
  | {
      readonly kind: 'postgres'
      readonly connectionString: string
      /** Whoever watches over the ledger's connections opens these as well. */
      readonly openSocket: () => Socket
      /** Why that database cannot be used now, `null` when it can. */
      readonly silence: () => string | null
    }

/** What producers need of a BullMQ queue. */
export interface JobQueue {
  /** @throws soon, when the store does not take the job: the caller answers somebody who waits */
  add(name: string, data: JobData, options: JobsOptions): Promise<void>
  /** BullMQ's own queue, to be looked at. Its type differs from store to store. */
  readonly source: object
  close(): Promise<void>
}

export interface JobWorker {
  /** Running handlers may finish, within a limit. */
  close(): Promise<void>
}

export interface JobStore {
  openQueue(name: string, defaults: JobsOptions): Promise<JobQueue>
  openWorker(name: string, processor: Processor<JobData>, concurrency: number): JobWorker
  /** A sentence about what keeps the queue from working now, `null` when it works. It costs time, never an approval. */
  trouble(): string | null
  /** What is set in a way that costs something, though it can be used; `null`: nothing that is known. */
  weakness(): string | null
  close(): Promise<void>
}

export function openJobStore(address: JobStoreAddress, log: Log): Promise<JobStore> {
  switch (address.kind) {
    case 'redis':
      return openRedisJobs(address.url, log)
    case 'postgres':
      return openPostgresJobs(address, log)
  }
}
