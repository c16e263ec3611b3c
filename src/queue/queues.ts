/** The queues and their workers. A job carries an id and means "look at this"; losing or doubling one costs time only. */
import type { Job } from 'bullmq'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import type { Log } from '../ports/log.ts'
import type { Queue, QueueWorkers } from '../ports/queue.ts'
import type { JobStore, JobWorker } from './job-store.ts'

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
  store: JobStore,
): Promise<Queue & { readonly sources: readonly object[]; close(): Promise<void> }> {
  const [approvals, executions, deliveries] = await Promise.all([
    store.openQueue(APPROVALS, jobOptions),
    store.openQueue(EXECUTIONS, jobOptions),
    store.openQueue(DELIVERIES, jobOptions),
  ])

  return {
    sources: [approvals.source, executions.source, deliveries.source],
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
      await Promise.all([approvals.close(), executions.close(), deliveries.close()])
    },
  }
}

export function createWorkers(store: JobStore, log: Log): QueueWorkers {
  const workers: JobWorker[] = []

  function start(name: string, handler: (id: ApprovalId) => Promise<void>): void {
    const process = async (job: Job<{ id: string }>) => {
      const id = parseApprovalId(job.data.id)
      if (id.ok) await handler(id.value)
      else log.warn({ queue: name, job: job.id }, 'a job that names no approval was dropped')
    }
    workers.push(store.openWorker(name, process, WORKER_CONCURRENCY))
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
