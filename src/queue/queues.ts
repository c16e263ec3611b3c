/** The queues and their workers. A job carries an id and means "look at this"; losing or doubling one costs time only. */
import type { Job } from 'bullmq'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import type { Log } from '../ports/log.ts'
import type { Queue, QueueWorkers } from '../ports/queue.ts'
import type { JobData, JobStore, JobWorker } from './job-store.ts'

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

/** Raised when payloads come to mean something else. Jobs of before there was one have none, and say the same. */
const JOB_VERSION = 1

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
      await approvals.add('attend', { v: JOB_VERSION, id }, { jobId: jobId(id, version), delay: delayMs })
    },
    async requestExecution(id, version) {
      await executions.add('execute', { v: JOB_VERSION, id }, { jobId: jobId(id, version) })
    },
    async requestDelivery(id, version) {
      await deliveries.add('deliver', { v: JOB_VERSION, id }, { jobId: jobId(id, version) })
    },
    async close() {
      await Promise.all([approvals.close(), executions.close(), deliveries.close()])
    },
  }
}

export function createWorkers(store: JobStore, log: Log): QueueWorkers {
  const workers: JobWorker[] = []
  const saidVersions = new Set<unknown>()

  /**
   * @throws where another version of Holdpoint made the job: it fails, and goes back to the queue for a process that knows it, as
   * often as whoever made it allows. Nothing hangs on it, because the loops of that version look anyway.
   */
  function assertKnown(name: string, job: Job<JobData>): void {
    const { v = JOB_VERSION } = job.data
    if (v === JOB_VERSION) return
    const reason = `this job is of version ${v}, and this process knows version ${JOB_VERSION}; a process of its version takes it`
    if (!saidVersions.has(v))
      log.warn({ queue: name, job: job.id, version: v }, `a job is left alone: ${reason}`)
    saidVersions.add(v)
    throw new Error(reason)
  }

  function start(name: string, handler: (id: ApprovalId) => Promise<void>): void {
    const process = async (job: Job<JobData>) => {
      assertKnown(name, job)
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
