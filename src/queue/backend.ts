/** Where BullMQ keeps its jobs: Redis when there is one, otherwise the ledger's own PostgreSQL. Same queues, same names. */
import {
  Queue as BullQueue,
  createPostgresBackend,
  type JobsOptions,
  type Processor,
  type QueueOptions,
  Worker,
  type WorkerOptions,
} from 'bullmq'

export interface JobData {
  readonly id: string
}

/** A Redis Cluster keeps all keys with one hash tag together, which BullMQ's scripts need. */
const PREFIX = '{holdpoint}'
/** Without a bound one process was seen to open 42 connections. */
const POSTGRES_POOL_MAX = 3

export type QueueBackend =
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'postgres'; readonly connectionString: string }

/** What producers need of a BullMQ queue, whichever backend it has. */
export interface JobQueue {
  readonly name: string
  add(name: string, data: JobData, options: JobsOptions): Promise<unknown>
  waitUntilReady(): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

export interface JobWorker {
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

export function openQueue(
  backend: QueueBackend,
  name: string,
  options: Omit<QueueOptions, 'connection' | 'prefix'>,
): JobQueue {
  switch (backend.kind) {
    case 'redis':
      // A producer answers a request: it fails at once rather than waiting for Redis to come back.
      return new BullQueue(name, {
        ...options,
        connection: { url: backend.url, maxRetriesPerRequest: 1, enableOfflineQueue: false },
        prefix: PREFIX,
      })
    case 'postgres':
      return new BullQueue(name, { ...options, connection: postgres(backend) }, createPostgresBackend)
  }
}

export function openWorker(
  backend: QueueBackend,
  name: string,
  processor: Processor<JobData>,
  options: Omit<WorkerOptions, 'connection' | 'prefix'>,
): JobWorker {
  switch (backend.kind) {
    case 'redis':
      // A worker is patient; BullMQ requires `null` here.
      return new Worker(name, processor, {
        ...options,
        connection: { url: backend.url, maxRetriesPerRequest: null },
        prefix: PREFIX,
      })
    case 'postgres':
      return new Worker(name, processor, { ...options, connection: postgres(backend) }, createPostgresBackend)
  }
}

function postgres({ connectionString }: Extract<QueueBackend, { kind: 'postgres' }>) {
  return { connectionString, schema: 'holdpoint_queue', migrate: true, max: POSTGRES_POOL_MAX }
}
