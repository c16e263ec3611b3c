/** What every queue must do, on Redis as on PostgreSQL. */
import { Queue as BullQueue } from 'bullmq'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { type JobStore, type JobStoreAddress, openJobStore } from '../../src/queue/job-store.ts'
import { createQueue, createWorkers } from '../../src/queue/queues.ts'
import { aTicket } from '../support/builders.ts'

export function queueContract(name: string, open: () => Promise<JobStoreAddress>): void {
  describe(`${name} as a queue`, () => {
    let store: JobStore
    let queue: Awaited<ReturnType<typeof createQueue>>
    let workers: ReturnType<typeof createWorkers>
    const attended: ApprovalId[] = []
    const executed: ApprovalId[] = []
    const failOnce = new Set<ApprovalId>()
    const warnings: string[] = []
    const log = { debug() {}, info() {}, error() {}, warn: (_: object, text: string) => warnings.push(text) }

    beforeAll(async () => {
      store = await openJobStore(await open(), log)
      queue = await createQueue(store)
      workers = createWorkers(store, log)
      workers.attend(async (id) => {
        attended.push(id)
        if (failOnce.delete(id)) throw new Error('once')
      })
      workers.execute(async (id) => {
        executed.push(id)
      })
    })
    afterAll(async () => {
      await workers.close()
      await queue.close()
      await store.close()
    })

    const times = (ids: readonly ApprovalId[], id: ApprovalId) => ids.filter((other) => other === id).length

    test('an alarm rings after its delay, once, however often it was set', async () => {
      const id = aTicket()
      await Promise.all([queue.setAlarm(id, 1, 300), queue.setAlarm(id, 1, 300), queue.setAlarm(id, 1, 300)])
      expect(attended).not.toContain(id)
      await expect.poll(() => times(attended, id)).toBe(1)
    })

    test('each version has an alarm of its own, and a finished one does not block its id', async () => {
      const id = aTicket()
      await queue.setAlarm(id, 1, 0)
      await queue.setAlarm(id, 2, 0)
      await expect.poll(() => times(attended, id)).toBe(2)
      await expect
        .poll(async () => {
          await queue.setAlarm(id, 1, 0)
          return times(attended, id)
        })
        .toBeGreaterThan(2)
    })

    test('a handler that fails is tried again', async () => {
      const id = aTicket()
      failOnce.add(id)
      await queue.setAlarm(id, 1, 0)
      await expect.poll(() => times(attended, id)).toBe(2)
    })

    test('an approved call reaches a gateway', async () => {
      const id = aTicket()
      await queue.requestExecution(id, 2)
      await expect.poll(() => times(executed, id)).toBe(1)
      expect(attended).not.toContain(id)
    })

    test('a job of another version is left alone, visibly, for a bounded time; one of before there were versions is done', async () => {
      const newer = aTicket()
      const old = aTicket()
      const raw = await store.openQueue('approvals', { removeOnFail: false })
      await raw.add('attend', { v: 2, id: newer }, { attempts: 3, backoff: { type: 'fixed', delay: 10 } })
      // As payloads were written before they said a version.
      const { source } = raw
      if (!(source instanceof BullQueue)) throw new Error('no queue of BullMQ')
      await source.add('attend', { id: old })
      await expect.poll(() => times(attended, old)).toBe(1)
      await expect.poll(() => source.getFailedCount()).toBe(1)
      const [failed] = await source.getFailed()
      expect(failed).toMatchObject({ attemptsMade: 3, data: { id: newer } })
      expect(failed?.failedReason).toContain('this job is of version 2, and this process knows version 1')
      expect(attended).not.toContain(newer)
      expect(warnings.filter((text) => text.includes('a job is left alone'))).toHaveLength(1)
      await raw.close()
    })
  })
}
