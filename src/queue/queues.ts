/** The queues and their workers. A job carries an id and means "look at this"; losing or doubling one costs time only. */
import type { Job } from 'bullmq'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import type { Log } from '../ports/log.ts'
import type { Queue, QueueWorkers } from '../ports/queue.ts'
import { type JobWorker, openQueue, openWorker, type QueueBackend } from './backend.ts'

/**
 * `approvals`: one alarm for each version of a paused call. `executions`: approved calls that a gateway should run.
 * `deliveries`: cards that should show a new state.
 */
const APPROVALS = 'approvals'
const EXECUTIONS = 'executions'
const DELIVERIES = 'deliveries'

/** A retained job would block its id for ever, and the ledger knows better what happened. */
const jobOptions = {
  removeOnComplete: true,
  removeOnFail: true,
  attempts: 3,
  backoff: { type: 'exponential', delay: 1_000 },
}

const WORKER_CONCURRENCY = 10

export async function createQueue(
  backend: QueueBackend,
  log: Log,
): Promise<Queue & { close(): Promise<void> }> {
  const approvals = openQueue(backend, APPROVALS, { defaultJobOptions: jobOptions })
  const executions = openQueue(backend, EXECUTIONS, { defaultJobOptions: jobOptions })
  const deliveries = openQueue(backend, DELIVERIES, { defaultJobOptions: jobOptions })
  const all = [approvals, executions, deliveries]
  for (const queue of all) {
    queue.on('error', (error) =>
      log.warn({ err: error, queue: queue.name }, 'the queue is in trouble; the loop looks instead'),
    )
  }
  await Promise.all(all.map((queue) => queue.waitUntilReady()))

  return {
    async setAlarm(id, version, delayMs) {
      await approvals.add('attend', { id }, { jobId: jobId(id, version), delay: delayMs })
    },
    async requestExecution(id, version) {
      await executions.add('execute', { id }, { jobId: jobId(id, version) })
    },
    async requestDelivery(id, version) {
      await deliveries.add('deliver', { id }, { jobId: jobId(id, version) })
    },
    async close() {
      await Promise.all(all.map((queue) => queue.close()))
    },
  }
}

export function createWorkers(backend: QueueBackend, log: Log): QueueWorkers {
  const workers: JobWorker[] = []

  function start(name: string, handler: (id: ApprovalId) => Promise<void>): void {
    const process = async (job: Job<{ id: string }>) => {
      const id = parseApprovalId(job.data.id)
      if (id.ok) await handler(id.value)
      else log.warn({ queue: name, job: job.id }, 'a job that names no approval was dropped')
    }
    const worker = openWorker(backend, name, process, { concurrency: WORKER_CONCURRENCY })
    worker.on('error', (error) =>
      log.warn({ err: error, queue: name }, 'a queue worker is in trouble; the loop looks instead'),
    )
    workers.push(worker)
  }

  return {
    attend: (handler) => start(APPROVALS, handler),
    execute: (handler) => start(EXECUTIONS, handler),
    deliver: (handler) => start(DELIVERIES, handler),
    async close() {
      await Promise.all(workers.map((worker) => worker.close()))
    },
  }
}

/** Versioned, so that no alarm is ever moved or promoted: the next transition simply has an alarm of its own. */
const jobId = (id: ApprovalId, version: number) => `${id}.${version}`
