/** Jobs in Redis: producers fail fast and say why, workers wait for it as long as it takes. Two connections, one more per worker. */
import { Queue as BullQueue, Worker } from 'bullmq'
import type { Log } from '../ports/log.ts'
import type { JobStore } from './job-store.ts'
import { connectForAdding, connectForWorking, placeOf } from './redis-connection.ts'
import { keepPulse } from './redis-pulse.ts'
import { within } from './within.ts'

/** A Redis Cluster keeps all keys with one hash tag together, which BullMQ's scripts need. */
const PREFIX = '{holdpoint}'
/** Long enough to learn and say at the start what is wrong; Holdpoint starts without Redis as well. */
const FIRST_ANSWER_MS_MAX = 2_000
/** What is not closed by then hangs on a Redis that does not answer. */
const CLOSE_MS_MAX = 1_500

export async function openRedisJobs(url: string, log: Log): Promise<JobStore> {
  const place = placeOf(url)
  const adding = connectForAdding(url)
  const working = connectForWorking(url)
  const pulse = keepPulse(adding, place, log)
  // The pulse tells about the server; repeating it for each connection and attempt would bury everything else.
  const note = (queue: string) => (error: Error) => {
    if (pulse.trouble() === null)
      log.warn({ err: error, queue }, 'the queue is in trouble; the loop looks instead')
    else log.debug({ err: error, queue }, 'the queue waits for Redis')
  }
  working.on('error', note('all'))
  await pulse.known(FIRST_ANSWER_MS_MAX)

  return {
    async openQueue(name, defaults) {
      const queue = new BullQueue(name, {
        connection: adding,
        prefix: PREFIX,
        defaultJobOptions: defaults,
        // Its check asks once: a Redis that is away in that moment would make the queue useless for ever.
        skipVersionCheck: true,
      })
      queue.on('error', note(name))
      return {
        source: queue,
        async add(jobName, data, options) {
          const silence = pulse.silence()
          if (silence !== null) throw new Error(silence)
          try {
            await queue.add(jobName, data, options)
            pulse.succeeded()
          } catch (error) {
            throw new Error(pulse.failed(error), { cause: error })
          }
        },
        close: () => closed(queue.close()),
      }
    },
    openWorker(name, processor, concurrency) {
      const worker = new Worker(name, processor, { connection: working, prefix: PREFIX, concurrency })
      worker.on('error', note(name))
      return {
        async close() {
          await closed(worker.close())
          // Ends a blocking read that Redis does not answer; nothing of a job is lost with it.
          await closed(worker.disconnect())
        },
      }
    },
    trouble: pulse.trouble,
    weakness: pulse.weakness,
    async close() {
      pulse.stop()
      adding.disconnect()
      working.disconnect()
    },
  }
}

async function closed(closing: Promise<unknown>): Promise<void> {
  // What fails while closing was already told, or is the closing itself.
  await within(
    closing.catch(() => {}),
    CLOSE_MS_MAX,
  )
}
