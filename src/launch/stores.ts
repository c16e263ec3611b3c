/** What every process stands on: the ledger and the queue beside it. Opened in this order, closed in the reverse one. */
import type { Config } from '../config.ts'
import type { Log } from '../ports/log.ts'
import type { Queue, QueueWorkers } from '../ports/queue.ts'
import { type Board, createBoard } from '../queue/board.ts'
import { type JobStoreAddress, openJobStore } from '../queue/job-store.ts'
import { createQueue, createWorkers } from '../queue/queues.ts'
import { type OpenLedger, openLedger } from './ledger.ts'

export interface Stores {
  readonly store: OpenLedger
  readonly queue: Queue
  readonly workers: QueueWorkers
  /** The queues, to be looked at. */
  readonly board: Board
  /** What runs where, for people. */
  readonly queueDescription: string
  /** What keeps the queue from working now, `null` when it works: a matter of speed, never of truth. */
  queueTrouble(): string | null
  close(): Promise<void>
}

/** @throws with whatever kept the ledger from opening; then nothing is left open. A Redis that is away is no reason. */
export async function openStores(
  config: Pick<Config, 'databaseUrl' | 'redisUrl' | 'dataDir'>,
  log: Log,
): Promise<Stores> {
  const store = await openLedger(config, log)
  const undo: (() => Promise<void>)[] = [() => store.close()]
  const close = async () => {
    // Workers before the queue, the queue before the ledger.
    for (const step of undo.splice(0)) await step()
  }
  try {
    const address: JobStoreAddress =
      config.redisUrl === null
        ? {
            kind: 'postgres',
            connectionString: store.connectionString,
            openSocket: store.openSocket,
            silence: store.pulse.silence,
          }
        : { kind: 'redis', url: config.redisUrl }
    const jobs = await openJobStore(address, log)
    undo.unshift(() => jobs.close())
    const queue = await createQueue(jobs)
    undo.unshift(() => queue.close())
    const workers = createWorkers(jobs, log)
    undo.unshift(() => workers.close())
    const trouble = jobs.trouble()
    return {
      store,
      queue,
      workers,
      board: createBoard(queue.sources),
      queueDescription: `${address.kind === 'redis' ? 'BullMQ on Redis' : 'BullMQ on the same PostgreSQL'}${trouble === null ? '' : `; not now: ${trouble}`}`,
      queueTrouble: () => jobs.trouble() ?? jobs.weakness(),
      close,
    }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}
